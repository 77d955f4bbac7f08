"""Overdue: an invoice that is still open when its due day is over. Partners are told once."""

from __future__ import annotations

from typing import Final

from models.clock import now
from models.db import sql
from models.db.changes import Changes
from models.db.transactions import transaction
from models.journal import outbox
from models.journal.outbox import Fact, FactKind
from models.provider.day import today
from models.status import PAYABLE_SQL

# In the words of the partial index.
_OVERDUE: Final = f"status IN {PAYABLE_SQL} AND overdue_told_at IS NULL AND due_on < $1"
_IS_ANY: Final = f"SELECT 1 AS one FROM invoice WHERE {_OVERDUE} LIMIT 1"
_CLAIM: Final = f"""
    UPDATE invoice SET overdue_told_at = $2
    WHERE id IN (SELECT id FROM invoice WHERE {_OVERDUE} ORDER BY due_on LIMIT $3 {{lock}})
    RETURNING id, account_id, number, status
"""


async def tell_overdue(limit: int = 50) -> int:
    """Tell which invoices have become overdue, each once; how many."""
    day = today().isoformat()
    if await sql.fetch_one(_IS_ANY, day) is None:
        return 0
    return await transaction(lambda: _tell(day, limit))


async def _tell(day: str, limit: int) -> int:
    # Who pays one of them right now has its lock: it is not waited for.
    statement = _CLAIM.format(lock=sql.skip_locked())
    changes, kind = Changes(), FactKind.INVOICE_OVERDUE
    rows = await sql.fetch(statement, day, now(), limit)
    facts = [
        Fact(kind, row["account_id"], row["id"], {"number": row["number"], "status": row["status"]})
        for row in rows
    ]
    outbox.record(facts, changes)
    await changes.write()
    return len(facts)
