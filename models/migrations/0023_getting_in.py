"""Getting in: one-use tokens, second factors, members of accounts, clients that are handed over, and
the mail that all of these send.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import migration

_CHECKS = {
    "Member": {"role": "role IN ('OWNER', 'BILLING', 'VIEWER')"},
    "SignInChallenge": {"tries": "tries >= 0"},
}
_INDEXES = (
    "CREATE UNIQUE INDEX uq_member ON member (account_id, user_id)",
    "CREATE INDEX ix_member_user ON member (user_id)",
    (
        "CREATE UNIQUE INDEX uq_account_external ON account (partner_id, external_id)"
        " WHERE external_id IS NOT NULL"
    ),
    "CREATE INDEX ix_one_use_token_user ON one_use_token (user_id)",
    "CREATE INDEX ix_one_use_token_expiry ON one_use_token (expires_at)",
    "CREATE INDEX ix_challenge_expiry ON sign_in_challenge (expires_at)",
    "CREATE INDEX ix_challenge_user ON sign_in_challenge (user_id)",
    "CREATE INDEX ix_recovery_code_user ON recovery_code (user_id)",
    "CREATE INDEX ix_passkey_user ON passkey (user_id)",
    "CREATE INDEX ix_client_link_expiry ON client_link (expires_at)",
    "CREATE INDEX ix_mail_due ON mail (next_at) WHERE next_at IS NOT NULL",
)


def _moment(**more: Any) -> Any:
    return fields.DatetimeField(auto_now=False, auto_now_add=False, **more)


def _text(length: int, **more: Any) -> Any:
    return fields.CharField(max_length=length, **more)


def _record(model: str, table: str, told: str, /, **columns: Any) -> ops.CreateModel:
    return ops.CreateModel(
        name=model,
        fields=[
            ("id", fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True)),
            ("created_at", fields.DatetimeField(default=now, auto_now=False, auto_now_add=False)),
            *columns.items(),
        ],
        options={"table": table, "app": "models", "pk_attr": "id", "table_description": told},
        bases=["Record"],
    )


class Migration(migration.Migration):
    dependencies = [("models", "0022_invoice_sources")]

    operations = [
        _record(
            "OutgoingMail",
            "mail",
            "A message to a person, from when it is due until it is sent.",
            kind=_text(40),
            recipient=_text(254),
            locale=_text(35),
            facts=fields.JSONField(default=dict),
            token_id=fields.UUIDField(null=True),
            next_at=_moment(null=True),
            tries=fields.IntField(default=0),
            sent_at=_moment(null=True),
        ),
        _record(
            "OneUseToken",
            "one_use_token",
            "A link in a mail that works once.",
            user_id=fields.UUIDField(null=True),
            purpose=_text(20),
            email=_text(254),
            facts=fields.JSONField(default=dict),
            token_hash=_text(64, unique=True),
            expires_at=_moment(),
            used_at=_moment(null=True),
        ),
        _record(
            "Member",
            "member",
            "What a user may do with an account that is not, or not only, their own.",
            account_id=fields.UUIDField(),
            user_id=fields.UUIDField(),
            role=_text(8),
        ),
        _record(
            "SignInChallenge",
            "sign_in_challenge",
            "A second factor that is asked for, or a passkey that is being made.",
            user_id=fields.UUIDField(),
            purpose=_text(20),
            token_hash=_text(64, unique=True),
            passkey_challenge=_text(128, default=""),
            expires_at=_moment(),
            tries=fields.IntField(default=0),
            ended_at=_moment(null=True),
        ),
        _record(
            "Totp",
            "totp",
            "An authenticator app of a user.",
            user_id=fields.UUIDField(unique=True),
            sealed_secret=fields.TextField(),
            last_step=fields.BigIntField(default=0),
            confirmed_at=_moment(null=True),
        ),
        _record(
            "RecoveryCode",
            "recovery_code",
            "A code for whoever has lost their other second factors.",
            user_id=fields.UUIDField(),
            code_hash=_text(64, unique=True),
            used_at=_moment(null=True),
        ),
        _record(
            "Passkey",
            "passkey",
            "A passkey of a user (WebAuthn).",
            user_id=fields.UUIDField(),
            name=_text(100),
            credential_id=_text(1400, unique=True),
            public_key=fields.TextField(),
            sign_count=fields.BigIntField(default=0),
            used_at=_moment(null=True),
        ),
        _record(
            "ClientLink",
            "client_link",
            "A URL that signs a client's browser in, once.",
            user_id=fields.UUIDField(),
            account_id=fields.UUIDField(),
            token_hash=_text(64, unique=True),
            return_url=fields.TextField(),
            expires_at=_moment(),
            used_at=_moment(null=True),
        ),
        ops.AddField("Session", "account_id", fields.UUIDField(null=True)),
        ops.AddField("Session", "user_agent", _text(400, db_default="")),
        ops.AddField("Session", "address", _text(64, db_default="")),
        ops.AddField("Session", "confirmed_at", _moment(null=True)),
        ops.AddField("Account", "partner_id", fields.UUIDField(null=True)),
        ops.AddField("Account", "external_id", _text(200, null=True)),
        ops.AddField("Account", "details", fields.JSONField(null=True)),
        ops.AddField("ApiKey", "allowed_addresses", fields.JSONField(null=True)),
        *(
            ops.AddConstraint(
                model, CheckConstraint(check=check, name=f"ck_{model.lower()}_{name}")
            )
            for model, checks in _CHECKS.items()
            for name, check in checks.items()
        ),
        migration.indexes(*_INDEXES),
    ]
