"""GATEWAY_FEES: what a gateway adds to a payment."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from models.errors import Refusal
from models.money import Money, round_half_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Fee:
    """A part of the amount (`percent`), and a fixed one in minor units per currency."""

    percent: Decimal = Decimal(0)
    fixed: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Settings, code: str) -> Fee:
        """The fee of GATEWAY_FEES for that gateway. Raises ValueError, a sentence."""
        given = settings.gateway_fees.get(code)
        if given is None:
            return cls()
        return cls(given.percent, {key: _minor(key, part) for key, part in given.fixed.items()})

    def on(self, amount: Money) -> Money:
        """What is added to `amount`; commercially rounded."""
        part = round_half_up(amount.minor * self.percent / 100)
        return Money(part + self.fixed.get(amount.currency, 0), amount.currency)


def _minor(currency: str, amount: Decimal) -> int:
    try:
        return Money.parse(amount, currency).minor
    except Refusal:
        raise ValueError(
            f"GATEWAY_FEES has a fixed part that isn't an amount in {currency}"
        ) from None
