"""Codes of an authenticator app (TOTP, RFC 6238)."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from models.db.record import Record


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
