"""Invitations are kept by address, not by a user who would have to be there for it: who was only
invited is no user any more, and whoever has the address can open an account. A session knows when
it was last proved with a second factor.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import migration

_INDEXES = (
    "CREATE UNIQUE INDEX uq_invitation ON invitation (account_id, email_key)",
    "CREATE INDEX ix_invitation_email ON invitation (email_key)",
)
# Who has never come in, in whatever way.
_NEVER_IN = """
    u.role = 'CLIENT' AND u.email IS NOT NULL AND u.password_hash IS NULL
    AND NOT EXISTS (SELECT 1 FROM session s WHERE s.user_id = u.id)
    AND NOT EXISTS (SELECT 1 FROM external_identity e WHERE e.user_id = u.id)
"""
_MOVE = f"""
    INSERT INTO invitation (id, created_at, account_id, email, email_key, role)
    SELECT m.id, m.created_at, m.account_id, u.email, COALESCE(u.email_key, {{lower}}), m.role
    FROM member m JOIN users u ON u.id = m.user_id
    WHERE {_NEVER_IN} AND (u.account_id IS NULL OR u.account_id <> m.account_id)
"""
_NOBODY = f"""
    SELECT u.id FROM users u
    WHERE {_NEVER_IN} AND u.account_id IS NULL AND u.disabled_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM member m WHERE m.user_id = u.id)
      AND NOT EXISTS (SELECT 1 FROM audit_entry a WHERE a.user_id = u.id)
"""
_FORGET = (
    "DELETE FROM member WHERE id IN (SELECT id FROM invitation)",
    f"DELETE FROM one_use_token WHERE user_id IN ({_NOBODY})",
    f"DELETE FROM users WHERE id IN ({_NOBODY})",
)


async def _move(apps: Any, editor: Any) -> None:
    run = editor.client.execute_query
    for statement in _INDEXES:
        await run(statement)
    is_sqlite = editor.client.capabilities.dialect == "sqlite"
    lower = "lower(u.email)" if is_sqlite else 'lower(u.email COLLATE "C")'
    for statement in (_MOVE.format(lower=lower), *_FORGET):
        await run(statement)


async def _drop_indexes(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        name = statement.partition(" INDEX ")[2].partition(" ")[0]
        await editor.client.execute_query(f"DROP INDEX {name}")


def _moment(**more: Any) -> Any:
    return fields.DatetimeField(auto_now=False, auto_now_add=False, **more)


class Migration(migration.Migration):
    dependencies = [("models", "0026_handed_over_by")]

    operations = [
        ops.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True),
                ),
                ("created_at", _moment(default=now)),
                ("account_id", fields.UUIDField()),
                ("email", fields.CharField(max_length=254)),
                ("email_key", fields.CharField(max_length=254)),
                ("role", fields.CharField(max_length=8)),
            ],
            options={
                "table": "invitation",
                "app": "models",
                "pk_attr": "id",
                "table_description": "An address that may join an account.",
            },
            bases=["Record"],
        ),
        ops.AddConstraint(
            "Invitation",
            CheckConstraint(
                check="role IN ('OWNER', 'BILLING', 'VIEWER')", name="ck_invitation_role"
            ),
        ),
        ops.AddField("Session", "factor_at", _moment(null=True)),
        ops.RunPython(_move, _drop_indexes),
    ]
