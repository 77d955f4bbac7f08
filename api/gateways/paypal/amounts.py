"""Amounts as PayPal writes them, and the currencies that it takes.

https://developer.paypal.com/api/rest/reference/currency-codes/
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from models.errors import Refusal
from models.gateway import GatewayDeclined
from models.money import Money, exponent

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Not here: BRL, CNY and MYR, which only accounts of their own country can take, and RUB.
CURRENCIES: Final = frozenset(
    {"AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY"}
    | {"MXN", "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD"}
)
#: Currencies that PayPal refuses decimals for, whatever ISO 4217 says.
_WHOLE: Final = frozenset({"HUF", "JPY", "TWD"})
_VALUE: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,9})?", re.ASCII)


class BadAmount(ValueError):
    """It is no amount of money as PayPal writes them."""


def step(currency: str) -> int:
    """The least that amounts differ by at PayPal, in our minor units."""
    return int(10 ** exponent(currency)) if currency in _WHOLE else 1


def round_up(money: Money) -> Money:
    """The same or the next greater amount that PayPal can say."""
    size = step(money.currency)
    return Money(-(-money.minor // size) * size, money.currency)


def written(money: Money) -> dict[str, str]:
    """As PayPal takes it. Raises GatewayDeclined where it does not take such an amount."""
    if money.minor % step(money.currency):
        raise GatewayDeclined("whole_amounts_only")
    whole = money.currency in _WHOLE
    value = f"{money.amount:.0f}" if whole else f"{money.amount:f}"
    return {"currency_code": money.currency, "value": value}


def read(given: object) -> Money:
    """The amount that PayPal wrote. Raises BadAmount."""
    if not isinstance(given, dict):
        raise BadAmount("there is no amount")
    return _money(given)


def _money(given: Mapping[str, Any]) -> Money:
    value, currency = str(given.get("value", "")), str(given.get("currency_code", ""))
    if not _VALUE.fullmatch(value):
        raise BadAmount("the amount is malformed")
    try:
        return Money.parse(Decimal(value), currency)
    except Refusal as refusal:
        raise BadAmount(f"there is no such amount of money: {refusal.code}") from None
