"""A client's credit statement over a span of days: what there was, came and went, and is left.

The span is cut between two versions of the balance, not between two clocks: each line belongs to
exactly one of two statements that follow one another, and the first one's closing balance is the
second one's opening balance.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from models.access.identity import Actor
from models.credit.balance import credit_meant
from models.db import sql
from models.errors import Invalid
from models.ledger.credit_transaction import CreditTransaction
from models.provider.day import start_of

#: More days than any book-keeping period has.
DAYS_MAX: Final = 3660
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class CreditStatement:
    """Lines with `after_version` < version <= `last_version`; amounts in minor units.

    `opening` + `added` - `spent` = `closing`. Days are the provider's, both included. `ends_at` is
    the last line's moment, or the first day's beginning where there is no line.
    """

    account_id: UUID
    currency: str
    first_day: date
    last_day: date
    after_version: int
    last_version: int
    opening: int
    closing: int
    added: int
    spent: int
    count: int
    ends_at: datetime

    async def lines(self) -> AsyncIterator[CreditTransaction]:
        """All lines, oldest first, read in parts."""
        version = self.after_version
        while version < self.last_version:
            rows = await sql.records(
                CreditTransaction,
                "SELECT * FROM credit_transaction WHERE account_id = $1 AND currency = $2"
                f" AND version > $3 AND version <= $4 ORDER BY version LIMIT {_PAGE}",
                self.account_id,
                self.currency,
                version,
                self.last_version,
            )
            for line in rows:
                yield line
            version = rows[-1].version


_LAST_BEFORE: Final = """
SELECT version, balance_after FROM credit_transaction
 WHERE account_id = $1 AND currency = $2 AND created_at < $3 ORDER BY version DESC LIMIT 1
"""
_BETWEEN: Final = """
SELECT COUNT(*) AS count, MAX(created_at) AS ends_at,
       COALESCE(SUM(CASE WHEN amount > 0 THEN amount END), 0) AS added,
       COALESCE(SUM(CASE WHEN amount < 0 THEN -amount END), 0) AS spent
  FROM credit_transaction
 WHERE account_id = $1 AND currency = $2 AND version > $3 AND version <= $4
"""


async def of_days(
    account_id: UUID | None, currency: str | None, first_day: date, last_day: date, *, by: Actor
) -> CreditStatement:
    """The statement of the credit that `by` asks for. Raises as `credit_meant` and `read`."""
    return await read(*await credit_meant(account_id, currency, by), first_day, last_day)


async def read(account_id: UUID, currency: str, first_day: date, last_day: date) -> CreditStatement:
    """The statement from the beginning of `first_day` to the end of `last_day`.

    Raises Invalid at `to` for a span that ends before it begins, or is longer than `DAYS_MAX`.
    """
    if last_day < first_day:
        raise Invalid("to", problem="before_from")
    if last_day - first_day > timedelta(days=DAYS_MAX):
        raise Invalid("to", problem="too_long")
    begins = start_of(first_day)
    after, opening = await _last_before(account_id, currency, begins)
    last, closing = await _last_before(account_id, currency, start_of(last_day + timedelta(days=1)))
    row = await sql.fetch_one(_BETWEEN, account_id, currency, after, last)
    assert row is not None, "an aggregate has a row"
    return CreditStatement(
        account_id,
        currency,
        first_day,
        last_day,
        after_version=after,
        last_version=last,
        opening=opening,
        closing=closing,
        added=int(row["added"]),
        spent=int(row["spent"]),
        count=row["count"],
        ends_at=row["ends_at"] or begins,
    )


async def _last_before(account_id: UUID, currency: str, moment: datetime) -> tuple[int, int]:
    row = await sql.fetch_one(_LAST_BEFORE, account_id, currency, moment)
    return (row["version"], row["balance_after"]) if row else (0, 0)
