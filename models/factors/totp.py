"""Codes of an authenticator app (TOTP, RFC 6238): six digits that change every 30 seconds."""

from __future__ import annotations

import hmac
import unicodedata
from typing import TYPE_CHECKING, ClassVar, Final

import pyotp
import structlog
from tortoise import fields

from models.access.sealed import seal, unseal
from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.errors import CodeRefused
from models.provider.provider import provider

if TYPE_CHECKING:
    from uuid import UUID

#: Of the apps that people have; most know no others.
_DIGITS: Final = 6
_STEP_SECONDS: Final = 30
#: Steps that a clock may be off by, each way (RFC 6238, 5.2).
_DRIFT_STEPS: Final = 1
_PURPOSE: Final = b"totp"
_CODE_CHARS_MAX: Final = 20

_log = structlog.get_logger(__name__)

_BEGIN: Final = """
    INSERT INTO totp (id, created_at, user_id, sealed_secret, last_step) VALUES ($1, $2, $3, $4, 0)
    ON CONFLICT (user_id) DO UPDATE
    SET sealed_secret = excluded.sealed_secret, created_at = excluded.created_at
    WHERE totp.confirmed_at IS NULL
    RETURNING id
"""
_USE: Final = """
    UPDATE totp SET last_step = $1, confirmed_at = COALESCE(confirmed_at, $2)
    WHERE id = $3 AND last_step < $1 AND sealed_secret = $4
"""


class Totp(Record):
    """The authenticator app of a user: asked for once it is `confirmed_at`.

    `sealed_secret` is encrypted under the server's key. `last_step` is the time step of the last
    code that was taken: no code works twice.
    """

    PREFIX: ClassVar[str] = "totp"

    user_id = fields.UUIDField(unique=True)
    sealed_secret = fields.TextField()
    last_step = fields.BigIntField(default=0)
    confirmed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "totp"


async def begin(user_id: UUID) -> str | None:
    """A new secret (base32) for a user's app, in a transaction; None where they have one already.
    It takes the place of one that was never confirmed.
    """
    secret = pyotp.random_base32()
    rows = await sql.fetch(_BEGIN, new_id(), now(), user_id, seal(secret, _PURPOSE, user_id))
    return secret if rows else None


def uri_of(secret: str, email: str) -> str:
    """What the QR code says that an app scans."""
    issuer = provider().seller.name
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


async def of_user(user_id: UUID, *, confirmed: bool = True) -> Totp | None:
    """The user's app, or the one that waits for its first code."""
    found = await Totp.get_or_none(user_id=user_id)
    return found if found and (found.confirmed_at is not None) == confirmed else None


def step_of(totp: Totp, code: str) -> int | None:
    """The time step that this code is of, if it is one now and none since has been used."""
    secret = _unsealed(totp)
    if secret is None or len(code) > _CODE_CHARS_MAX:
        return None
    # As a Japanese keyboard types it, and as an app shows it: wide, with a space.
    written = "".join(unicodedata.normalize("NFKC", code).split())
    if len(written) != _DIGITS or not (written.isascii() and written.isdigit()):
        return None
    present, app = int(now().timestamp()) // _STEP_SECONDS, pyotp.TOTP(secret)
    steps = range(present - _DRIFT_STEPS, present + _DRIFT_STEPS + 1)
    good = [n for n in steps if hmac.compare_digest(app.generate_otp(n), written)]
    return next((step for step in good if step > totp.last_step), None)


async def use(totp: Totp, step: int) -> None:
    """Use the code of that step, in a transaction; the first one turns the app on. Raises
    CodeRefused at `code` where it has been used meanwhile, or the secret is another.
    """
    if not await sql.execute(_USE, step, now(), totp.id, totp.sealed_secret):
        raise CodeRefused("code")


def _unsealed(totp: Totp) -> str | None:
    secret = unseal(totp.sealed_secret, _PURPOSE, totp.user_id)
    if secret is None:
        _log.warning("totp_secret_not_readable", totp=totp.public_id)  # SECRET_KEY has changed
    return secret
