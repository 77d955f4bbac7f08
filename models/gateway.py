"""The port that every gateway fits: what the domain asks of one, and what one may answer.

Adapters are found by the entry point group `account_credit.gateways`. They know their provider and
nothing of our database; what they report becomes `GatewayEvent`s, and `payment.advance()` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from models.money import Money


class GatewayKind(StrEnum):
    """What a client knows a way to pay by."""

    BANK_TRANSFER = "BANK_TRANSFER"
    CARD = "CARD"
    PAYPAL = "PAYPAL"
    SANDBOX = "SANDBOX"


class EventKind(StrEnum):
    """What a gateway can tell us of a payment."""

    PROCESSING = "PROCESSING"
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    DISPUTE_WON = "DISPUTE_WON"
    DISPUTE_LOST = "DISPUTE_LOST"
    IGNORED = "IGNORED"


#: The kinds that move money; each carries a `reference` of its own and an `amount`.
MONEY_KINDS = frozenset(
    {
        EventKind.CAPTURED,
        EventKind.REFUNDED,
        EventKind.DISPUTED,
        EventKind.DISPUTE_WON,
        EventKind.DISPUTE_LOST,
    }
)


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """One thing a gateway told us.

    `event_id` is unique within the gateway. `payment` is our public payment id, as the gateway gave
    it back. `reference` is the gateway's id of the capture, refund or dispute. `failure` is a short
    stable code for people's eyes (`card_declined`).
    """

    event_id: str
    kind: EventKind
    payment: str
    reference: str = ""
    amount: Money | None = None
    occurred_at: datetime | None = None
    failure: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser to `url`."""

    url: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConfirmCard:
    """Hand `client_secret` to the card form in the page, which runs 3-D Secure if the bank asks."""

    client_secret: str
    publishable_key: str


@dataclass(frozen=True, slots=True)
class TransferInstructions:
    """Where to send the money. The amount and reference are the payment's own.

    `qr_code` is what a banking app scans, as an SVG data URL.
    """

    beneficiary: str
    bank_name: str
    account_number: str
    bic: str | None = None
    qr_code: str | None = None


NextAction = Redirect | ConfirmCard | TransferInstructions


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What a gateway needs to know to begin a payment. `id` is also its idempotency key."""

    id: str
    amount: Money
    invoice_number: str
    reference: str
    email: str
    locale: str
    return_url: str
    gateway_ref: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """A payment that the gateway knows now: its own id of it, and what the client does next."""

    gateway_ref: str
    action: NextAction | None
    expires_at: datetime | None = None
    events: Sequence[GatewayEvent] = ()


class GatewayProblem(Exception):
    """The gateway could not be asked, or its answer could not be understood. Outcome unknown."""


class GatewayDeclined(Exception):
    """The gateway said no, finally; `failure` is a short stable code."""

    def __init__(self, failure: str) -> None:
        super().__init__(failure)
        self.failure = failure


class MessageRefused(Exception):
    """A message that is not the gateway's, or that cannot be read."""


class SignatureRefused(MessageRefused):
    """It is not signed by the gateway, or not just now: forged, old or from the future."""


class Gateway(Protocol):
    """A way to pay. Amounts are exact; all network calls have time limits of their own."""

    code: str
    kind: GatewayKind
    currencies: frozenset[str]

    def name(self, locale: str) -> str:
        """What the drop-down shows, in the language of `locale` (BCP 47)."""

    def minimum(self, currency: str) -> Money | None:
        """The least that one payment may be; None where nothing is too little."""

    def maximum(self, currency: str) -> Money | None:
        """The most that one payment may be; None where nothing is too much."""

    def fee(self, amount: Money) -> Money:
        """What this gateway adds to a payment of `amount`."""

    async def start(self, order: PaymentOrder) -> Started:
        """Begin; asked again for the same order it answers the same. Raises GatewayProblem or
        GatewayDeclined.
        """

    async def parse_message(self, headers: Mapping[str, str], body: bytes) -> list[GatewayEvent]:
        """Verify and read a webhook. `headers` have lower-case names. Raises MessageRefused."""

    async def fetch(self, order: PaymentOrder) -> list[GatewayEvent]:
        """All that the gateway knows of a payment, now. Raises GatewayProblem."""

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        """Give it up where it is not under way. The answer says what became of it; no CANCELED
        among the events means that it cannot be canceled. Raises GatewayProblem.
        """
