"""Advancing a payment: what its gateway tells becomes money, once, whatever tells it, in any order.

What a payment has brought is worked out from all its settlements, and only the difference to what
is booked already is posted; so the end is the same for every order of arrival. A refund that comes
before its capture waits for it by itself, and a capture beats whatever was said before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from models.db.record import new_id
from models.gateway import MONEY_KINDS, EventKind, GatewayEvent
from models.invoices.invoice import Invoice
from models.journal.outbox import FactKind
from models.payments.capture import receive
from models.payments.locked import LockedPayment, Share, close
from models.payments.refund import apply_to_refund, secure, told_of
from models.payments.settlement import CONFIRMED, Settlement, confirms, is_disputed, returned
from models.payments.settlement import named as settlement_named
from models.payments.settlement import read_for as settlements_for
from models.payments.take_back import refund_if_paid_once, take_back_to
from models.status import WAITING, InvoiceStatus, PaymentStatus

#: What a gateway's word is to partners, and what more is to be said. Of the others they hear that
#: the invoice is not what it was.
_FACTS: Final[Mapping[EventKind, tuple[FactKind, Mapping[str, str]]]] = {
    EventKind.PROCESSING: (FactKind.PAYMENT_PROCESSING, {}),
    EventKind.CAPTURED: (FactKind.PAYMENT_SUCCEEDED, {}),
    EventKind.FAILED: (FactKind.PAYMENT_FAILED, {}),
    EventKind.CANCELED: (FactKind.PAYMENT_CANCELED, {}),
    EventKind.EXPIRED: (FactKind.PAYMENT_CANCELED, {}),
    EventKind.REFUNDED: (FactKind.PAYMENT_REFUNDED, {}),
    EventKind.DISPUTED: (FactKind.PAYMENT_DISPUTED, {"outcome": "OPEN"}),
    EventKind.DISPUTE_WON: (FactKind.PAYMENT_DISPUTED, {"outcome": "WON"}),
    EventKind.DISPUTE_LOST: (FactKind.PAYMENT_DISPUTED, {"outcome": "LOST"}),
}


def advance(at: LockedPayment, told: GatewayEvent) -> None:
    """Apply one event: the payment's state, the ledger, the invoice, and what became true.

    Of an event that moves money `at` has the settlements.
    """
    was = [_state(share) for share in at.shares]
    is_news = (_settle if told.kind in MONEY_KINDS else _move_on)(at, told)
    at.payment.put(heard_at=at.book.journal.at)
    if is_news:
        _tell(at, told, was)


def _state(share: Share) -> tuple[str, int]:
    """What changes on an invoice where money moves."""
    return share.invoice.status, share.invoice.amount_paid


def _move_on(at: LockedPayment, told: GatewayEvent) -> bool:
    """What moves no money: forwards only; whether it has moved."""
    payment = at.payment
    match told.kind:
        case EventKind.DECLINED if payment.status in WAITING:
            payment.put(failure=told.failure or "declined")
        case EventKind.PROCESSING if payment.status in WAITING:
            payment.put(status=PaymentStatus.PROCESSING.value, failure=None)
            for share in at.shares:
                if share.invoice.status == InvoiceStatus.UNPAID:
                    share.invoice.put(status=InvoiceStatus.PROCESSING.value)
        case EventKind.APPROVED if payment.is_open:
            payment.put(next_check_at=at.book.journal.at)
        case EventKind.FAILED if payment.is_open:
            close(at, PaymentStatus.FAILED, told.failure or "declined")
        case EventKind.CANCELED if payment.is_open:
            close(at, PaymentStatus.CANCELED)
        case EventKind.EXPIRED if payment.is_open:
            close(at, PaymentStatus.EXPIRED)
        case EventKind.REFUND_PENDING:
            return apply_to_refund(at, told) is not None
        case _:
            return False
    return True


def _settle(at: LockedPayment, told: GatewayEvent) -> bool:
    """What moves money, each once; whether it had not been told before."""
    own = [one for one in at.settlements if one.payment_id == at.payment.id]
    settlement = _settlement_of(at, told, own)
    named = settlement_named(at.settlements, told)
    if any(one.kind == settlement.kind for one in named):
        # A refund that is booked already may turn out to be one of ours.
        booked_here = named[0].payment_id == at.payment.id
        return booked_here and apply_to_refund(at, told) is not None
    at.settlements.append(settlement)
    at.book.journal.claim(settlement)
    if settlement.kind == CONFIRMED:
        return False
    own.append(settlement)
    at.source = settlement.id.hex
    ours = apply_to_refund(at, told)
    had_received = at.payment.received > 0
    _set_disputed(at, own)
    captured = sum(one.amount for one in own if one.kind == EventKind.CAPTURED)
    if captured > at.payment.received:
        receive(at, captured - at.payment.received)
    take_back_to(at, min(captured, returned(own)), ours)
    if had_received:
        secure(at)
    refund_if_paid_once(at)
    return True


def _settlement_of(at: LockedPayment, told: GatewayEvent, own: Sequence[Settlement]) -> Settlement:
    assert told.amount is not None
    return Settlement(
        id=new_id(),
        created_at=at.book.journal.at,
        gateway=at.payment.gateway,
        kind=CONFIRMED if confirms(told, own, at.payment.public_id) else told.kind.value,
        reference=told.reference,
        payment_id=at.payment.id,
        amount=told.amount.minor,
    )


def _set_disputed(at: LockedPayment, own: Sequence[Settlement]) -> None:
    """An open dispute stops spending until it is settled; all of the account's books are locked."""
    disputed = is_disputed(own)
    if disputed != at.payment.disputed:
        at.payment.put(disputed=disputed)
        at.book.dispute(1 if disputed else -1)


