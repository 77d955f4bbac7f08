"""Several people in one account: who was invited to an account has none of their own, and who
was removed from theirs has none any more. When what a session gives has changed (its user has
switched, or has another role), what is open for it is looked at again at once.
"""

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration


class Migration(migration.Migration):
    dependencies = [("models", "0024_external_identities")]

    operations = [
        migration.OtherCheck(
            "User",
            "ck_users_account",
            was="(role = 'CLIENT') = (account_id IS NOT NULL)",
            becomes="role = 'CLIENT' OR account_id IS NULL",
        ),
        ops.AddField(
            "Session",
            "rights_changed_at",
            fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        migration.indexes(
            "CREATE INDEX ix_session_rights ON session (rights_changed_at)"
            " WHERE rights_changed_at IS NOT NULL"
        ),
    ]
