"""How far the audit has come, and indexes for what it looks up of an account."""

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

INDEXES = {
    "ix_transfer_account": "transfer (account_id)",
    "ix_ledger_account_account": "ledger_account (account_id)",
    "ix_payment_account": "payment (account_id)",
    "ix_hold_account": "credit_hold (account_id)",
    "ix_grant_account": "credit_grant (account_id)",
    "ix_redemption_account": "redemption (account_id)",
    "ix_receipt_payment": "receipt (payment_ref)",
}


class Migration(migration.Migration):
    dependencies = [("models", "0020_pages")]

    operations = [
        ops.CreateModel(
            name="Watermark",
            fields=[
                ("id", fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ("proven_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("whole_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "audit_watermark",
                "app": "models",
                "pk_attr": "id",
                "table_description": "How far the audit has come.",
            },
            bases=["Model"],
        ),
        migration.indexes(*(f"CREATE INDEX {name} ON {what}" for name, what in INDEXES.items())),
    ]
