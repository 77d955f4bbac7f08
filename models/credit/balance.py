"""Reading balances. Each in one statement, so that it is one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from models.access.identity import Actor
from models.accounts.account import Account, currency_meant
from models.clock import now
from models.db import sql
from models.db.coalesced import Coalesced
from models.errors import InsufficientCredit, NotFound, Refusal
from models.ledger.chart import balance_id
from models.ledger.stopped import BALANCE_STOPPED, is_stopped
from models.money import exponent
from models.status import OPEN_SQL, PAYABLE_SQL


@dataclass(frozen=True, slots=True)
class BalanceState:
    """A balance as it stands; minor units. `next_expiry` is (amount, moment).

    What has expired is gone, also while nobody has booked that yet. `stopped` says that credit of
    this currency may not be spent.
    """

    account_id: UUID
    currency: str
    available: int = 0
    reserved: int = 0
    promotional: int = 0
    debt: int = 0
    version: int = 0
    stopped: bool = False
    pending: int = 0
    next_expiry: tuple[int, datetime] | None = None
    updated_at: datetime | None = None


#: Reads all balances of one account: `balances_of`, perhaps together with others'.
AllOf = Callable[[UUID], Awaitable[Sequence[BalanceState]]]

#: Deposits that have begun: what is due on FUNDS invoices that have an open payment.
PENDING_SQL: Final = f"""
SELECT COALESCE(SUM(i.total - i.amount_paid), 0) FROM invoice i
 WHERE i.account_id = {{account}} AND i.currency = {{currency}} AND i.kind = 'FUNDS'
   AND i.status IN {PAYABLE_SQL}
   AND EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id
                AND p.status IN {OPEN_SQL})
"""
_PENDING: Final = PENDING_SQL.format(account="a.id", currency="c.code")

#: What is over of the grants beside balance `b`, in minor units, and not booked as expired yet.
EXPIRED_SQL: Final = """
COALESCE((SELECT SUM(x.remaining) FROM credit_grant x WHERE x.account_id = b.account_id
             AND x.currency = b.currency AND x.remaining > 0 AND x.expires_at <= {now}), 0)
"""

_STATE: Final = f"""
SELECT a.id AS account_id, c.code AS currency, a.created_at AS opened_at,
       {BALANCE_STOPPED} AS stopped,
       b.available, b.reserved, b.promotional, b.debt, b.version, b.updated_at,
       ({_PENDING}) AS pending, {EXPIRED_SQL} AS expired, g.remaining AS expiring, g.expires_at
"""

_BESIDE: Final = """
  LEFT JOIN balance b ON b.account_id = a.id AND b.currency = c.code
  LEFT JOIN credit_grant g ON g.id =
       (SELECT n.id FROM credit_grant n WHERE n.account_id = a.id AND n.currency = c.code
           AND n.remaining > 0 AND n.expires_at > {now} ORDER BY n.expires_at, n.id LIMIT 1)
