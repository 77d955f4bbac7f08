"""What e-mail addresses are compared by, beside the address as it was written.

Addresses were stored folded until now. Where two of them are one by the new rule (in full width and
in ASCII), the older keeps it; the other is compared by what it is until somebody changes it.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

from models.email import key_of

_TABLES = ("account", "users")


async def _fill(apps: Any, editor: Any) -> None:
    numbered = (
        "?" if editor.DIALECT == "sqlite" else "$1",
        "?" if editor.DIALECT == "sqlite" else "$2",
    )
    for table in _TABLES:
        rows = await editor.client.execute_query_dict(
            f"SELECT id, email FROM {table} WHERE email IS NOT NULL ORDER BY id"
        )
        taken: set[str] = set()
        for row in rows:
            key = key_of(row["email"])
            if key is None or key in taken:
                key = row["email"]
            taken.add(key)
            statement = f"UPDATE {table} SET email_key = {numbered[0]} WHERE id = {numbered[1]}"
            await editor.client.execute_query(statement, [key, row["id"]])
        await editor.client.execute_query(
            f"CREATE UNIQUE INDEX uq_{table}_email_key ON {table} (email_key)"
        )


async def _drop_index(apps: Any, editor: Any) -> None:
    for table in _TABLES:
        await editor.client.execute_query(f"DROP INDEX uq_{table}_email_key")


class Migration(migration.Migration):
    dependencies = [("models", "0011_sources")]

    operations = [
        ops.AddField("Account", "email_key", fields.CharField(null=True, max_length=254)),
        ops.AddField("User", "email_key", fields.CharField(null=True, max_length=254)),
        ops.RunPython(_fill, _drop_index),
    ]
