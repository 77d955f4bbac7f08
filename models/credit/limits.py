"""Limits: how much may be deposited at once, and how much credit an account may have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from models.access.identity import Actor
from models.accounts.account import Account, currency_meant, read
from models.credit.balance import PENDING_SQL
from models.db import sql
from models.db.together import find_one
from models.errors import BalanceLimitExceeded
from models.ledger.book import Book
from models.money import Money
from models.provider.provider import Limits, provider

_BEGUN: Final = PENDING_SQL.format(account="g.account_id", currency="g.currency")
_NO_INVOICE: Final = UUID(int=0)
#: An account, a currency, and an invoice that does not count.
_Key = tuple[UUID, str, UUID]


async def limits_meant(
    currency: str | None, by: Actor, find: Callable[[UUID], Awaitable[Account | None]] = read
) -> Limits:
    """The limits of the currency that is named, or of a client's own.

    Raises CurrencyNotSupported, and Invalid where partners and staff name none.
    """
    meant = await currency_meant(by.account_id, currency, find)
    return provider().limits_of(meant, "currency")


async def deposits_begun(account_id: UUID, currency: str, but: UUID = _NO_INVOICE) -> int:
    """What deposits that have begun will bring, in minor units, but for the invoice `but`; zero
    where no maximum asks for it. For `check_room`, under the balance's lock.
    """
    limits = provider().limits.get(currency)
    if limits is None or limits.maximum_balance is None:
        return 0
    return await find_one(_begun, (account_id, currency, but)) or 0


async def _begun(keys: Sequence[_Key]) -> dict[_Key, int]:
    names = ("account_id", "currency", "but_id")
    some = sql.given("g", 1, account_id="uuid", currency="text", but_id="uuid")
    rows = await sql.fetch(
        f"SELECT g.*, ({_BEGUN} AND i.id <> g.but_id) AS begun FROM {some}",
        sql.json([dict(zip(names, map(str, key), strict=True)) for key in keys]),
    )
    return {(row["account_id"], row["currency"], row["but_id"]): int(row["begun"]) for row in rows}


def check_room(opened: Book, deposit: Money, begun: int, *field: str) -> None:
    """Raises BalanceLimitExceeded where the deposit would pass the maximum balance, counting what
    is available and reserved, the deposits that have `begun`, and the debt, which a deposit repays
    first.
    """
    maximum = provider().limits_of(deposit.currency, *field).maximum_balance
    there = opened.available + opened.reserved - opened.debt + begun
    if maximum is not None and there + deposit.minor > maximum.minor:
        raise BalanceLimitExceeded(*field, maximum=maximum)
