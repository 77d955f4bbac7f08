"""Amounts as Stripe writes them: integers, with exceptions of its own to ISO 4217.

The sources are https://docs.stripe.com/currencies, "Minor units in API amounts", "Special cases"
and "Minimum and maximum charge amounts".
"""

from __future__ import annotations

from typing import Final

from models.gateway import GatewayDeclined
from models.money import EXPONENTS, Money, exponent

_TWO_DECIMALS: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF "
    "CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR "
    "MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD SAR SBD SCR SEK "
    "SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD UYU UZS WST XCD YER ZAR ZMW"
)
_ZERO_DECIMALS: Final = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE_DECIMALS: Final = "BHD JOD KWD OMR TND"

#: How many decimals Stripe's amounts have. It differs from ISO 4217 for ISK, UGX and MGA.
DECIMALS: Final = {
    currency: decimals
    for decimals, listed in ((2, _TWO_DECIMALS), (0, _ZERO_DECIMALS), (3, _THREE_DECIMALS))
    for currency in listed.split()
    if currency in EXPONENTS
}

#: The least that can be charged, in Stripe's units. Where none is listed, it depends on the
#: currency that the provider is paid out in, and Stripe says so when asked.
_LEAST: Final = {
    "AED": 200,
    "AUD": 50,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "INR": 50,
    "JPY": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
}
_MOST: Final = 99_999_999
_MOST_OF: Final = {"IDR": 999_999_999_999}

#: The last digit of an amount with three decimals must be 0, for the card networks' sake.
_STEP_OF_THREE_DECIMALS: Final = 10


def to_stripe(money: Money) -> int:
    """`money` in Stripe's units.

    Raises GatewayDeclined where Stripe cannot charge exactly that.
    """
    decimals = DECIMALS.get(money.currency)
    if decimals is None:
        raise GatewayDeclined("currency_not_supported")
    units, rest = _rescaled(money.minor, exponent(money.currency), decimals)
    if rest or (money.currency in _THREE_DECIMALS and units % _STEP_OF_THREE_DECIMALS):
        raise GatewayDeclined("amount_not_supported")
    return units


def from_stripe(units: int, currency: str) -> Money:
    """Stripe's `units` of `currency`, which it writes in small letters. Raises ValueError."""
    code = currency.upper()
    decimals = DECIMALS.get(code)
    if decimals is None:
        raise ValueError("a currency that Stripe doesn't support")
    minor, rest = _rescaled(units, decimals, exponent(code))
    if rest:
        raise ValueError("an amount that its currency cannot have")
    return Money(minor, code)


def _rescaled(amount: int, decimals: int, wanted: int) -> tuple[int, int]:
    """`amount` with `wanted` decimals instead of `decimals`, and what does not go into it."""
    up: int = 10 ** max(0, wanted - decimals)
    down: int = 10 ** max(0, decimals - wanted)
    return divmod(amount * up, down)


def least(currency: str) -> Money | None:
    """The least that one payment may be, where Stripe's documentation says."""
    return from_stripe(_LEAST[currency], currency) if currency in _LEAST else None


def most(currency: str) -> Money:
    """The most that one payment may be: eight digits."""
    units = _MOST_OF.get(currency, _MOST)
    minor, _ = _rescaled(units, DECIMALS[currency], exponent(currency))
    step = _STEP_OF_THREE_DECIMALS if currency in _THREE_DECIMALS else 1
    return Money(minor - minor % step, currency)