"""

_SOME: Final = (
    f"{_STATE} FROM account a JOIN"
    " (SELECT id AS owner, COALESCE(CAST($1 AS VARCHAR(3)), currency) AS code FROM account)"
    # Both, for databases that do not see that one follows from the other.
    f" c ON c.owner = a.id {_BESIDE} WHERE a.id IN ({{ids}}) AND c.owner IN ({{ids}})"
)


async def credit_meant(
    account_id: UUID | None, currency: str | None, by: Actor
) -> tuple[UUID, str]:
    """Whose credit `by` asks for, and in which currency: where none is named, a client's own
    account, and the account's own currency.

    Raises Forbidden, Invalid, NotFound at `account_id` and CurrencyNotSupported.
    """
    by.require_scope("credit:read")
    meant = by.account_meant(account_id)
    return meant, await currency_meant(meant, currency)


async def balance_of(
    account_id: UUID | None, currency: str | None = None, *, by: Actor
) -> BalanceState:
    """The credit that `by` asks for, as `credit_meant` has it; zeros where there never was any."""
    by.require_scope("credit:read")
    if currency is not None:
        exponent(currency)
    return await read(by.account_meant(account_id), currency)


async def balance_in(
    account: Account, currency: str | None, by: Actor, find: AllOf
) -> BalanceState:
    """One of those that `all_of` gives, in the account's own currency where None; zeros where there
    never was any. Raises as `all_of`, and CurrencyNotSupported.
    """
    states = await all_of(account.id, by, find)
    wanted = account.currency_meant(currency)
    found = next((state for state in states if state.currency == wanted), None)
    return found or BalanceState(
        account.id,
        wanted,
        stopped=is_stopped(frozen=account.frozen, open_disputes=account.open_disputes, debt=0),
        updated_at=account.created_at,
    )


async def all_of(account_id: UUID, by: Actor, find: AllOf) -> Sequence[BalanceState]:
    """All balances of an account that `find` reads, its own currency's first.

    Raises Forbidden, and NotFound at `account_id`.
    """
    by.require_scope("credit:read")
    return await find(by.account_meant(account_id))


async def balance_after(account_id: UUID, currency: str, by: Actor) -> BalanceState | None:
    """The credit that `by` has moved, as it is now; None for those who may not read it."""
    return await balance_of(account_id, currency, by=by) if by.may("credit:read") else None


def told(refusal: Refusal, by: Actor | None) -> Refusal:
    """A refusal as `by` may see it: how much credit there is, only to those who may read it."""
    reads_credit = by is not None and by.may("credit:read")
    if isinstance(refusal, InsufficientCredit) and not reads_credit:
        return _WithoutFigures(*refusal.field)
    return refusal


class _WithoutFigures(Refusal):
    """InsufficientCredit, for those who may not read credit."""

    code = InsufficientCredit.code


async def read(account_id: UUID, currency: str | None = None) -> BalanceState:
    """One account's credit in one currency (its own where None).

    Raises NotFound at `account_id` where there is no such account.
    """
    state = await _states_in(currency).find(account_id)
    if state is None:
        raise NotFound("account_id")
    return state


@lru_cache(maxsize=256)
def _states_in(currency: str | None) -> Coalesced[UUID, BalanceState]:
    """Accounts' credit in that currency, or in their own."""

    async def states_of(account_ids: Sequence[UUID]) -> dict[UUID, BalanceState]:
        ids, given = sql.in_list(account_ids, 3)
        rows = await sql.fetch(_SOME.format(ids=ids, now="$2"), currency, now(), *given)
        return {row["account_id"]: _state(row) for row in rows}

    return Coalesced(states_of)


async def balances_of(account_ids: Sequence[UUID]) -> dict[UUID, list[BalanceState]]:
    """All balances of each account: its own currency's first, then those that it has
    credit in.
    """
    if not account_ids:
        return {}
    ids, given = sql.in_list(account_ids)
    statement = (
        f"{_STATE} FROM account a JOIN"
        " (SELECT currency AS code, id AS owner FROM account"
        "  UNION SELECT currency, account_id FROM balance) c ON c.owner = a.id"
        # Both, for databases that do not see that one follows from the other.
        f" {_BESIDE} WHERE a.id IN ({ids}) AND c.owner IN ({ids})"
        " ORDER BY (c.code = a.currency) DESC, c.code"
    )
    rows = await sql.fetch(statement.format(now=f"${len(given) + 1}"), *given, now())
    states: defaultdict[UUID, list[BalanceState]] = defaultdict(list)
    for row in rows:
        states[row["account_id"]].append(_state(row))
    return states


async def states_of(wanted: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], BalanceState]:
    """Each credit of an account in a currency, without a check of who asks; one statement, and one
    more for each that there never was any of. Accounts that do not exist are left out.
    """
    found = await balances_of(list({account_id for account_id, _ in wanted}))
    states = {
        (state.account_id, state.currency): state for some in found.values() for state in some
    }
    for account_id, currency in wanted:
        if account_id in found and (account_id, currency) not in states:
            states[account_id, currency] = await read(account_id, currency)
    return {one: states[one] for one in wanted if one in states}


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
        stopped=bool(row["stopped"]),
        pending=int(row["pending"]),
        next_expiry=(row["expiring"], row["expires_at"]) if row["expires_at"] else None,
        updated_at=row["updated_at"] or row["opened_at"],
    )
