"""Challenges: a second factor that is asked for, or a passkey that is being made."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from models.db.record import Record


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
