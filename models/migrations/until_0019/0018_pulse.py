"""Whether the database takes what is written to it."""

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration
from uuid_utils.compat import uuid7

from models.clock import now


class Migration(migration.Migration):
    dependencies = [("models", "0017_statement_days")]

    operations = [
        ops.CreateModel(
            name="Pulse",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("filler", fields.TextField(unique=False)),
            ],
            options={
                "table": "pulse",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Something that was written to see whether it can be.",
            },
            bases=["Record"],
        ),
    ]
