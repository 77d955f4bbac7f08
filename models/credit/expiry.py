"""Expiry: promotional credit whose time is over."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from typing_extensions import override

from models.clock import now
from models.db import sql
from models.journal.command import Step, perform
from models.journal.journal import Journal
from models.ledger.book import Book
from models.ledger.opening import open_book


@dataclass(frozen=True, slots=True)
class Expire(Step[Book, None]):
    """Take back what has expired of a balance."""

    account_id: UUID
    currency: str

    @override
    async def read(self, journal: Journal) -> Book:
        return await open_book(journal, self.account_id, self.currency)

    @override
    def decide(self, found: Book, journal: Journal) -> None:
        found.expire_due()


async def expire_grants(limit: int = 100) -> int:
    """Take back promotional credit whose time is over; how many balances changed."""
    rows = await sql.fetch(
        "SELECT DISTINCT account_id, currency FROM credit_grant"
        " WHERE remaining > 0 AND expires_at <= $1 LIMIT $2",
        now(),
        limit,
    )
    for row in rows:
        await perform(Expire(row["account_id"], row["currency"]))
    return len(rows)
