from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

from models.clock import now


class Migration(migration.Migration):
    dependencies = [("models", "0005_persisted_documents")]

    operations = [
        ops.AddField("Account", "billing", fields.JSONField(default=dict, db_default="{}")),
        ops.CreateModel(
            name="StoredPicture",
            fields=[
                (
                    "name",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                (
                    "created_at",
                    fields.DatetimeField(default=now, auto_now=False, auto_now_add=False),
                ),
                ("media_type", fields.CharField(max_length=40)),
                ("content", fields.BinaryField()),
            ],
            options={
                "table": "picture",
                "app": "models",
                "pk_attr": "name",
                "table_description": "One picture, named by its SHA-256. Only ever added.",
            },
            bases=["Model"],
        ),
    ]
