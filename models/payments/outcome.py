"""The outcome of a payment that its gateway can no longer end: staff record it, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.errors import NotFound, PaymentNotCancelable
from models.gateway import EventKind, GatewayEvent
from models.journal.command import Invocation, StaffCommand
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.money import Money
from models.payments.advance import advance, load_settlements
from models.payments.locked import LockedPayment, close, locked, supersede, with_invoice
from models.payments.payment import Payment
from models.payments.payment import read as read_payment
from models.status import PaymentStatus
from models.text import clean_text


@dataclass(frozen=True, slots=True)
class RecordOutcome(StaffCommand[LockedPayment, Payment]):
    """End a payment whose gateway is not configured any more, or that is PROCESSING. Staff only.

    `captured` books what was charged under the payment's own id; a later message of that capture
    books nothing. Else it is canceled, and a capture that comes nevertheless counts as always.
    Raises NotFound, PaymentNotCancelable (it has ended, or its gateway can still end it), Invalid
    at `reason`.
    """

    mutation: ClassVar[str] = "recordPaymentOutcome"

    payment_id: UUID
    captured: bool
    reason: str

    @override
    async def read(self, asked: Invocation, journal: Journal) -> LockedPayment:
        found = await read_payment(self.payment_id)
        if found is None:
            raise NotFound("payment_id")
        at = await locked(journal, found)
        if self.captured:
            await load_settlements(at, _capture_of(at.payment))
        return at

    @override
    def decide(self, found: LockedPayment, asked: Invocation, journal: Journal) -> Payment:
        why = clean_text(self.reason, "reason", maximum=500)
        payment = found.payment
        _require_stuck(payment)
        if self.captured:
            advance(found, _capture_of(payment))
        else:
            give_up(found, told=False)
        facts = {"captured": self.captured, "amount": payment.charged, "currency": payment.currency}
        facts |= {"reason": why}
        own = payment.account_id
        journal.log(asked.by, "payment.outcome", payment.public_id, own, **facts)
        return payment

    @override
    async def recall(self, made: Made, asked: Invocation) -> Payment:
        return (await with_invoice(self.payment_id))[0]


def _require_stuck(payment: Payment) -> None:
    if not payment.is_open:
        raise PaymentNotCancelable("payment_id", status=payment.status)
    if payment.has_gateway and payment.status != PaymentStatus.PROCESSING:
        raise PaymentNotCancelable("payment_id", problem="gateway_ends_it")


def _capture_of(payment: Payment) -> GatewayEvent:
    return GatewayEvent(
        event_id=payment.public_id,
        kind=EventKind.CAPTURED,
        payment=payment.public_id,
        reference=payment.public_id,
        amount=Money(payment.charged, payment.currency),
    )


def give_up(at: LockedPayment, *, told: bool) -> None:
    """Cancel a payment. Where its gateway has not been `told`, it is when it can be."""
    payment, tell = at.payment, at.book.journal.tell
    if told:
        close(at, PaymentStatus.CANCELED)
    else:
        supersede(at)
    facts = {"invoice": at.invoice.public_id, "status": payment.status}
    tell(FactKind.PAYMENT_CANCELED, payment.account_id, payment.id, **facts)
    for share in at.shares:
        tell(FactKind.INVOICE_UPDATED, payment.account_id, share.invoice.id)
