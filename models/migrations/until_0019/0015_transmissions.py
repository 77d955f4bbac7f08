"""Which body came under an id that a gateway signed, and of which order a message tells."""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration
from uuid_utils.compat import uuid7

from models.clock import now

_INDEXES = (
    "CREATE UNIQUE INDEX uq_transmission ON transmission (gateway, reference)",
    "CREATE INDEX ix_transmission_age ON transmission (created_at)",
)


async def _index(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        await editor.client.execute_query(statement)


async def _drop_indexes(apps: Any, editor: Any) -> None:
    for name in ("uq_transmission", "ix_transmission_age"):
        await editor.client.execute_query(f"DROP INDEX {name}")


class Migration(migration.Migration):
    dependencies = [("models", "0014_search_keys")]

    operations = [
        ops.CreateModel(
            name="Transmission",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("gateway", fields.CharField(max_length=64)),
                ("reference", fields.CharField(max_length=255)),
                ("digest", fields.CharField(max_length=64)),
            ],
            options={"table": "transmission", "app": "models", "pk_attr": "id"},
            bases=["Record"],
        ),
        ops.AddField("Receipt", "gateway_ref", fields.CharField(max_length=255, db_default="")),
        ops.RunPython(_index, _drop_indexes),
    ]
