"""What the audit looks up for every settlement, and reads of every transfer."""

from typing import Any

from tortoise.migrations import operations as ops

from models.db import migration

INDEXES = {
    "ix_receipt_reference": "receipt (reference, kind, gateway)",
    "ix_transfer_from": "transfer (from_id, amount)",
    "ix_transfer_to": "transfer (to_id, amount)",
}
#: They held the account alone.
REMADE = ("ix_transfer_from", "ix_transfer_to")
BEFORE = {"ix_transfer_from": "transfer (from_id)", "ix_transfer_to": "transfer (to_id)"}


async def _index(apps: Any, editor: Any) -> None:
    for name in REMADE:
        await editor.client.execute_query(f"DROP INDEX {name}")
    for name, what in INDEXES.items():
        await editor.client.execute_query(f"CREATE INDEX {name} ON {what}")


async def _as_before(apps: Any, editor: Any) -> None:
    for name in INDEXES:
        await editor.client.execute_query(f"DROP INDEX {name}")
    for name, what in BEFORE.items():
        await editor.client.execute_query(f"CREATE INDEX {name} ON {what}")


class Migration(migration.Migration):
    dependencies = [("models", "0018_pulse")]

    operations = [ops.RunPython(_index, _as_before)]
