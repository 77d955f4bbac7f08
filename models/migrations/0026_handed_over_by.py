"""Which API key has handed a session's user over: it ends with that key."""

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration


class Migration(migration.Migration):
    dependencies = [("models", "0025_members")]

    operations = [
        ops.AddField("Session", "key_id", fields.UUIDField(null=True)),
        ops.AddField("ClientLink", "key_id", fields.UUIDField(null=True)),
        migration.indexes(
            "CREATE INDEX ix_session_key ON session (key_id) WHERE key_id IS NOT NULL"
        ),
    ]
