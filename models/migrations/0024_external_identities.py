"""Who users are at identity providers."""

from tortoise import fields
from tortoise.migrations import operations as ops
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import migration

_INDEXES = (
    "CREATE UNIQUE INDEX uq_external_identity ON external_identity (issuer, subject)",
    "CREATE UNIQUE INDEX uq_external_identity_user ON external_identity (issuer, user_id)",
)


class Migration(migration.Migration):
    dependencies = [("models", "0023_getting_in")]

    operations = [
        ops.CreateModel(
            name="ExternalIdentity",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("issuer", fields.CharField(max_length=500)),
                ("subject", fields.CharField(max_length=255)),
                ("user_id", fields.UUIDField()),
            ],
            options={
                "table": "external_identity",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Who a user is at an identity provider.",
            },
            bases=["Record"],
        ),
        migration.indexes(*_INDEXES),
    ]
