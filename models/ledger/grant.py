"""Grants of promotional credit, while their book is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


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
