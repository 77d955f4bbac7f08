"""What was revoked in the last seconds is found at once, however much there is."""

from typing import Any

from tortoise.migrations import operations as ops

from models.db import migration

_INDEXES = {
    "ix_session_revoked": "session (revoked_at) WHERE revoked_at IS NOT NULL",
    "ix_api_key_revoked": "api_key (revoked_at) WHERE revoked_at IS NOT NULL",
    "ix_users_disabled": "users (disabled_at) WHERE disabled_at IS NOT NULL",
}


async def _index(apps: Any, editor: Any) -> None:
    for name, what in _INDEXES.items():
        await editor.client.execute_query(f"CREATE INDEX {name} ON {what}")


async def _drop_index(apps: Any, editor: Any) -> None:
    for name in _INDEXES:
        await editor.client.execute_query(f"DROP INDEX {name}")


class Migration(migration.Migration):
    dependencies = [("models", "0012_email_keys")]

    operations = [ops.RunPython(_index, _drop_index)]
