"""GraphQL documents that were registered beforehand."""

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration
from uuid_utils.compat import uuid7

from models.clock import now


class Migration(migration.Migration):
    dependencies = [("models", "0004_refunds")]

    operations = [
        ops.CreateModel(
            name="PersistedDocument",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("identifier", fields.CharField(unique=True, max_length=255)),
                ("sha256", fields.CharField(db_index=True, max_length=64)),
                ("text", fields.TextField(unique=False)),
            ],
            options={
                "table": "persisted_document",
                "app": "models",
                "pk_attr": "id",
                "table_description": "A document and the identifier that its client asks for it by. Only ever added.",
            },
            bases=["Record"],
        ),
    ]
