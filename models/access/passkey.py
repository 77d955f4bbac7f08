"""Passkeys (WebAuthn, level 2)."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from models.db.record import Record


class Passkey(Record):
    """A passkey of a user; `credential_id` and `public_key` are base64url."""

    PREFIX: ClassVar[str] = "psk"

    user_id = fields.UUIDField()
    name = fields.CharField(max_length=100)
    credential_id = fields.CharField(max_length=1400, unique=True)
    public_key = fields.TextField()
    sign_count = fields.BigIntField(default=0)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "passkey"
