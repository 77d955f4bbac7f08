"""Client links: URLs that sign a client's browser in, once, for an existing portal."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from models.db.record import Record


class ClientLink(Record):
    """A link for a user of an account; `token_hash` is the SHA-256 of its token."""

    PREFIX: ClassVar[str] = "lnk"

    user_id = fields.UUIDField()
    account_id = fields.UUIDField()
    token_hash = fields.CharField(max_length=64, unique=True)
    return_url = fields.TextField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "client_link"
