"""Refunds that staff ask a gateway for; a message may name its capture or refund alone."""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from models.db import migration
from uuid_utils.compat import uuid7

from models.clock import now

CHECKS = {
    "amount": "amount > 0 AND held >= 0 AND held <= amount",
    "status": "status IN ('PENDING', 'SUCCEEDED', 'FAILED')",
}

INDEXES = (
    "CREATE INDEX ix_refund_payment ON refund (payment_id)",
    "CREATE INDEX ix_refund_check ON refund (next_check_at) WHERE next_check_at IS NOT NULL",
)


async def _index(apps: Any, editor: Any) -> None:
    for statement in INDEXES:
        await editor.client.execute_query(statement)


async def _drop_indexes(apps: Any, editor: Any) -> None:
    for statement in INDEXES:
        await editor.client.execute_query(f"DROP INDEX {statement.split()[2]}")


class Migration(migration.Migration):
    dependencies = [("models", "0003_bank_credits")]

    operations = [
        ops.CreateModel(
            name="Refund",
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
                ("account_id", fields.UUIDField()),
                ("currency", fields.CharField(max_length=3)),
                ("amount", fields.BigIntField()),
                ("held", fields.BigIntField(default=0)),
                ("reason", fields.CharField(max_length=500)),
                ("status", fields.CharField(max_length=16)),
                ("capture", fields.CharField(max_length=255)),
                ("reference", fields.CharField(default="", max_length=255)),
                ("failure", fields.CharField(null=True, max_length=64)),
                (
                    "next_check_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("checks", fields.IntField(default=0)),
                (
                    "completed_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={"table": "refund", "app": "models", "pk_attr": "id"},
            bases=["Changing"],
        ),
        ops.AddField("Receipt", "capture_ref", fields.CharField(max_length=255, db_default="")),
        ops.AddField("Receipt", "refund_ref", fields.CharField(max_length=255, db_default="")),
        *(
            ops.AddConstraint("Refund", CheckConstraint(check=check, name=f"ck_refund_{name}"))
            for name, check in CHECKS.items()
        ),
        ops.RunPython(_index, _drop_indexes),
    ]
