"""Splitting what is due between credit and a gateway."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from models.checkout.payable import Payable
from models.errors import (
    AmountOutOfRange,
    GatewayFailed,
    GatewayNotAvailable,
    InsufficientCredit,
    Invalid,
)
from models.gateway import Gateway
from models.money import Money
from models.provider.offer import accepts, least_taken
from models.provider.provider import provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How it is to be paid. `credit_limit` and `amount`, which goes through the gateway, are in
    major units; `quote` is of what the client was shown.
    """

    use_credit: bool = False
    credit_limit: Decimal | None = None
    gateway: str | None = None
    return_url: str | None = None
    quote: str | None = None
    amount: Decimal | None = None


def amount_of(wish: Wish, found: Payable) -> int | None:
    """How much is to go through the gateway, where not all is."""
    if wish.amount is None:
        return None
    currency = found.at.book.currency
    amount = Money.parse(wish.amount, currency, "amount")
    if not 0 < amount.minor <= found.due:
        least, most = Money(1, currency), Money(found.due, currency)
        raise AmountOutOfRange("amount", minimum=least, maximum=most)
    return amount.minor


def credit_of(wish: Wish, found: Payable) -> int:
    """How much credit goes first: as far as it is there, is wanted, and is due."""
    if not wish.use_credit:
        return 0
    book, most = found.at.book, found.due
    if wish.credit_limit is not None:
        limit = Money.parse(wish.credit_limit, book.currency, "credit_limit")
        if limit.minor < 0:
            raise AmountOutOfRange("credit_limit", minimum=Money.zero(book.currency))
        most = min(most, limit.minor)
    return min(most, book.available)


def gateway_for(found: Payable, wish: Wish) -> Gateway:
    """The gateway for what credit does not cover. Raises InsufficientCredit, GatewayNotAvailable,
    GatewayFailed where it was out of order a moment ago.
    """
    invoice, book = found.at.invoice, found.at.book
    code = wish.gateway or invoice.gateway
    if code is None and wish.use_credit:
        raise InsufficientCredit(
            available=Money(book.available, invoice.currency),
            required=Money(found.due, invoice.currency),
        )
    if code is None:
        raise GatewayNotAvailable("gateway")
    gateway = provider().gateway(code, "gateway")
    if found.is_down:
        raise GatewayFailed("gateway", problem="down")
    return gateway


def split_between(
    gateway: Gateway, found: Payable, part: int, amount: int | None
) -> tuple[int, int]:
    """(credit, gateway) parts of what is due: less credit where the rest would be too little for
    the gateway, or where `amount` is to go through it.
    """
    due, currency = found.due, found.at.book.currency
    if amount is not None:
        part = min(part, due - amount)
        _check_amount(gateway, Money(amount, currency), due, due - part - amount)
        return part, amount
    minimum = gateway.minimum(currency)
    if part and minimum is not None and due - part < minimum.minor:
        part = max(0, due - minimum.minor)
    if not accepts(gateway, Money(due - part, currency)):
        raise GatewayNotAvailable("gateway")
    return part, due - part


def _check_amount(gateway: Gateway, amount: Money, due: int, left: int) -> None:
    """Raises GatewayNotAvailable, AmountOutOfRange, and Invalid where what is `left` to be paid
    would be too little for every gateway.
    """
    currency = amount.currency
    if currency not in gateway.currencies:
        raise GatewayNotAvailable("gateway")
    if not accepts(gateway, amount):
        most = gateway.maximum(currency)
        least = gateway.minimum(currency) or Money(1, currency)
        maximum = Money(due if most is None else min(due, most.minor), currency)
        raise AmountOutOfRange("amount", minimum=least, maximum=maximum)
    if left and left < least_taken(provider().gateways.values(), currency):
        raise Invalid("amount", problem="amount_rest")
