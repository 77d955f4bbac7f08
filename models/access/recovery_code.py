"""Recovery codes: ten that work once each, for whoever has lost their other second factors."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from models.db.record import Record


class RecoveryCode(Record):
    """One code of a user; `code_hash` is keyed."""

    PREFIX: ClassVar[str] = "rec"

    user_id = fields.UUIDField()
    code_hash = fields.CharField(max_length=64, unique=True)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "recovery_code"
