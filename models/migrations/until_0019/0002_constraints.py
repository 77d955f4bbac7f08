"""What must hold whatever the code does: checks, uniqueness, append-only tables, indexes.

Written by hand: CreateModel drops `Meta.constraints` without a word. Checks come before indexes,
because SQLite remakes the table for each and loses its indexes. Statements run one by one, because
RunSQL splits at semicolons on SQLite, which breaks triggers.
"""

from typing import Any

from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from models.db import migration

CHECKS = {
    "Account": {"open_disputes": "open_disputes >= 0"},
    "Balance": {
        "credit": "available >= promotional AND promotional >= 0",
        "reserved": "reserved >= 0",
        "debt": "debt >= 0",
        "version": "version >= 0 AND revision >= 0",
    },
    "Transfer": {"amount": "amount > 0", "sides": "from_id <> to_id", "leg": "leg >= 0"},
    "CreditTransaction": {
        "version": "version > 0",
        "credit": "available_after >= promotional_after AND promotional_after >= 0",
        "reserved": "reserved_after >= 0",
        "debt": "debt_after >= 0",
        "balance": "balance_after = available_after + reserved_after - debt_after",
    },
    "Grant": {"remaining": "remaining >= 0 AND remaining <= amount AND amount > 0"},
    "Hold": {"amount": "amount > 0", "state": "state IN ('OPEN', 'SPENT', 'RELEASED')"},
    "Invoice": {
        "kind": "kind IN ('FUNDS', 'ORDER')",
        "status": "status IN ('UNPAID', 'PROCESSING', 'PAID', 'VOID', 'REFUNDED')",
        "total": "total > 0 AND total = subtotal + tax",
        "paid": "amount_paid >= 0 AND amount_paid <= total",
        "credit": "credit_applied >= 0 AND credit_applied <= amount_paid",
        "funds": "kind <> 'FUNDS' OR credit_applied = 0",
        "covered": "status <> 'PAID' OR amount_paid = total",
    },
    "Payment": {
        "status": "status IN ('CREATED', 'REQUIRES_ACTION', 'PROCESSING', 'SUCCEEDED', 'FAILED',"
        " 'CANCELED', 'EXPIRED')",
        "amount": "amount > 0 AND fee >= 0 AND credit_part >= 0",
        "parts": "fee_taken >= 0 AND applied >= 0 AND excess >= 0 AND taken_back >= 0",
        "received": "received = fee_taken + applied + excess + taken_back",
    },
    "Settlement": {"amount": "amount > 0"},
    "Voucher": {
        "amount": "amount > 0",
        "redeemed": "redeemed >= 0 AND redeemed <= max_redemptions",
    },
    "NumberSeries": {"number": "last_number > 0"},
    "User": {
        "role": "role IN ('CLIENT', 'PARTNER', 'STAFF')",
        "account": "(role = 'CLIENT') = (account_id IS NOT NULL)",
        "partner": "role <> 'PARTNER' OR (email IS NULL AND password_hash IS NULL)",
    },
    "ApiKey": {"scopes": "length(scopes) > 0"},
}

TABLES = {
    "Account": "account",
    "Balance": "balance",
    "Transfer": "transfer",
    "CreditTransaction": "credit_transaction",
    "Grant": "credit_grant",
    "Hold": "credit_hold",
    "Invoice": "invoice",
    "Payment": "payment",
    "Settlement": "settlement",
    "Voucher": "voucher",
    "NumberSeries": "number_series",
    "User": "users",
    "ApiKey": "api_key",
}

# Exactly once is a UNIQUE constraint.
UNIQUE = {
    "balance": ["account_id, currency"],
    "credit_transaction": ["kind, source", "account_id, currency, version"],
    "transfer": ["kind, source, leg", "credit_transaction_id, leg"],
    "credit_hold": ["payment_id"],
    "invoice": ["number", "credit_note_number"],
    "invoice_line": ["invoice_id, position"],
    "payment": ["reference"],
    "settlement": ["gateway, kind, reference"],
    "receipt": ["gateway, event_ref"],
    "idempotency_key": ["principal, key"],
    "voucher": ["code_hash"],
    "redemption": ["voucher_id, account_id"],
}

#: A partner is found by its name.
PARTNERS = "CREATE UNIQUE INDEX uq_users_partner ON users (name) WHERE role = 'PARTNER'"

INDEXES = {
    "ix_transfer_from": "transfer (from_id)",
    "ix_transfer_to": "transfer (to_id)",
    "ix_transfer_payment": "transfer (payment_id) WHERE payment_id IS NOT NULL",
    "ix_line_invoice": "credit_transaction (invoice_id) WHERE invoice_id IS NOT NULL",
    "ix_grant_left": "credit_grant (account_id, currency) WHERE remaining > 0",
    "ix_grant_expiry": "credit_grant (expires_at) WHERE remaining > 0",
    "ix_invoice_account": "invoice (account_id, id)",
    "ix_invoice_due_deposit": "invoice (account_id, currency)"
    " WHERE kind = 'FUNDS' AND status IN ('UNPAID', 'PROCESSING')",
    "ix_invoice_reference": "invoice (reference) WHERE reference IS NOT NULL",
    "ix_payment_invoice": "payment (invoice_id)",
    "ix_payment_check": "payment (next_check_at) WHERE next_check_at IS NOT NULL",
    "ix_settlement_payment": "settlement (payment_id)",
    "ix_receipt_try": "receipt (next_try_at) WHERE next_try_at IS NOT NULL",
    "ix_key_age": "idempotency_key (created_at)",
    "ix_event_age": "event (created_at)",
    "ix_debt": "balance (account_id) WHERE debt > 0",
}

#: Indexes of 0001 that SQLite lost when the checks made it remake their tables.
REMADE_ON_SQLITE = {
    "ix_users_account": "users (account_id)",
    "ix_api_key_user": "api_key (user_id)",
}

#: Only ever added to.
APPEND_ONLY = ("transfer", "credit_transaction", "settlement", "audit_entry")

_SQLITE_GUARD = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
_POSTGRES_GUARD = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$
"""
_POSTGRES_TRIGGER = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def _statements(dialect: str) -> list[str]:
    statements = [
        f"CREATE UNIQUE INDEX uq_{table}_{number} ON {table} ({columns})"
        for table, keys in UNIQUE.items()
        for number, columns in enumerate(keys, 1)
    ]
    statements.append(PARTNERS)
    statements += [f"CREATE INDEX {name} ON {what}" for name, what in INDEXES.items()]
    if dialect == "sqlite":
        statements += [f"CREATE INDEX {name} ON {what}" for name, what in REMADE_ON_SQLITE.items()]
        return statements + [
            _SQLITE_GUARD.format(table=table, verb=verb)
            for table in APPEND_ONLY
            for verb in ("UPDATE", "DELETE")
        ]
    guards = [_POSTGRES_TRIGGER.format(table=table) for table in APPEND_ONLY]
    return [*statements, _POSTGRES_GUARD, *guards]


async def _guard(apps: Any, editor: Any) -> None:
    for statement in _statements(editor.DIALECT):
        await editor.client.execute_query(statement)


async def _unguard(apps: Any, editor: Any) -> None:
    raise NotImplementedError("the ledger's guards are never taken down")


class Migration(migration.Migration):
    dependencies = [("models", "0001_initial")]

    operations = [
        *(
            ops.AddConstraint(
                model, CheckConstraint(check=check, name=f"ck_{TABLES[model]}_{name}")
            )
            for model, checks in CHECKS.items()
            for name, check in checks.items()
        ),
        ops.RunPython(_guard, _unguard),
    ]
