"""The port that every gateway fits: what the domain asks of one, and what one may answer.

Adapters are found by the entry point group `account_credit.gateways`. They know their provider and
nothing of our database; what they report becomes `GatewayEvent`s, and `payments.advance`
decides.

What an adapter must know of its provider's messages is what exactly the signature covers. Whatever
it does not cover can be written by anybody who has seen one message, and is never reported:

- The time, or an old message can be told again for ever.
- The event id. Where it is not covered, another one that is, or that the provider was asked for.
- The body, by a hash that nobody can find a second body for (HMAC or SHA-256, not a CRC), byte by
  byte as it came. Then amounts, currency and ids are what the provider wrote.
- The mode (test or live) and whose account it is: money of another account is not ours.

Where the body is not covered a message is only a hint: `parse_message` asks the provider, with our
own credentials, for what the message is about, and reports that. Such an adapter is `Hinting`, and
each of its signed ids is taken with one body. What anybody can write into a payment of their own
(a custom id, a reference) does not make it ours: `GatewayEvent.gateway_ref` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, runtime_checkable

from models.money import Money


class GatewayKind(StrEnum):
    """How the client pays through a gateway."""

    BANK_TRANSFER = "BANK_TRANSFER"
    "The client makes a bank transfer and quotes a reference."
    CARD = "CARD"
    "A card form in the page."
    PAYPAL = "PAYPAL"
    "PayPal's own pages."
    SANDBOX = "SANDBOX"
    "A test gateway: no real money is moved."


class EventKind(StrEnum):
    """What a gateway can tell us of a payment."""

    APPROVED = "APPROVED"
    "The payer has agreed, and the gateway waits to be asked for the money: `fetch` does."
    DECLINED = "DECLINED"
    "A try of the payer's came to nothing, and they may try again: `failure` says why."
    PROCESSING = "PROCESSING"
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    DISPUTED = "DISPUTED"
    DISPUTE_WON = "DISPUTE_WON"
    DISPUTE_LOST = "DISPUTE_LOST"
    IGNORED = "IGNORED"


#: The kinds that move money; each carries a `reference` of its own and an `amount`.
MONEY_KINDS = frozenset(
    {
        EventKind.CAPTURED,
        EventKind.REFUNDED,
        EventKind.REFUND_FAILED,
        EventKind.DISPUTED,
        EventKind.DISPUTE_WON,
        EventKind.DISPUTE_LOST,
    }
)

#: Those that open or end a dispute, which stops all of an account's spending.
DISPUTE_KINDS = frozenset({EventKind.DISPUTED, EventKind.DISPUTE_WON, EventKind.DISPUTE_LOST})


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """One thing a gateway told us.

    `event_id` is unique within the gateway. `payment` is our public payment id, as the gateway gave
    it back; where it does not (a dispute names only what was captured) it is empty, and `capture`
    is the reference of the CAPTURED event that it is about. `reference` is the gateway's id of the
    capture, refund or dispute. `refund` is our public refund id, where we had asked for the refund.
    `failure` is a short stable code for people's eyes (`card_declined`). `gateway_ref` is the
    gateway's own id of the payment that it is about, where that is to be checked: what it tells is
    booked only where `start` had answered the same.
    """

    event_id: str
    kind: EventKind
    payment: str
    reference: str = ""
    amount: Money | None = None
    occurred_at: datetime | None = None
    failure: str = ""
    capture: str = ""
    refund: str = ""
    gateway_ref: str = ""
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


class BankAccountType(StrEnum):
    """The types of bank account in Japan."""

    ORDINARY = "ordinary"
    "An ordinary account (普通預金)."
    CURRENT = "current"
    "A current account (当座預金)."


@dataclass(frozen=True, slots=True)
class TransferInstructions:
    """Where to send the money. The amount and reference are the payment's own.

    `qr_code` is what a banking app scans, as an SVG data URL. The last three are what a transfer
    within Japan needs; `account_type` is a BankAccountType's value.
    """

    beneficiary: str
    bank_name: str
    account_number: str
    bic: str | None = None
    qr_code: str | None = None
    branch_name: str | None = None
    branch_code: str | None = None
    account_type: str | None = None


NextAction = Redirect | ConfirmCard | TransferInstructions


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What a gateway needs to know of a payment. `id` is also its idempotency key.

    All that begins a payment is the same each time it is asked for, so that a gateway that compares
    finds it the same. `return_url` is ours: where a hosted page sends the browser, whatever came of
    it. `is_open` is whether the payment is still wanted: money is taken only then. `gateway_ref`
    is what `start` answered, empty while we do not know.
    """

    id: str
    amount: Money
    invoice_number: str
    reference: str
    email: str
    locale: str
    return_url: str
    created_at: datetime
    gateway_ref: str = ""
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """What a gateway needs to know to give money back. `id` is also its idempotency key.

    `capture` is the reference of the CAPTURED event that the money came in with.
    """

    id: str
    payment: PaymentOrder
    capture: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Started:
    """A payment that the gateway knows now: its own id of it, and what the client does next."""

    gateway_ref: str
    action: NextAction | None
    expires_at: datetime | None = None
    events: Sequence[GatewayEvent] = ()


class GatewayProblem(Exception):
    """The gateway could not be asked, or its answer could not be understood. Outcome unknown."""


class GatewayUnreachable(GatewayProblem):
    """It did not answer, or is out of order: asked again, it may. Many such open its circuit."""


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
    """A way to pay. Amounts are exact; all network calls have time limits of their own (at most ten
    seconds), and are not repeated by the adapter: `models.provider.circuit` does that.
    """

    code: str
    kind: GatewayKind
    currencies: frozenset[str]
    refunds: bool
    """Whether it gives money back when asked."""

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
        """All that the gateway knows of a payment, now; each fact has the same event id each time.

        Where the payer has agreed and the gateway waits for us, it takes the money first, if the
        order `is_open`. Raises GatewayProblem.
        """

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        """Give it up where it is not under way. The answer says what became of it; no CANCELED
        among the events means that it cannot be canceled. Raises GatewayProblem.
        """

    async def refund(self, order: RefundOrder) -> list[GatewayEvent]:
        """Give money back: REFUNDED, REFUND_PENDING or REFUND_FAILED, with our refund id.

        Asked again for the same order, however much later, it gives nothing back twice and answers
        how it stands. Raises GatewayProblem or GatewayDeclined. Never called without `refunds`.
        """

    # An adapter that holds connections may have `async def close(self)`: called at the end.


@runtime_checkable
class Hinting(Protocol):
    """An adapter whose signatures do not cover the whole body of a message."""

    def transmission_id(self, headers: Mapping[str, str]) -> str:
        """The id of a message that its signature covers, at most 255 characters. Raises
        MessageRefused.
        """


#: Where the message that is being read came from: for limits on what strangers cause, never for
#: trust. Empty where nobody says.
sender: Final[ContextVar[str]] = ContextVar("sender", default="")
