"""The credit policy as data, and what the house that runs us has decided.

`House` holds everything that is a decision of the provider and not a rule of ours. It is made from
the settings and wired once at start-up (`wire`); the rules read it by `house()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from models.errors import CurrencyNotSupported, GatewayNotAvailable
from models.money import Money

if TYPE_CHECKING:
    from models.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be deposited at once, and how much credit an account may have."""

    minimum_deposit: Money
    maximum_deposit: Money
    maximum_balance: Money | None = None


@dataclass(frozen=True, slots=True)
class CreditPolicy:
    """The Account Credit Handling Policy that deposits are made under."""

    version: str
    url: str
    refundable_in_cash: bool = False
    refund_exceptions: bool = True
    """Whether staff may give a deposit back, with a reason, although it is not refundable."""


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the invoices, as they are printed."""

    name: str
    address: tuple[str, ...] = ()
    email: str = ""
    url: str = ""
    registration: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class House:
    """The provider's decisions. `limits` names the currencies that are supported."""

    secret: bytes
    policy: CreditPolicy
    limits: Mapping[str, Limits]
    gateways: Mapping[str, Gateway]
    seller: Seller
    public_url: str = "http://127.0.0.1:8000"
    """Where browsers reach us; without a slash at its end."""
    return_origins: frozenset[str] = frozenset()
    support_url: str = ""
    invoice_due: timedelta = timedelta(days=14)
    session_lifetime: timedelta = timedelta(hours=12)
    invoice_prefix: str = "INV"
    credit_note_prefix: str = "CN"

    def limits_of(self, currency: str, *at: str) -> Limits:
        """Raises CurrencyNotSupported at the field `at`."""
        try:
            return self.limits[currency]
        except KeyError:
            raise CurrencyNotSupported(*at, currency=currency) from None

    def gateway(self, code: str, *at: str) -> Gateway:
        """Raises GatewayNotAvailable at the field `at`."""
        try:
            return self.gateways[code]
        except KeyError:
            raise GatewayNotAvailable(*at) from None


_house: House | None = None


def wire(house: House) -> None:
    """Set the house of this process; the last call holds."""
    global _house  # noqa: PLW0603 - one house a process
    _house = house


def house() -> House:
    """The house of this process."""
    assert _house is not None, "wire() is called at start-up"
    return _house
