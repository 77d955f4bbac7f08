"""Reading balances and the credit statement. Each in one statement, so that it is one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from models.clock import now
from models.db import sql
from models.db.page import BY_VERSION, Page, PageRequest, fetch_page
from models.errors import NotFound
from models.ledger.chart import CreditTransaction, balance_id


@dataclass(frozen=True, slots=True)
class BalanceState:
    """A balance as it stands; minor units. `next_expiry` is (amount, moment).

    What has expired is gone, also while nobody has booked that yet. `account_stopped` says
    that staff or an open dispute stop all of the account's spending.
    """

    account_id: UUID
    currency: str
    available: int = 0
    reserved: int = 0
    promotional: int = 0
    debt: int = 0
    version: int = 0
    account_stopped: bool = False
    pending: int = 0
    next_expiry: tuple[int, datetime] | None = None
    updated_at: datetime | None = None

    @property
    def stopped(self) -> bool:
        """Whether credit of this currency may not be spent."""
        return self.account_stopped or self.debt > 0


#: Deposits that have begun: what is due on FUNDS invoices that have an open payment.
PENDING_SQL: Final = """
SELECT COALESCE(SUM(i.total - i.amount_paid), 0) FROM invoice i
 WHERE i.account_id = {account} AND i.currency = {currency} AND i.kind = 'FUNDS'
   AND i.status IN ('UNPAID', 'PROCESSING')
   AND EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id
                AND p.status IN ('CREATED', 'REQUIRES_ACTION', 'PROCESSING'))
"""
_PENDING: Final = PENDING_SQL.format(account="a.id", currency="c.code")

#: What is over of the grants beside balance `b`, in minor units, and not booked as expired yet.
EXPIRED_SQL: Final = """
COALESCE((SELECT SUM(x.remaining) FROM credit_grant x WHERE x.account_id = b.account_id
             AND x.currency = b.currency AND x.remaining > 0 AND x.expires_at <= {now}), 0)
"""

_STATE: Final = f"""
SELECT a.id AS account_id, c.code AS currency, a.created_at AS opened_at,
       (a.frozen OR a.open_disputes > 0) AS stopped,
       b.available, b.reserved, b.promotional, b.debt, b.version, b.updated_at,
       ({_PENDING}) AS pending, {EXPIRED_SQL} AS expired, g.remaining AS expiring, g.expires_at
"""

_BESIDE: Final = """
  LEFT JOIN balance b ON b.account_id = a.id AND b.currency = c.code
  LEFT JOIN credit_grant g ON g.id =
       (SELECT n.id FROM credit_grant n WHERE n.account_id = a.id AND n.currency = c.code
           AND n.remaining > 0 AND n.expires_at > {now} ORDER BY n.expires_at, n.id LIMIT 1)
"""

_ONE: Final = (
    f"{_STATE} FROM account a JOIN"
    " (SELECT id AS owner, COALESCE(CAST($2 AS VARCHAR(3)), currency) AS code FROM account)"
    f" c ON c.owner = a.id {_BESIDE} WHERE a.id = $1"
).format(now="$3")


async def balance_of(account_id: UUID, currency: str | None = None) -> BalanceState:
    """One account's credit in one currency (its own where None); zeros where there never was any.

    Raises NotFound at `account_id` where there is no such account.
    """
    row = await sql.fetch_one(_ONE, account_id, currency, now())
    if row is None:
        raise NotFound("account_id")
    return _state(row)


async def balances_of(account_ids: Sequence[UUID]) -> dict[UUID, list[BalanceState]]:
    """All balances of each account: its own currency's first, then those that it has credit in."""
    ids = sql.placeholders(len(account_ids))
    statement = (
        f"{_STATE} FROM account a JOIN"
        " (SELECT currency AS code, id AS owner FROM account"
        "  UNION SELECT currency, account_id FROM balance) c ON c.owner = a.id"
        # Both, for databases that do not see that one follows from the other.
        f" {_BESIDE} WHERE a.id IN ({ids}) AND c.owner IN ({ids})"
        " ORDER BY (c.code = a.currency) DESC, c.code"
    )
    rows = await sql.fetch(statement.format(now=f"${len(account_ids) + 1}"), *account_ids, now())
    states: defaultdict[UUID, list[BalanceState]] = defaultdict(list)
    for row in rows:
        states[row["account_id"]].append(_state(row))
    return states


async def has_balance(account_id: UUID, currency: str) -> bool:
    """Whether the account has or had credit or a debt in this currency."""
    statement = "SELECT 1 AS there FROM balance WHERE id = $1"
    return await sql.fetch_one(statement, balance_id(account_id, currency)) is not None


def _state(row: sql.Row) -> BalanceState:
    return BalanceState(
        account_id=row["account_id"],
        currency=row["currency"],
        available=(row["available"] or 0) - int(row["expired"]),
        reserved=row["reserved"] or 0,
        promotional=(row["promotional"] or 0) - int(row["expired"]),
        debt=row["debt"] or 0,
        version=row["version"] or 0,
        account_stopped=bool(row["stopped"]),
        pending=int(row["pending"]),
        next_expiry=(row["expiring"], row["expires_at"]) if row["expires_at"] else None,
        updated_at=row["updated_at"] or row["opened_at"],
    )


# ------------------------------------------------------------------------------- the statement


async def statement(
    account_id: UUID,
    currency: str,
    page: PageRequest,
    *,
    kinds: Sequence[str] | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Page[CreditTransaction]:
    """Lines of the statement, newest first; `after` and `before` are both exclusive."""
    where, args = "account_id = $1 AND currency = $2", [account_id, currency]
    if kinds is not None:
        if not kinds:
            return Page([], has_next=False, has_previous=False, total=0 if page.count else None)
        where += f" AND kind IN ({sql.placeholders(len(kinds), len(args) + 1)})"
        args.extend(kinds)
    for moment, sign in ((after, ">"), (before, "<")):
        if moment is not None:
            args.append(moment)
            where += f" AND created_at {sign} ${len(args)}"
    return await fetch_page(CreditTransaction, where, args, page, BY_VERSION)


async def lines_after(
    account_id: UUID, currency: str, version: int, limit: int = 100
) -> list[CreditTransaction]:
    """The lines that follow `version`, oldest first."""
    return await sql.records(
        CreditTransaction,
        "SELECT * FROM credit_transaction WHERE account_id = $1 AND currency = $2"
        f" AND version > $3 ORDER BY version LIMIT {int(limit)}",
        account_id,
        currency,
        version,
    )


async def lines_by_ids(ids: Sequence[UUID]) -> dict[UUID, CreditTransaction]:
    """The statement lines with these ids; one statement. An id of none is left out."""
    rows = await sql.records(
        CreditTransaction,
        f"SELECT * FROM credit_transaction WHERE id IN ({sql.placeholders(len(ids))})",
        *ids,
    )
    return {line.id: line for line in rows}
