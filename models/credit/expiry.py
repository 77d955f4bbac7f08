"""Expiry: promotional credit whose time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from typing_extensions import override

from models.clock import now
from models.db import sql
from models.db.changes import Changes
from models.db.transactions import transaction
from models.journal import outbox
from models.journal.command import Step
from models.journal.each import perform_each
from models.journal.journal import Journal
from models.journal.outbox import Fact, FactKind
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


_EXPIRING: Final = timedelta(days=14)
# In the words of the partial index.
_SOON: Final = "remaining > 0 AND expiry_told_at IS NULL AND expires_at > $1 AND expires_at <= $2"
_IS_ANY: Final = f"SELECT 1 AS one FROM credit_grant WHERE {_SOON} LIMIT 1"
_CLAIM: Final = f"""
    UPDATE credit_grant SET expiry_told_at = $1
    WHERE id IN (SELECT id FROM credit_grant WHERE {_SOON} ORDER BY expires_at LIMIT $3 {{lock}})
    RETURNING id, account_id
"""


async def tell_expiring(limit: int = 50) -> int:
    """Tell which promotional credit expires within 14 days, each grant once; how many."""
    moment = now()
    if await sql.fetch_one(_IS_ANY, moment, moment + _EXPIRING) is None:
        return 0
    return await transaction(lambda: _tell_expiring(moment, limit))


async def _tell_expiring(moment: datetime, limit: int) -> int:
    # Who spends of one of them right now has its lock: it is not waited for.
    statement = _CLAIM.format(lock=sql.skip_locked())
    rows = await sql.fetch(statement, moment, moment + _EXPIRING, limit)
    changes = Changes()
    facts = [Fact(FactKind.GRANT_EXPIRING, row["account_id"], row["id"]) for row in rows]
    outbox.record(facts, changes)
    await changes.write()
    return len(facts)


async def expire_grants(limit: int = 100) -> int:
    """Take back promotional credit whose time is over; how many balances changed."""
    rows = await sql.fetch(
        "SELECT DISTINCT account_id, currency FROM credit_grant"
        " WHERE remaining > 0 AND expires_at <= $1 LIMIT $2",
        now(),
        limit,
    )
    return await perform_each(Expire(row["account_id"], row["currency"]) for row in rows)
