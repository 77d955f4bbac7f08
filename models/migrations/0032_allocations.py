"""One payment pays several invoices: what of it is for each."""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import migration

_INDEXES = (
    "CREATE UNIQUE INDEX uq_payment_allocation ON payment_allocation (payment_id, invoice_id)",
    "CREATE UNIQUE INDEX uq_payment_allocation_place ON payment_allocation (payment_id, place)",
    "CREATE INDEX ix_payment_allocation_invoice ON payment_allocation (invoice_id)",
    "CREATE INDEX ix_payment_allocation_account ON payment_allocation (account_id)",
)


async def _index(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        await editor.client.execute_query(statement)


async def _drop_indexes(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        words = statement.split()
        await editor.client.execute_query(f"DROP INDEX {words[words.index('INDEX') + 1]}")


class Migration(migration.Migration):
    dependencies = [("models", "0031_partner_accounts")]

    operations = [
        ops.CreateModel(
            name="Allocation",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("payment_id", fields.UUIDField()),
                ("invoice_id", fields.UUIDField()),
                ("account_id", fields.UUIDField()),
                ("place", fields.SmallIntField()),
                ("amount", fields.BigIntField()),
                ("credit_part", fields.BigIntField(default=0)),
                ("applied", fields.BigIntField(default=0)),
            ],
            options={
                "table": "payment_allocation",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One invoice of a payment for several: they are paid in the"
                " order of their `place`, the one",
            },
            bases=["Changing"],
        ),
        ops.AddField("Payment", "several", fields.BooleanField(default=False, db_default=False)),
        ops.AddField("Refund", "invoice_id", fields.UUIDField(null=True)),
        ops.RunPython(_index, _drop_indexes),
    ]
