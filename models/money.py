"""Money: integer minor units and an ISO 4217 code. Never a float, never rounded by surprise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal
from typing import Final

import iso4217

from models.errors import AmountOutOfRange, AmountPrecision, CurrencyNotSupported

#: The most minor units one amount may have: every sum that we form of them stays below 2**63.
MINOR_MAX: Final = 10**15

#: More than `MINOR_MAX` has; building the integer of a huge exponent never ends.
_DIGITS_MAX: Final = 18
#: The default context would round to 28 digits.
_EXACT: Final = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)

#: Decimals of each currency, from ISO 4217. Codes without minor units of their own (XAU) are no
#: money.
EXPONENTS: Final[dict[str, int]] = {
    currency.code: currency.exponent
    for currency in iso4217.Currency
    if currency.exponent is not None
}


def exponent(currency: str) -> int:
    """How many decimals `currency` has: 0 (JPY), 2 (USD) or 3 (KWD).

    Raises CurrencyNotSupported.
    """
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise CurrencyNotSupported("currency", currency=currency) from None


def in_major(minor: int, currency: str) -> Decimal:
    """`minor` units in major ones, with as many decimals as the currency has: `25.00`."""
    return Decimal(minor).scaleb(-exponent(currency))


def text_in_major(minor: int, currency: str) -> str:
    """The same as text, four times as fast: pages have hundreds of amounts."""
    decimals = exponent(currency)
    if not decimals:
        return str(minor)
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    return f"{'-' * (minor < 0)}{digits[:-decimals]}.{digits[-decimals:]}"


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units of `currency`; signed."""

    minor: int
    currency: str

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in `currency`."""
        return cls(0, currency)

    @classmethod
    def parse(cls, amount: Decimal, currency: str, *field: str) -> Money:
        """The exact amount. Raises AmountPrecision or AmountOutOfRange at `field`; never rounds."""
        decimals = exponent(currency)
        _check(amount, currency, decimals, *field)
        return cls(int(_EXACT.scaleb(amount, decimals)), currency)

    @classmethod
    def rounded(cls, amount: Decimal, currency: str, *field: str, decimals: int) -> Money:
        """The nearest amount to one of at most so many decimals; halves go away from zero.

        Raises AmountPrecision or AmountOutOfRange at `field`.
        """
        _check(amount, currency, decimals, *field)
        return cls(product(amount, Decimal(1), currency), currency)

    @property
    def amount(self) -> Decimal:
        """In major units, with as many decimals as the currency has: `25.00`."""
        return in_major(self.minor, self.currency)

    def __add__(self, other: Money) -> Money:
        assert self.currency == other.currency, "amounts of two currencies are never added"
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        assert self.currency == other.currency, "amounts of two currencies are never subtracted"
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        assert self.currency == other.currency, "amounts of two currencies are never compared"
        return self.minor < other.minor

    def __bool__(self) -> bool:
        return self.minor != 0


def _check(amount: Decimal, currency: str, decimals: int, *field: str) -> None:
    # Before any work on it: a number with a great exponent has no end of digits.
    great = bool(amount) and amount.adjusted() > _DIGITS_MAX
    if great or abs(_EXACT.scaleb(amount, exponent(currency))) > MINOR_MAX:
        raise AmountOutOfRange(*field, maximum=Money(MINOR_MAX, currency))
    scaled = _EXACT.scaleb(amount, decimals)
    if scaled != scaled.to_integral_value():
        raise AmountPrecision(*field, currency=currency, decimals=decimals)


def product(price: Decimal, quantity: Decimal, currency: str) -> int:
    """`quantity` times a `price` in major units: minor units, rounded once."""
    return round_half_up(_EXACT.multiply(_EXACT.scaleb(price, exponent(currency)), quantity))


def round_half_up(value: Decimal) -> int:
    """Commercial rounding to a whole minor unit: 0.5 goes away from zero."""
    return int(value.to_integral_value(ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class RateTax:
    """Tax of one rate: `base` (net) and `tax` in minor units."""

    rate: Decimal
    base: int
    tax: int


def tax_per_rate(lines: Iterable[tuple[Decimal, int]]) -> list[RateTax]:
    """Tax of (rate, net minor units) lines, rounded once per rate, highest rate first.

    Once per rate and invoice is what Japan's qualified invoice system asks for, and what the
    VAT Directive (Art. 226) allows. The tax is the base times the rate, rounded, also where
    discounts make the base negative (EN 16931, BR-CO-17).
    """
    bases: dict[Decimal, int] = {}
    for stated, net in lines:
        rate = stated.normalize()  # 0.19 and 0.190 are one rate
        bases[rate] = bases.get(rate, 0) + net
    return [
        RateTax(rate, base, round_half_up(_EXACT.multiply(Decimal(base), rate)))
        for rate, base in sorted(bases.items(), reverse=True)
    ]
