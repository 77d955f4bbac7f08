"""What the provider offers: its gateways, and which of them take an amount."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from models.gateway import Gateway, GatewayKind
from models.money import Money

#: That one provider offers; more are not loaded.
GATEWAYS_MAX: Final = 20


def accepts(gateway: Gateway, amount: Money) -> bool:
    """Whether the gateway takes a payment of this amount."""
    if amount.currency not in gateway.currencies:
        return False
    minimum, maximum = gateway.minimum(amount.currency), gateway.maximum(amount.currency)
    return not (minimum and amount < minimum) and not (maximum and maximum < amount)


def ranked(gateways: Iterable[Gateway], amount: Money) -> list[Gateway]:
    """The gateways that take a payment of this amount, the best for the payer first: what costs
    least, then what pays at once before what takes days, then in the provider's own order.
    """
    taking = [one for one in gateways if amount.minor > 0 and accepts(one, amount)]
    return sorted(
        taking, key=lambda one: (one.fee(amount).minor, one.kind == GatewayKind.BANK_TRANSFER)
    )


def least_taken(gateways: Iterable[Gateway], currency: str) -> int:
    """The least that any of the gateways takes, in minor units; zero where none takes any."""
    minimums = (one.minimum(currency) for one in gateways if currency in one.currencies)
    return min((least.minor if least else 1 for least in minimums), default=0)
