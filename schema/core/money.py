"""Money as the API shows and takes it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from models import money
from schema.core.context import Info
from schema.core.scalars import CurrencyCode
from schema.core.shown import shows, writes
from schema.core.texts import written_money

Locale: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="A BCP 47 language tag (`ja`, `en-GB`). Defaults to the caller's language."
    ),
]


@strawberry.type
class Money:
    """An exact amount in one currency. It has no ID; caches embed it in its parent object."""

    amount: Decimal
    """
    The amount, with as many decimal places as the currency has: `25.00` USD, `1235` JPY, `1.000`
    KWD.
    """
    currency: CurrencyCode
    "The ISO 4217 currency code."
    units: strawberry.Private[int]

    @classmethod
    def of(cls, value: money.Money) -> Money:
        """Show an amount of the domain."""
        return cls.minor(value.minor, value.currency)

    @classmethod
    def minor(cls, minor: int, currency: str) -> Money:
        """Show `minor` units of `currency`."""
        shown = cls.__new__(cls)
        shown.units, shown.currency = minor, CurrencyCode(currency)
        return shown

    @property
    def value(self) -> money.Money:
        """The amount, as the domain has it."""
        return money.Money(self.units, self.currency)

    @strawberry.field
    def formatted(self, info: Info, locale: Locale = None) -> str:
        """The amount for display: `¥1,235`, `$25.00`. In `locale`, or the viewer's own."""
        return written_money(self.value, info.context.locale_for(locale))


shows(Money, "units", "currency", amount=lambda shown: money.in_major(shown.units, shown.currency))
writes(Money, amount=lambda shown: money.text_in_major(shown.units, shown.currency))


@strawberry.input
class MoneyInput:
    """An amount in one currency."""

    amount: Decimal
    """At most as many decimal places as the currency has. Never rounded: excess precision is an
    error.
    """
    currency: CurrencyCode
    "The ISO 4217 currency code."

    def exact(self, *field: str) -> money.Money:
        """The amount; raises a Refusal at `field` if the currency cannot have it."""
        return money.Money.parse(self.amount, self.currency, *field, "amount")
