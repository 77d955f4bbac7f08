from tortoise.migrations import operations as ops
from models.clock import now
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from uuid import uuid4
from uuid_utils.compat import uuid7
from tortoise import fields
from tortoise.indexes import Index

from models.db import migration


class Migration(migration.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("name", fields.CharField(max_length=200)),
                ("email", fields.CharField(unique=True, max_length=254)),
                ("locale", fields.CharField(default="en", max_length=35)),
                ("currency", fields.CharField(max_length=3)),
                ("auto_apply_credit", fields.BooleanField(default=False)),
                ("frozen", fields.BooleanField(default=False)),
                ("open_disputes", fields.IntField(default=0)),
            ],
            options={
                "table": "account",
                "app": "models",
                "pk_attr": "id",
                "table_description": "A client: who owns credit and invoices. `frozen` is the staff's own switch.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("user_id", fields.UUIDField(db_index=True)),
                ("name", fields.CharField(default="", max_length=200)),
                ("prefix", fields.CharField(unique=True, max_length=32)),
                ("secret_hash", fields.CharField(max_length=64)),
                ("scopes", fields.CharField(max_length=200)),
                ("all_accounts", fields.BooleanField(default=False)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "api_key",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One key of a partner.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("name", fields.CharField(max_length=40)),
                ("subject", fields.CharField(max_length=32)),
                (
                    "ends_at",
                    fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False),
                ),
                ("count", fields.IntField()),
            ],
            options={
                "table": "attempt",
                "app": "models",
                "unique_together": (("name", "subject", "ends_at"),),
                "pk_attr": "id",
                "table_description": "How often `subject` has tried `name` in the window that ends at `ends_at`.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("user_id", fields.UUIDField()),
                ("role", fields.CharField(max_length=8)),
                ("key_id", fields.UUIDField(null=True)),
                ("action", fields.CharField(max_length=64)),
                ("subject", fields.CharField(max_length=128)),
                ("details", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("address", fields.CharField(max_length=64)),
            ],
            options={
                "table": "audit_entry",
                "app": "models",
                "indexes": [Index(fields=["user_id", "id"]), Index(fields=["subject", "id"])],
                "pk_attr": "id",
                "table_description": "One change that staff or a partner made. Only ever added.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Balance",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("account_id", fields.UUIDField()),
                ("currency", fields.CharField(max_length=3)),
                ("available", fields.BigIntField(default=0)),
                ("reserved", fields.BigIntField(default=0)),
                ("promotional", fields.BigIntField(default=0)),
                ("debt", fields.BigIntField(default=0)),
                ("version", fields.BigIntField(default=0)),
                ("revision", fields.BigIntField(default=0)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "balance",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One account's credit in one currency, in minor units: the only row that is locked.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CreditTransaction",
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
                ("kind", fields.CharField(max_length=32)),
                ("source", fields.CharField(max_length=255)),
                ("amount", fields.BigIntField()),
                ("balance_after", fields.BigIntField()),
                ("available_after", fields.BigIntField()),
                ("reserved_after", fields.BigIntField()),
                ("promotional_after", fields.BigIntField()),
                ("debt_after", fields.BigIntField()),
                ("version", fields.BigIntField()),
                ("note", fields.CharField(default="", max_length=500)),
                ("refundable", fields.BooleanField(default=False)),
                ("invoice_id", fields.UUIDField(null=True)),
                ("payment_id", fields.UUIDField(null=True)),
            ],
            options={
                "table": "credit_transaction",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One line of the statement: all transfers of one change. Only ever added.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("kind", fields.CharField(max_length=64)),
                ("account_id", fields.UUIDField()),
                ("subject_id", fields.UUIDField()),
                ("data", fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "event",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One fact. `subject_id` is the record that it is about.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("account_id", fields.UUIDField()),
                ("currency", fields.CharField(max_length=3)),
                ("amount", fields.BigIntField()),
                ("remaining", fields.BigIntField()),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "credit_grant",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Promotional credit: `remaining` of `amount` is free to spend until `expires_at`.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Hold",
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
                ("state", fields.CharField(max_length=16)),
            ],
            options={
                "table": "credit_hold",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Credit reserved for the credit part of a payment: `amount` minor units.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="IdempotencyKey",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("principal", fields.CharField(max_length=64)),
                ("key", fields.CharField(max_length=255)),
                ("fingerprint", fields.CharField(max_length=64)),
                ("result", fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "idempotency_key",
                "app": "models",
                "pk_attr": "id",
                "table_description": "A key that was used, for what (`fingerprint`), and the ids of what was made (`result`).",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Invoice",
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
                ("number", fields.CharField(max_length=64)),
                ("kind", fields.CharField(max_length=8)),
                ("status", fields.CharField(max_length=16)),
                ("currency", fields.CharField(max_length=3)),
                ("subtotal", fields.BigIntField()),
                ("tax", fields.BigIntField()),
                ("total", fields.BigIntField()),
                ("credit_applied", fields.BigIntField(default=0)),
                ("amount_paid", fields.BigIntField(default=0)),
                ("issued_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("paid_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("voided_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("void_reason", fields.CharField(null=True, max_length=500)),
                ("credit_note_number", fields.CharField(null=True, max_length=64)),
                ("gateway", fields.CharField(null=True, max_length=64)),
                ("reference", fields.CharField(null=True, max_length=200)),
                ("snapshot", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("revision", fields.BigIntField(default=0)),
            ],
            options={
                "table": "invoice",
                "app": "models",
                "pk_attr": "id",
                "table_description": "What is to be paid, in minor units.",
            },
            bases=["Changing"],
        ),
        ops.CreateModel(
            name="InvoiceLine",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("invoice_id", fields.UUIDField()),
                ("position", fields.SmallIntField()),
                ("description", fields.CharField(max_length=500)),
                ("quantity", fields.CharField(max_length=32)),
                ("unit_price", fields.BigIntField()),
                ("tax_rate", fields.CharField(max_length=16)),
                ("total", fields.BigIntField()),
            ],
            options={
                "table": "invoice_line",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One line: `unit_price` and `total` net in minor units, quantity and rate exact decimals.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="KeyAccount",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("api_key_id", fields.UUIDField()),
                ("account_id", fields.UUIDField()),
            ],
            options={
                "table": "key_account",
                "app": "models",
                "unique_together": (("api_key_id", "account_id"),),
                "pk_attr": "id",
                "table_description": "An account that a restricted API key reaches.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="LedgerAccount",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("currency", fields.CharField(max_length=3)),
                ("kind", fields.CharField(max_length=16)),
                ("account_id", fields.UUIDField(null=True)),
                ("gateway", fields.CharField(null=True, max_length=64)),
            ],
            options={
                "table": "ledger_account",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One account of the chart. Its id is derived from what it is, so it is never looked up.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="NumberSeries",
            fields=[
                (
                    "name",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("last_number", fields.BigIntField()),
            ],
            options={
                "table": "number_series",
                "app": "models",
                "pk_attr": "name",
                "table_description": "The last number that was given out in a series.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("invoice_id", fields.UUIDField()),
                ("account_id", fields.UUIDField()),
                ("currency", fields.CharField(max_length=3)),
                ("gateway", fields.CharField(max_length=64)),
                ("status", fields.CharField(max_length=16)),
                ("amount", fields.BigIntField()),
                ("fee", fields.BigIntField(default=0)),
                ("credit_part", fields.BigIntField(default=0)),
                ("received", fields.BigIntField(default=0)),
                ("taken_back", fields.BigIntField(default=0)),
                ("fee_taken", fields.BigIntField(default=0)),
                ("applied", fields.BigIntField(default=0)),
                ("excess", fields.BigIntField(default=0)),
                ("disputed", fields.BooleanField(default=False)),
                ("reference", fields.CharField(max_length=40)),
                ("gateway_ref", fields.CharField(default="", max_length=255)),
                ("return_url", fields.CharField(default="", max_length=2048)),
                ("action", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("failure", fields.CharField(null=True, max_length=64)),
                ("lease_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "completed_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("heard_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "next_check_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("checks", fields.IntField(default=0)),
            ],
            options={
                "table": "payment",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One attempt. All amounts are minor units.",
            },
            bases=["Changing"],
        ),
        ops.CreateModel(
            name="Receipt",
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
                ("event_ref", fields.CharField(max_length=255)),
                ("kind", fields.CharField(max_length=16)),
                ("payment_ref", fields.CharField(max_length=255)),
                ("reference", fields.CharField(max_length=255)),
                ("amount", fields.BigIntField(null=True)),
                ("currency", fields.CharField(null=True, max_length=3)),
                ("failure", fields.CharField(default="", max_length=64)),
                ("payload", fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ("state", fields.CharField(max_length=16)),
                ("note", fields.CharField(default="", max_length=255)),
                (
                    "next_try_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "receipt",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One message. UNIQUE (gateway, event_ref). `note` says why it is parked or in quarantine.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Redemption",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("voucher_id", fields.UUIDField()),
                ("account_id", fields.UUIDField()),
                ("credit_transaction_id", fields.UUIDField()),
            ],
            options={
                "table": "redemption",
                "app": "models",
                "pk_attr": "id",
                "table_description": "An account has redeemed a voucher. UNIQUE (voucher, account).",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="SandboxCharge",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("token", fields.CharField(unique=True, max_length=64)),
                ("payment", fields.CharField(unique=True, max_length=64)),
                ("amount", fields.BigIntField()),
                ("currency", fields.CharField(max_length=3)),
                ("invoice_number", fields.CharField(max_length=64)),
                ("return_url", fields.TextField(unique=False)),
                ("messages", fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                (
                    "due_at",
                    fields.DatetimeField(
                        null=True, db_index=True, auto_now=False, auto_now_add=False
                    ),
                ),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "canceled_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "sandbox_charge",
                "app": "models",
                "pk_attr": "id",
                "table_description": "A payment as the sandbox sees it.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("user_id", fields.UUIDField(db_index=True)),
                ("token_hash", fields.CharField(unique=True, max_length=64)),
                (
                    "expires_at",
                    fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False),
                ),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "session",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Somebody signed in. `token_hash` is the SHA-256 of the token, in hexadecimal.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Settlement",
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
                ("kind", fields.CharField(max_length=16)),
                ("reference", fields.CharField(max_length=255)),
                ("payment_id", fields.UUIDField()),
                ("amount", fields.BigIntField()),
            ],
            options={
                "table": "settlement",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One movement of money at a gateway. UNIQUE (gateway, kind, reference).",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Transfer",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("currency", fields.CharField(max_length=3)),
                ("kind", fields.CharField(max_length=32)),
                ("source", fields.CharField(max_length=255)),
                ("leg", fields.SmallIntField()),
                ("from_id", fields.UUIDField()),
                ("to_id", fields.UUIDField()),
                ("amount", fields.BigIntField()),
                ("account_id", fields.UUIDField()),
                ("credit_transaction_id", fields.UUIDField(null=True)),
                ("payment_id", fields.UUIDField(null=True)),
            ],
            options={
                "table": "transfer",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One debit (`from_id`), one credit (`to_id`), one amount in minor units. Only ever added.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("role", fields.CharField(max_length=8)),
                ("name", fields.CharField(default="", max_length=200)),
                ("email", fields.CharField(null=True, unique=True, max_length=254)),
                ("password_hash", fields.CharField(null=True, max_length=255)),
                ("account_id", fields.UUIDField(null=True, db_index=True)),
                (
                    "disabled_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "users",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Somebody who can sign in (clients and staff), or a partner, who comes with API keys.",
            },
            bases=["Record"],
        ),
        ops.CreateModel(
            name="Voucher",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("code_hash", fields.CharField(max_length=64)),
                ("currency", fields.CharField(max_length=3)),
                ("amount", fields.BigIntField()),
                ("max_redemptions", fields.IntField(default=1)),
                ("redeemed", fields.IntField(default=0)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "credit_expires_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("note", fields.CharField(default="", max_length=200)),
                ("issued_by_id", fields.UUIDField()),
            ],
            options={
                "table": "voucher",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One code: `amount` minor units for each of up to `max_redemptions` accounts.",
            },
            bases=["Record"],
        ),
    ]
