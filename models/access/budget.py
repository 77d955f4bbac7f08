"""Budgets of API keys: how much their commands may spend, at once and a day.

What counts is what leaves an account's available credit, spent or reserved, and what is paid
through a gateway with its fee, whatever becomes of it later, and whatever comes back meanwhile: a
payment that replaces another counts whole. What was reserved has counted then, and is captured
freely. A key that replaces another has its budget, and whoever a key hands over spends of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

import orjson
from tortoise import fields

from models.db import sql
from models.db.record import Table
from models.errors import AmountOutOfRange, CurrencyNotSupported, Invalid, NotAllowed
from models.money import EXPONENTS, MINOR_MAX, Money
from models.provider.day import day_of

#: How many currencies a budget may have.
CURRENCIES_MAX: Final = 20

_NAMESPACE: Final = UUID("0b8f7a52-6d0e-4a53-9d55-4a9d0e7d8f11")

_SPEND: Final = """
    INSERT INTO key_spending (id, line_id, currency, day, spent) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET spent = key_spending.spent + EXCLUDED.spent
    RETURNING spent
"""

_SPENT: Final = "SELECT spent FROM key_spending WHERE id = $1"


class KeySpending(Table):
    """What the keys of a line have spent on a day.

    `line_id` is the first of them, and the day the provider's; minor units.
    """

    id = fields.UUIDField(primary_key=True)
    line_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    day = fields.CharField(max_length=10)
    spent = fields.BigIntField()

    class Meta:
        table = "key_spending"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a key may spend: (currency, minor units) each; None is any amount. Where there are some,
    nothing may be spent in other currencies.
    """

    line_id: UUID
    daily: tuple[tuple[str, int], ...] | None
    payment: tuple[tuple[str, int], ...] | None

    @classmethod
    def of_row(cls, row: sql.Row) -> Budget | None:
        """Of a key's `line_id`, `daily_budget` and `payment_budget`, as a database gives them; None
        where it has none.
        """
        daily, payment = _pairs(row["daily_budget"]), _pairs(row["payment_budget"])
        return None if daily is None and payment is None else cls(row["line_id"], daily, payment)

    async def spend(self, amounts: Mapping[str, int], moment: datetime) -> None:
        """Count what one command spends, by currency, in its own transaction: whoever else spends
        of this budget waits until that is over. Raises NotAllowed where it is too much.
        """
        for currency, minor in sorted(amounts.items()):
            if minor <= 0:
                continue
            _check(self.payment, currency, minor, "payment_budget")
            if self.daily is None:
                continue
            _check(self.daily, currency, minor, "daily_budget")
            spent = await self._spent(currency, minor, moment)
            _check(self.daily, currency, spent, "daily_budget")

    async def check(self, amounts: Mapping[str, int], moment: datetime) -> None:
        """As `spend`, without counting it: what is spent meanwhile may leave too little."""
        for currency, minor in sorted(amounts.items()):
            if minor <= 0:
                continue
            _check(self.payment, currency, minor, "payment_budget")
            if self.daily is not None:
                row = await sql.fetch_one(_SPENT, self._row_id(currency, moment))
                before = 0 if row is None else int(row["spent"])
                _check(self.daily, currency, before + minor, "daily_budget")

    def _row_id(self, currency: str, moment: datetime) -> UUID:
        day = day_of(moment).isoformat()
        return uuid5(_NAMESPACE, f"{self.line_id.hex}:{currency}:{day}")

    async def _spent(self, currency: str, minor: int, moment: datetime) -> int:
        """What has been spent that day, with this."""
        day = day_of(moment).isoformat()
        id = self._row_id(currency, moment)
        row = await sql.fetch_one(_SPEND, id, self.line_id, currency, day, minor)
        assert row is not None, "it returns the row"
        return int(row["spent"])


def _pairs(kept: str | dict[str, int] | None) -> tuple[tuple[str, int], ...] | None:
    """JSON, which one database gives as text."""
    budget: dict[str, int] | None = orjson.loads(kept) if isinstance(kept, str) else kept
    return None if budget is None else tuple(sorted(budget.items()))


def _check(budget: tuple[tuple[str, int], ...] | None, currency: str, minor: int, why: str) -> None:
    if budget is None:
        return
    most = dict(budget).get(currency, 0)
    if minor > most:
        raise NotAllowed(why=why, maximum=Money(most, currency))


def checked_budget(
    amounts: Sequence[tuple[Decimal, str]] | None, field: str
) -> dict[str, int] | None:
    """A budget as a key keeps it: minor units by currency. Raises Invalid, AmountOutOfRange,
    AmountPrecision and CurrencyNotSupported at the amount's number in `field`.
    """
    if amounts is None:
        return None
    if not amounts:
        raise Invalid(field, problem="none")
    if len(amounts) > CURRENCIES_MAX:
        raise Invalid(field, problem="too_many_entries")
    budget: dict[str, int] = {}
    for number, (amount, currency) in enumerate(amounts):
        at = (field, str(number))
        if currency not in EXPONENTS:
            raise CurrencyNotSupported(*at, "currency", currency=currency)
        money = Money.parse(amount, currency, *at, "amount")
        if not 0 < money.minor <= MINOR_MAX:
            smallest, largest = Money(1, currency), Money(MINOR_MAX, currency)
            raise AmountOutOfRange(*at, "amount", minimum=smallest, maximum=largest)
        if currency in budget:
            raise Invalid(*at, "currency", problem="taken")
        budget[currency] = money.minor
    return budget
