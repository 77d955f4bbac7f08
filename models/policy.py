"""The credit policy as data, and what the house that runs us has decided.

`House` holds everything that is a decision of the provider and not a rule of ours. It is made from
the settings and wired once at start-up (`wire`); the rules read it by `house()`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.errors import CurrencyNotSupported, GatewayNotAvailable
from models.money import Money

if TYPE_CHECKING:
    from models.gateway import Gateway


def zone_named(name: str) -> tzinfo:
    """The time zone of an IANA name."""
    # UTC needs no zone database, which slim systems lack.
    return UTC if name == "UTC" else ZoneInfo(name)


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
class Picture:
    """A logo: its bytes, and `image/png` or `image/svg+xml`."""

    media_type: str
    content: bytes

    @property
    def name(self) -> str:
        """The SHA-256 of what it is, in hex."""
        return hashlib.sha256(f"{self.media_type}\n".encode() + self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class BankDetails:
    """The account that clients transfer one currency to, as it is printed."""

    beneficiary: str
    bank_name: str
    account_number: str
    bic: str | None = None
    branch_name: str | None = None
    branch_code: str | None = None
    account_type: str | None = None


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the invoices, as they are printed. `country` is ISO 3166-1's two letters."""

    name: str
    address: tuple[str, ...] = ()
    email: str = ""
    url: str = ""
    registration: tuple[tuple[str, str], ...] = ()
    brand: str = ""
    accent: str = ""
    logo: Picture | None = None
    timezone: str = "UTC"
    postcode: str = ""
    city: str = ""
    country: str = ""
    vat_id: str = ""
    exemption: str = ""
    """Why lines at 0 % carry no tax, where that is the seller's own reason."""
    notes: tuple[str, ...] = ()
    bank_accounts: Mapping[str, BankDetails] = field(default_factory=dict)
    """By currency."""

    @property
    def zone(self) -> tzinfo:
        """The zone that the seller's days are in."""
        return zone_named(self.timezone)


@dataclass(frozen=True, slots=True)
class House:
    """The provider's decisions. `limits` names the currencies that are supported."""

    secret: bytes
    policy: CreditPolicy
    limits: Mapping[str, Limits]
    gateways: Mapping[str, Gateway]
    seller: Seller
    own_accounts: tuple[str, ...] = ()
    """Our accounts at banks, as `models.bank_account` reads them."""
    public_url: str = "http://127.0.0.1:8000"
    """Where browsers reach us; without a slash at its end."""
    return_origins: frozenset[str] = frozenset()
    support_url: str = ""
    invoice_due: timedelta = timedelta(days=14)
    session_lifetime: timedelta = timedelta(hours=12)
    deposit_tax: str = ""
    """Why deposits carry no tax: a sentence, or empty for what the seller's country has."""
    e_invoices: bool = False
    """Whether ORDER invoices carry a structured invoice (EN 16931)."""
    payments_per_invoice: int = 50
    """How often one invoice may be begun to be paid. Money that comes in unasked is booked."""
    open_invoices: int = 1_000
    """Of one account; none is issued beyond, unless credit pays it at once."""
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
