"""The provider: what it has decided, its credit policy included.

`Provider` holds everything that is a decision of the provider and not a rule of ours. It is made
from the settings and wired once at start-up (`wire`); the rules read it by `provider()`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from models.errors import CurrencyNotSupported, GatewayNotAvailable
from models.money import Money
from models.provider.seller import Seller

if TYPE_CHECKING:
    from models.gateway import Gateway


SignUpMode: TypeAlias = Literal["off", "invited", "open"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be deposited at once, how much credit an account may have, and below what its credit
    is low: then partners are told.
    """

    minimum_deposit: Money
    maximum_deposit: Money
    maximum_balance: Money | None = None
    low_balance: Money | None = None


@dataclass(frozen=True, slots=True)
class CreditPolicy:
    """The Account Credit Handling Policy that deposits are made under."""

    version: str
    url: str
    refundable_in_cash: bool = False
    refund_exceptions: bool = True
    """Whether staff may give a deposit back, with a reason, although it is not refundable."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider's decisions. `limits` names the currencies that are supported."""

    secret: bytes
    policy: CreditPolicy
    limits: Mapping[str, Limits]
    gateways: Mapping[str, Gateway]
    seller: Seller
    own_accounts: tuple[str, ...] = ()
    """Our accounts at banks, as `models.bank.account` reads them."""
    public_url: str = "http://127.0.0.1:8000"
    """Where browsers reach us; without a slash at its end."""
    return_origins: frozenset[str] = frozenset()
    support_url: str = ""
    invoice_due: timedelta = timedelta(days=14)
    session_lifetime: timedelta = timedelta(hours=12)
    events_kept: timedelta = timedelta(days=90)
    """How long partners can read what happened: a cursor from before is refused."""
    staff_second_factor: bool = False
    """Whether staff who are signed in without a second factor may only set one up."""
    deposit_tax: str = ""
    """Why deposits carry no tax: a sentence, or empty for what the seller's country has."""
    e_invoices: bool = False
    """Whether ORDER invoices carry a structured invoice (EN 16931)."""
    payments_per_invoice: int = 50
    """Maximum payments that can be started per invoice. Unrequested money is still booked."""
    open_invoices: int = 1_000
    """Of one account; none is issued beyond, unless credit pays it at once."""
    longest_hold: timedelta = timedelta(days=31)
    """How long credit may be reserved, from now."""
    invoice_prefix: str = "INV"
    credit_note_prefix: str = "CN"
    webhook_endpoints: int = 20
    """Of one partner."""
    webhooks_to_loopback: bool = False
    """Whether endpoints may be on this machine, without TLS: for trying it out (demo mode)."""
    sign_up: SignUpMode = "off"
    """Who may open an account by themselves: nobody, who has been invited, or anybody."""

    def key_for(self, purpose: bytes) -> bytes:
        """See `derived_key`."""
        return derived_key(self.secret, purpose)

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


def derived_key(secret: bytes, purpose: bytes) -> bytes:
    """The key for one purpose, 32 bytes: what one of them gives away says nothing of the others."""
    return hmac.digest(secret, purpose, "sha256")


_provider: Provider | None = None


def wire(made: Provider) -> None:
    """Set the provider of this process; the last call holds."""
    global _provider  # noqa: PLW0603 - one provider a process
    _provider = made


def provider() -> Provider:
    """The provider of this process."""
    assert _provider is not None, "wire() is called at start-up"
    return _provider


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL (RFC 6454), empty where it has none or carries credentials."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if not parts.hostname or parts.username is not None or parts.password is not None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")
