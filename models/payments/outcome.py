"""What came of a payment that its gateway cannot end any more: staff say, once, with a reason."""

from __future__ import annotations

from uuid import UUID

from models.access.identity import Actor
from models.db.record import public_id
from models.errors import NotFound, PaymentNotCancelable
from models.gateway import EventKind, GatewayEvent
from models.journal import audit_log, idempotency
from models.journal.outbox import Fact
from models.journal.outbox import record as tell
from models.money import Money
from models.payments.locked import LockedPayment, close, locked, supersede, with_invoice
from models.payments.payment import Payment, PaymentStatus
from models.payments.payment import read as read_payment
from models.payments.settlement import advance
from models.text import clean_text


async def record(payment_id: UUID, *, captured: bool, reason: str, by: Actor, key: str) -> Payment:
    """End a payment whose gateway is not configured any more, or that is PROCESSING. Staff only.

    `captured` books what was charged under the payment's own id; a later message of that capture
    books nothing. Else it is canceled, and a capture that comes nevertheless counts as always.
    Raises NotFound, PaymentNotCancelable (it has ended, or its gateway can still end it), Invalid
    at `reason`.
    """
    by.require_staff()
    given = {"payment": payment_id.hex, "captured": captured, "reason": reason}

    async def work() -> None:
        found = await read_payment(payment_id)
        if found is None:
            raise NotFound("payment_id")
        why = clean_text(reason, "reason", maximum=500)
        async with locked(found) as at:
            payment = at.payment
            _require_stuck(payment)
            await (_capture(at) if captured else give_up(at, told=False))
        facts = {"captured": captured, "amount": payment.charged, "currency": payment.currency}
        await audit_log.record(by, "payment.outcome", payment.public_id, **facts, reason=why)

    made = {"payment": public_id(Payment.PREFIX, payment_id)}
    await idempotency.once(
        by, key, "recordPaymentOutcome", given, made, admit=idempotency.for_staff(by), work=work
    )
    return (await with_invoice(payment_id))[0]


def _require_stuck(payment: Payment) -> None:
    if not payment.is_open:
        raise PaymentNotCancelable("payment_id", status=payment.status)
    if payment.has_gateway and payment.status != PaymentStatus.PROCESSING:
        raise PaymentNotCancelable("payment_id", problem="gateway_ends_it")


async def _capture(at: LockedPayment) -> None:
    payment = at.payment
    told = GatewayEvent(
        event_id=payment.public_id,
        kind=EventKind.CAPTURED,
        payment=payment.public_id,
        reference=payment.public_id,
        amount=Money(payment.charged, payment.currency),
    )
    await advance(at, told)


async def give_up(at: LockedPayment, *, told: bool) -> None:
    """Cancel a payment. Where its gateway has not been `told`, it is when it can be."""
    payment, invoice = at.payment, at.invoice
    await (close(at, PaymentStatus.CANCELED) if told else supersede(at))
    facts = {"invoice": invoice.public_id, "status": payment.status}
    await tell(
        [
            Fact("payment.canceled", payment.account_id, payment.id, facts),
            Fact("invoice.updated", payment.account_id, invoice.id),
        ]
    )
