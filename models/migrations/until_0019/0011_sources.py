"""What an idempotency key has made once, it does not make again when the key has been forgotten.

What was made before has no source: its keys are refused for as long as they are kept.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

_TABLES = ("invoice", "refund")


async def _index(apps: Any, editor: Any) -> None:
    for table in _TABLES:
        await editor.client.execute_query(
            f"CREATE UNIQUE INDEX uq_{table}_source ON {table} (source) WHERE source IS NOT NULL"
        )


async def _drop_index(apps: Any, editor: Any) -> None:
    for table in _TABLES:
        await editor.client.execute_query(f"DROP INDEX uq_{table}_source")


class Migration(migration.Migration):
    dependencies = [("models", "0010_exact_prices")]

    operations = [
        ops.AddField("Invoice", "source", fields.CharField(null=True, max_length=64)),
        ops.AddField("Refund", "source", fields.CharField(null=True, max_length=64)),
        ops.RunPython(_index, _drop_index),
    ]
