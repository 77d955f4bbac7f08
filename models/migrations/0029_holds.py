"""Credit that partners reserve for an order: what for, until when, and what became of it."""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import migration

_CHECKS = {
    "amount": "amount > 0",
    "captured": "captured >= 0 AND captured <= amount",
    "state": "state IN ('OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED')",
    "ended": "(state = 'OPEN') = (ended_at IS NULL)",
    "rest": "state <> 'OPEN' OR captured < amount",
    "billed": "(captured > 0) = (invoice_id IS NOT NULL)",
    "end": "state <> 'CAPTURED' OR captured > 0",
}
_INDEXES = {
    "ix_reservation_account": "INDEX {name} ON reservation (account_id, id)",
    "ix_reservation_state": "INDEX {name} ON reservation (account_id, state, id)",
    "ix_reservation_expiry": "INDEX {name} ON reservation (expires_at) WHERE state = 'OPEN'",
    "uq_reservation_source": "UNIQUE INDEX {name} ON reservation (source)",
}


async def _index(apps: Any, editor: Any) -> None:
    for name, index in _INDEXES.items():
        await editor.client.execute_query(f"CREATE {index.format(name=name)}")


async def _drop_indexes(apps: Any, editor: Any) -> None:
    for name in _INDEXES:
        await editor.client.execute_query(f"DROP INDEX {name}")


class Migration(migration.Migration):
    dependencies = [("models", "0028_events")]

    operations = [
        ops.CreateModel(
            name="Reservation",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("account_id", fields.UUIDField()),
                ("currency", fields.CharField(max_length=3)),
                ("amount", fields.BigIntField()),
                ("captured", fields.BigIntField(default=0)),
                ("reference", fields.CharField(max_length=200)),
                ("description", fields.CharField(max_length=500)),
                ("state", fields.CharField(max_length=16)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("invoice_id", fields.UUIDField(null=True)),
                ("source", fields.CharField(max_length=64)),
            ],
            options={
                "table": "reservation",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Credit put by for an order, in minor units: `captured` of its"
                " `amount` has been billed, by",
            },
            bases=["Changing"],
        ),
        *(
            ops.AddConstraint(
                "Reservation", CheckConstraint(check=check, name=f"ck_reservation_{name}")
            )
            for name, check in _CHECKS.items()
        ),
        ops.RunPython(_index, _drop_indexes),
    ]
