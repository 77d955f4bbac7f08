"""What bank statements brought, line by line, and which statements have come."""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from models.db import migration
from uuid_utils.compat import uuid7

from models.db.record import new_id
from models.clock import now

CHECKS = {
    "BankCredit": {
        "kind": "kind IN ('CREDIT', 'RETURN')",
        "state": "state IN ('BOOKED', 'PARKED', 'ASSIGNED', 'DISMISSED')",
        "amount": "amount > 0",
        "settled": "(state IN ('BOOKED', 'ASSIGNED')) = (payment_id IS NOT NULL)",
        "why": "state <> 'PARKED' OR why <> ''",
    },
}

TABLES = {"BankCredit": "bank_credit"}

INDEXES = {
    "uq_bank_credit_1": "bank_credit (bank_account, kind, line_key)",
    "uq_bank_statement_1": "bank_statement (fingerprint)",
    "ix_bank_credit_state": "bank_credit (state, id)",
    "ix_bank_credit_ref": "bank_credit (bank_account, bank_ref) WHERE bank_ref <> ''",
    "ix_bank_credit_amount": "bank_credit (amount, currency, booked_on)",
    "ix_bank_credit_payment": "bank_credit (payment_id) WHERE payment_id IS NOT NULL",
    "ix_bank_statement_day": "bank_statement (bank_account, currency, closed_on)",
}

#: What staff had recorded by hand before there were lines.
RECORDED = """
SELECT s.created_at, s.reference, s.amount, s.payment_id, p.currency
  FROM settlement s JOIN payment p ON p.id = s.payment_id
 WHERE s.kind = 'CAPTURED' AND s.gateway = 'bank-transfer'
"""
KEEP = """
INSERT INTO bank_credit (id, created_at, kind, state, why, bank_account, line_key, bank_ref, forms,
                         amount, currency, booked_on, payer_name, payer_account, text, quoted,
                         note, payment_id)
VALUES ({}, {}, 'CREDIT', 'ASSIGNED', '', {}, {}, {}, 'hand', {}, {}, {}, '', '', '', '', '', {})
"""


async def _fill(apps: Any, editor: Any) -> None:
    for name, what in INDEXES.items():
        kind = "UNIQUE INDEX" if name.startswith("uq") else "INDEX"
        await editor.client.execute_query(f"CREATE {kind} {name} ON {what}")
    on_sqlite = editor.DIALECT == "sqlite"
    marks = [f"?{n}" if on_sqlite else f"${n}" for n in range(1, 10)]
    for row in await editor.client.execute_query_dict(RECORDED):
        account, _, line = row["reference"].partition(":")
        line_id = str(new_id()) if on_sqlite else new_id()
        values = [line_id, row["created_at"], account, line, line, row["amount"], row["currency"]]
        values += [str(row["created_at"])[:10], row["payment_id"]]
        await editor.client.execute_query(KEEP.format(*marks), values)


async def _drop(apps: Any, editor: Any) -> None:
    for name in INDEXES:
        await editor.client.execute_query(f"DROP INDEX {name}")


def _id() -> Any:
    return fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True)


class Migration(migration.Migration):
    dependencies = [("models", "0002_constraints")]

    operations = [
        ops.CreateModel(
            name="BankCredit",
            fields=[
                ("id", _id()),
                ("created_at", fields.DatetimeField(default=now)),
                ("kind", fields.CharField(max_length=8)),
                ("state", fields.CharField(max_length=16)),
                ("why", fields.CharField(default="", max_length=24)),
                ("bank_account", fields.CharField(max_length=64)),
                ("line_key", fields.CharField(max_length=160)),
                ("bank_ref", fields.CharField(default="", max_length=140)),
                ("forms", fields.CharField(max_length=64)),
                ("amount", fields.BigIntField()),
                ("currency", fields.CharField(max_length=3)),
                ("booked_on", fields.CharField(max_length=10)),
                ("payer_name", fields.CharField(default="", max_length=200)),
                ("payer_account", fields.CharField(default="", max_length=64)),
                ("text", fields.CharField(default="", max_length=2000)),
                ("quoted", fields.CharField(default="", max_length=40)),
                ("note", fields.CharField(default="", max_length=500)),
                ("payment_id", fields.UUIDField(null=True)),
                ("duplicate_of_id", fields.UUIDField(null=True)),
            ],
            options={"table": "bank_credit", "app": "models", "pk_attr": "id"},
            bases=["Changing"],
        ),
        ops.CreateModel(
            name="BankStatement",
            fields=[
                ("id", _id()),
                ("created_at", fields.DatetimeField(default=now)),
                ("bank_account", fields.CharField(max_length=64)),
                ("currency", fields.CharField(max_length=3)),
                ("form", fields.CharField(max_length=16)),
                ("reference", fields.CharField(max_length=140)),
                ("number", fields.BigIntField(null=True)),
                ("opening", fields.BigIntField()),
                ("closing", fields.BigIntField()),
                ("opened_on", fields.CharField(max_length=10)),
                ("closed_on", fields.CharField(max_length=10)),
                ("fingerprint", fields.CharField(max_length=64)),
                ("gap", fields.CharField(default="", max_length=8)),
            ],
            options={"table": "bank_statement", "app": "models", "pk_attr": "id"},
            bases=["Record"],
        ),
        *(
            ops.AddConstraint(
                model, CheckConstraint(check=check, name=f"ck_{TABLES[model]}_{name}")
            )
            for model, checks in CHECKS.items()
            for name, check in checks.items()
        ),
        ops.RunPython(_fill, _drop),
    ]