def _tell(at: LockedPayment, told: GatewayEvent, was: Sequence[tuple[str, int]]) -> None:
    payment, tell = at.payment, at.book.journal.tell
    changed = _changed(at, told, was)
    if told.kind in _FACTS:
        kind, more = _FACTS[told.kind]
        facts = {"invoice": _named(at, told, changed), "status": payment.status, **more}
        tell(kind, payment.account_id, payment.id, **facts)
    for invoice, before in changed:
        is_paid = invoice.status == InvoiceStatus.PAID != before
        kind = FactKind.INVOICE_PAID if is_paid else FactKind.INVOICE_UPDATED
        facts = {"number": invoice.number, "status": invoice.status, "because": told.kind.value}
        tell(kind, invoice.account_id, invoice.id, **facts)


def _changed(
    at: LockedPayment, told: GatewayEvent, was: Sequence[tuple[str, int]]
) -> list[tuple[Invoice, str]]:
    """The invoices that it is news of, and the status that each had. What becomes of a payment is
    news of all that it is for; money that moves, of those on which it moved; and what becomes of a
    refund, of the one that it is of.
    """
    of = _refunded(at, told)
    is_of_all = not at.payment.several or told.kind not in {
        *MONEY_KINDS,
        EventKind.REFUND_PENDING,
    }
    return [
        (share.invoice, before[0])
        for share, before in zip(at.shares, was, strict=True)
        if is_of_all or _state(share) != before or share.invoice.id == of
    ]


def _refunded(at: LockedPayment, told: GatewayEvent) -> UUID | None:
    """Which invoice one of our refunds is of; what was paid too much belongs to the first."""
    ours = told_of(at, told)
    return None if ours is None else ours.invoice_id or at.invoice.id


def _named(at: LockedPayment, told: GatewayEvent, changed: Sequence[tuple[Invoice, str]]) -> str:
    """The public id of the invoice that news of the payment names: the one of the refund. One made
    at the gateway itself is of none: its money is missing on the last.
    """
    named: Invoice = at.invoice
    if told.kind == EventKind.REFUNDED and changed:
        of, last = _refunded(at, told), changed[-1][0]
        named = next((one for one, _ in changed if one.id == of), last)
    return named.public_id


async def load_settlements(at: LockedPayment, told: GatewayEvent) -> None:
    """What `advance` needs to know of an event that moves money."""
    if told.kind in MONEY_KINDS:
        at.settlements = await settlements_for(at.payment.id, at.payment.gateway, told)
