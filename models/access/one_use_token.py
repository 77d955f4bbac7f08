"""One-use tokens: the links in mails that set a password or confirm an address.

A token is derived from the row's id and the server's secret, so that a mail can be written after
the transaction that made it; the row keeps its SHA-256 only. It holds for one purpose and one
address, for 30 minutes, and no longer than until another one of the user's is used, or the
password changes.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.errors import TokenRefused
from models.provider import retention
from models.provider.provider import provider

_MARK: Final = "act_"
_TOKEN_CHARS: Final = 43
_LIFETIME: Final = timedelta(minutes=30)


class Purpose(StrEnum):
    """What a token is for; it is refused for everything else."""

    INVITATION = "invitation"
    RESET = "reset"
    SIGN_UP = "sign_up"
    CONFIRM_EMAIL = "confirm_email"


class OneUseToken(Record):
    """A token that was sent to `email` for a user (none signed up yet: None)."""

    PREFIX: ClassVar[str] = "tok"

    user_id = fields.UUIDField(null=True)
    purpose = fields.CharField(max_length=20)
    email = fields.CharField(max_length=254)
    facts: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    token_hash = fields.CharField(max_length=64, unique=True)
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "one_use_token"


def new_token(purpose: Purpose, email: str, user_id: UUID | None, **facts: object) -> OneUseToken:
    """A token to be added in the transaction that sends it (`sql.add`, `Journal.add`)."""
    id, moment = new_id(), now()
    return OneUseToken(
        id=id,
        created_at=moment,
        user_id=user_id,
        purpose=purpose.value,
        email=email,
        facts=facts,
        token_hash=_hash(text_of(id)),
        expires_at=moment + _LIFETIME,
    )


def text_of(token_id: UUID) -> str:
    """The token itself, as a mail's link carries it."""
    key = provider().key_for(b"one-use token")
    secret = hmac.digest(key, token_id.bytes, "sha256")
    return _MARK + urlsafe_b64encode(secret).decode().rstrip("=")


async def read(text: str, *purposes: Purpose) -> OneUseToken:
    """The token behind this text, if it may be used now for one of the purposes.

    Raises TokenRefused at `token`: unknown, used, expired and foreign are one refusal.
    """
    row = None
    if len(text) == len(_MARK) + _TOKEN_CHARS and text.isascii():
        row = await OneUseToken.get_or_none(token_hash=_hash(text))
    good = row is not None and row.used_at is None and row.expires_at > now()
    if row is None or not good or row.purpose not in purposes:
        raise TokenRefused("token")
    return row


async def use(token: OneUseToken) -> None:
    """Use it, in the transaction that does what it is for. Raises TokenRefused where another
    request was first. The user's other tokens are void from now on.
    """
    moment = now()
    statement = "UPDATE one_use_token SET used_at = $1 WHERE id = $2 AND used_at IS NULL"
    if not await sql.execute(statement, moment, token.id):
        raise TokenRefused("token")
    if token.user_id is not None:
        await void_all(token.user_id)


async def void_all(user_id: UUID) -> None:
    """End all tokens of a user, in a transaction: their password has changed."""
    await sql.execute(
        "UPDATE one_use_token SET used_at = $1 WHERE user_id = $2 AND used_at IS NULL",
        now(),
        user_id,
    )


async def forget() -> int:
    """Delete the tokens that ran out longer than `retention.TOKENS` ago; how many."""
    before = now() - retention.TOKENS
    statement = "DELETE FROM one_use_token WHERE expires_at < $1"
    return await transaction(lambda: sql.execute(statement, before))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
