"""How much credit an account may have."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from models.credit.balance import PENDING_SQL
from models.db import sql
from models.errors import BalanceLimitExceeded
from models.ledger.book import Book
from models.money import Money
from models.provider.provider import house

_BEGUN: Final = (
    f"SELECT ({PENDING_SQL.format(account='$1', currency='$2')} AND i.id <> $3) AS begun"
)
_NO_INVOICE: Final = UUID(int=0)


async def check_room(
    opened: Book, deposit: Money, *field: str, invoice_id: UUID = _NO_INVOICE
) -> None:
    """Raises BalanceLimitExceeded where the deposit would pass the maximum balance, counting what
    is available and reserved, the deposits that have begun (but for `invoice_id`'s own), and the
    debt, which a deposit repays first.
    """
    maximum = house().limits_of(deposit.currency, *field).maximum_balance
    if maximum is None:
        return
    row = await sql.fetch_one(_BEGUN, opened.account_id, opened.currency, invoice_id)
    assert row is not None
    there = opened.available + opened.reserved - opened.debt + int(row["begun"])
    if there + deposit.minor > maximum.minor:
        raise BalanceLimitExceeded(*field, maximum=maximum)
