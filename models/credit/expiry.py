"""Promotional credit whose time is over."""

from __future__ import annotations

from uuid import UUID

from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.ledger.book import book


async def expire_grants(limit: int = 100) -> int:
    """Take back promotional credit whose time is over; how many balances changed."""
    rows = await sql.fetch(
        "SELECT DISTINCT account_id, currency FROM credit_grant"
        " WHERE remaining > 0 AND expires_at <= $1 LIMIT $2",
        now(),
        limit,
    )
    for row in rows:
        account_id, currency = row["account_id"], row["currency"]
        await transaction(lambda a=account_id, c=currency: _expire(a, c))  # type: ignore[misc]
    return len(rows)


async def _expire(account_id: UUID, currency: str) -> None:
    async with book(account_id, currency):
        pass  # opening it takes back what has expired
