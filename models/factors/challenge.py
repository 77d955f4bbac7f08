"""Challenges: a second factor that is asked for, or a passkey that is being made."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.errors import CodeRefused
from models.provider import retention

if TYPE_CHECKING:
    from uuid import UUID

_MARK: Final = "ach_"
_TOKEN_BYTES: Final = 32
_TOKEN_CHARS_MAX: Final = 100
_LIFETIME: Final = timedelta(minutes=5)
_TRIES_MAX: Final = 5

#: The try is counted before the answer is looked at: those that come at once are no more than five.
_TRY: Final = """
    UPDATE sign_in_challenge SET tries = tries + 1
    WHERE {which} AND purpose = $1 AND expires_at > $2 AND tries < $3 AND ended_at IS NULL
    RETURNING *
"""


class Purpose(StrEnum):
    """What an answer is for; one for something else is none."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    ENROL = "enrol"


class SignInChallenge(Record):
    """What must be answered before `expires_at`, in at most a few `tries`.

    `token_hash` is the SHA-256 of its token; `passkey_challenge` the random bytes that a passkey
    signs, in base64url. `purpose` is what an answer is for: one for another is none.
    """

    PREFIX: ClassVar[str] = "chl"

    user_id = fields.UUIDField()
    purpose = fields.CharField(max_length=20)
    token_hash = fields.CharField(max_length=64, unique=True)
    passkey_challenge = fields.CharField(max_length=128, default="")
    expires_at = fields.DatetimeField()
    tries = fields.IntField(default=0)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sign_in_challenge"


async def begin(user_id: UUID, purpose: Purpose) -> tuple[SignInChallenge, str]:
    """A new challenge for a user, and its token, which is shown only now."""
    token, moment = _MARK + secrets.token_urlsafe(_TOKEN_BYTES), now()
    challenge = SignInChallenge(
        id=new_id(),
        created_at=moment,
        user_id=user_id,
        purpose=purpose.value,
        token_hash=_hash(token),
        passkey_challenge=secrets.token_urlsafe(_TOKEN_BYTES),
        expires_at=moment + _LIFETIME,
    )
    await transaction(lambda: sql.add(challenge))
    return challenge, token


async def try_token(token: str, purpose: Purpose) -> SignInChallenge | None:
    """Count a try at the challenge with this token; None where it takes none (any more)."""
    if len(token) > _TOKEN_CHARS_MAX or not token.isascii():
        return None
    return await _try("token_hash = $4", purpose, _hash(token))


async def try_passkey(
    user_id: UUID, purpose: Purpose, passkey_challenge: str
) -> SignInChallenge | None:
    """Count a try at the challenge that a passkey of this user has signed; None as above."""
    which = "user_id = $4 AND passkey_challenge = $5"
    return await _try(which, purpose, user_id, passkey_challenge)


async def _try(which: str, purpose: Purpose, *args: object) -> SignInChallenge | None:
    statement = _TRY.format(which=which)
    moment = now()
    found = await transaction(
        lambda: sql.records(SignInChallenge, statement, purpose.value, moment, _TRIES_MAX, *args)
    )
    return found[0] if found else None


async def end(challenge: SignInChallenge, *field: str) -> None:
    """It has been answered: in the transaction that does what it was for. Raises CodeRefused at
    `field` where another answer was first.
    """
    statement = "UPDATE sign_in_challenge SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL"
    if not await sql.execute(statement, now(), challenge.id):
        raise CodeRefused(*field)


async def end_all(user_id: UUID) -> None:
    """End all of a user's, in a transaction: what they have proved before counts no longer."""
    await sql.execute(
        "UPDATE sign_in_challenge SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL",
        now(),
        user_id,
    )


async def forget() -> int:
    """Delete those that ran out longer than `retention.CHALLENGES` ago; how many."""
    before = now() - retention.CHALLENGES
    return await transaction(lambda: SignInChallenge.filter(expires_at__lt=before).delete())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
