"""Grants of promotional credit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.db.record import Table, public_id


class Grant(Table):
    """Promotional credit: `remaining` of `amount` is free to spend until `expires_at`.

    Its id is its ledger account's. What a hold has reserved is not in `remaining`. At
    `expiry_told_at` partners were told that it expires soon.
    """

    PREFIX: ClassVar[str] = "grt"

    id = fields.UUIDField(primary_key=True)
    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    remaining = fields.BigIntField()
    expires_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(default=now)
    expiry_told_at = fields.DatetimeField(null=True)

    class Meta:
        table = "credit_grant"

    @property
    def public_id(self) -> str:
        """The id that the API shows."""
        return public_id(self.PREFIX, self.id)


@dataclass(slots=True)
class OpenGrant:
    """A grant while its book is open; minor units."""

    id: UUID
    remaining: int
    expires_at: datetime | None
    changed: bool = False
    amount: int | None = None
    """What it was given, where it is new."""


def expiry_order(grant: OpenGrant) -> tuple[bool, datetime | None, UUID]:
    """The order in which grants are spent: soonest expiry first, then those without one."""
    return (grant.expires_at is None, grant.expires_at, grant.id)
