"""Settling: what gateways tell us becomes money, once, whatever tells us and in whatever order.

A settlement is one movement of money at a gateway: a capture, a refund, a dispute or its outcome,
each once. What a payment has brought is worked out from all its settlements, and only the
difference to what is booked already is posted; so the end is the same for every order of arrival. A
refund that comes before its capture waits for it by itself, and a capture beats whatever was said
before.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.credit import spending
from models.db import sql
from models.db.record import Record, new_id
from models.gateway import MONEY_KINDS, EventKind, GatewayEvent
from models.invoices.invoice import PAYABLE, Invoice, InvoiceStatus
from models.journal import outbox
from models.ledger.book import Leg, Line
from models.ledger.chart import LedgerKind, LineKind, MoveKind, Ref
from models.payments import refund
from models.payments.locked import LockedPayment, cancel_others, close, reopen
from models.payments.payment import PaymentStatus
from models.payments.refund import Refund
from models.provider.provider import house

#: Statuses of a payment that waits for its client.
_WAITING: Final = ("CREATED", "REQUIRES_ACTION")


#: The kind of what moves nothing: the gateway's own word of a capture that staff have recorded.
CONFIRMED: Final = "CONFIRMED"


class Settlement(Record):
    """One movement of money at a gateway. UNIQUE (gateway, kind, reference).

    A capture that staff have recorded has its payment's own id as its reference. What the gateway
    calls the same capture, when it tells of it later, is kept as CONFIRMED.
    """

    gateway = fields.CharField(max_length=64)
    kind = fields.CharField(max_length=16)
    reference = fields.CharField(max_length=255)
    payment_id = fields.UUIDField()
    amount = fields.BigIntField()

    class Meta:
        table = "settlement"


async def payment_of(gateway: str, kind: EventKind, reference: str) -> UUID | None:
    """The payment that a capture, say, was for; None while we do not know it."""
    row = await sql.fetch_one(
        "SELECT payment_id FROM settlement WHERE gateway = $1 AND kind IN ($2, $3)"
        " AND reference = $4",
        gateway,
        kind.value,
        CONFIRMED if kind is EventKind.CAPTURED else kind.value,
        reference,
    )
    return row["payment_id"] if row else None


async def advance(at: LockedPayment, told: GatewayEvent) -> None:
    """Apply one event: the payment's state, the ledger, the invoice, and what became true.

    Inside a transaction, with the book open: the payment and invoice were read under its lock.
    """
    was = at.invoice.status
    is_news = await (_settle if told.kind in MONEY_KINDS else _move_on)(at, told)
    at.payment.put(heard_at=now())
    await at.write()
    if is_news:
        await _tell(at, told, was)


# ------------------------------------------------------------------------------- states


async def _move_on(at: LockedPayment, told: GatewayEvent) -> bool:
    """What moves no money: forwards only; whether it has moved."""
    payment = at.payment
    match told.kind:
        case EventKind.DECLINED if payment.status in _WAITING:
            payment.put(failure=told.failure or "declined")
        case EventKind.PROCESSING if payment.status in _WAITING:
            payment.put(status=PaymentStatus.PROCESSING.value, failure=None)
            if at.invoice.status == InvoiceStatus.UNPAID:
                at.invoice.put(status=InvoiceStatus.PROCESSING.value)
        case EventKind.APPROVED if payment.is_open:
            payment.put(next_check_at=now())
        case EventKind.FAILED if payment.is_open:
            await close(at, PaymentStatus.FAILED, told.failure or "declined")
        case EventKind.CANCELED if payment.is_open:
            await close(at, PaymentStatus.CANCELED)
        case EventKind.EXPIRED if payment.is_open:
            await close(at, PaymentStatus.EXPIRED)
        case EventKind.REFUND_PENDING:
            return await refund.settle(at, told) is not None
        case _:
            return False
    return True


# ------------------------------------------------------------------------------- money


async def _settle(at: LockedPayment, told: GatewayEvent) -> bool:
    """What moves money, each once; whether it had not been told before."""
    assert told.amount is not None
    known = await sql.records(
        Settlement, "SELECT * FROM settlement WHERE payment_id = $1", at.payment.id
    )
    settlement = Settlement(
        id=new_id(),
        created_at=now(),
        gateway=at.payment.gateway,
        kind=CONFIRMED if _confirms(told, known, at.payment.public_id) else told.kind.value,
        reference=told.reference,
        payment_id=at.payment.id,
        amount=told.amount.minor,
    )
    if not await sql.insert("settlement", [sql.row_of(settlement)], ignore_conflicts=True):
        return await _named_later(at, told)
    if settlement.kind == CONFIRMED:
        return False
    known.append(settlement)
    at.source = settlement.id.hex
    ours = await refund.settle(at, told)
    captured = sum(one.amount for one in known if one.kind == EventKind.CAPTURED)
    had_received = at.payment.received > 0
    await _set_disputed(at, known)
    if captured > at.payment.received:
        await _receive(at, captured - at.payment.received)
    await _take_back_to(at, min(captured, _returned(known)), ours)
    if had_received:
        await refund.secure(at)
    _refund_if_paid_once(at)
    return True


async def _named_later(at: LockedPayment, told: GatewayEvent) -> bool:
    """A refund that is booked already may turn out to be one of ours; whether it does."""
    booked_on = await payment_of(at.payment.gateway, told.kind, told.reference)
    return booked_on == at.payment.id and await refund.settle(at, told) is not None


def _confirms(told: GatewayEvent, known: list[Settlement], own_id: str) -> bool:
    """Whether it is the capture that staff have recorded: the first that the gateway tells of."""
    if told.kind != EventKind.CAPTURED or told.reference == own_id:
        return False
    confirmed = [one.reference for one in known if one.kind == CONFIRMED]
    recorded = any(one.reference == own_id for one in known if one.kind == EventKind.CAPTURED)
    return recorded and (not confirmed or told.reference in confirmed)


def _returned(known: list[Settlement]) -> int:
    """What the gateway has taken back: refunds that have not failed, disputes that are not won."""
    won = {one.reference for one in known if one.kind == EventKind.DISPUTE_WON}
    disputes: dict[str, int] = {
        one.reference: one.amount
        for kind in (EventKind.DISPUTED, EventKind.DISPUTE_LOST)  # the outcome has the last word
        for one in known
        if one.kind == kind and one.reference not in won
    }
    failed = {one.reference for one in known if one.kind == EventKind.REFUND_FAILED}
    refunds: int = sum(
        one.amount
        for one in known
        if one.kind == EventKind.REFUNDED and one.reference not in failed
    )
    return refunds + sum(disputes.values())


async def _set_disputed(at: LockedPayment, known: list[Settlement]) -> None:
    """An open dispute stops spending until it is settled; all of the account's books are locked."""
    opened = {one.reference for one in known if one.kind == EventKind.DISPUTED}
    ended = {
        one.reference
        for one in known
        if one.kind in (EventKind.DISPUTE_WON, EventKind.DISPUTE_LOST)
    }
    disputed = bool(opened - ended)
    if disputed != at.payment.disputed:
        at.payment.put(disputed=disputed)
        change = 1 if disputed else -1
        at.book.open_disputes += change
        await sql.execute(
            "UPDATE account SET open_disputes = open_disputes + $2 WHERE id = $1",
            at.payment.account_id,
            change,
        )


async def _receive(at: LockedPayment, amount: int) -> None:
    """Money came in: at once and whole, however much was expected."""
    payment = at.payment
    if payment.status != PaymentStatus.SUCCEEDED:
        payment.put(
            status=PaymentStatus.SUCCEEDED.value,
            failure=None,
            completed_at=now(),
            next_check_at=None,
            lease_at=None,
        )
    payment.put(received=payment.received + amount)
    await _book_in(at, amount, reinstated=False)
    await _spend_credit_part(at)
    await _close_if_paid(at)


async def _book_in(at: LockedPayment, amount: int, *, reinstated: bool) -> None:
    payment, invoice, book = at.payment, at.invoice, at.book
    fee = min(amount, payment.fee - payment.fee_taken)
    due = invoice.amount_due if _takes_money(invoice) else 0
    applied = min(amount - fee, due)
    excess = amount - fee - applied
    _move(at, MoveKind.FEE, _clearing(at), book.house(LedgerKind.FEE_INCOME), fee)
    if not at.funds:
        _move(at, MoveKind.SALE, _clearing(at), book.house(LedgerKind.SALES), applied)
    if reinstated:
        _reinstate(at, excess + (applied if at.funds else 0))
    else:
        _deposit(at, applied if at.funds else 0, LineKind.DEPOSIT)
        _deposit(at, excess, LineKind.OVERPAYMENT)
    if applied:
        invoice.put(amount_paid=invoice.amount_paid + applied)
    payment.put(
        fee_taken=payment.fee_taken + fee,
        applied=payment.applied + applied,
        excess=payment.excess + excess,
    )


def _clearing(at: LockedPayment) -> Ref:
    return at.book.house(LedgerKind.CLEARING, at.payment.gateway)


def _move(at: LockedPayment, kind: MoveKind, source: Ref, target: Ref, amount: int) -> None:
    if amount:
        legs = [Leg(source, target, amount)]
        at.book.post(kind, legs, source=at.source, payment_id=at.payment.id)


def _takes_money(invoice: Invoice) -> bool:
    """A deposit that was taken back can come back; else only what is still to be paid."""
    return invoice.status in PAYABLE or invoice.status == InvoiceStatus.REFUNDED


def _deposit(at: LockedPayment, amount: int, kind: LineKind) -> None:
    """Credit `amount`; a debt is repaid first, on a line of its own."""
    book = at.book
    repaid = min(amount, book.debt)
    if repaid:
        line = _line(at, LineKind.DEBT_REPAID, f"{at.source}:{kind.value}")
        book.post(line, [Leg(_clearing(at), book.owed, repaid)])
    if amount > repaid:
        book.post(_line(at, kind), [Leg(_clearing(at), book.deposited, amount - repaid)])


def _reinstate(at: LockedPayment, amount: int) -> None:
    """The mirror of `_take_credit`: what is still owed first, the rest is credit again."""
    if amount:
        legs = [Leg(_clearing(at), at.book.deposited, amount)]
        at.book.post(_line(at, LineKind.DEPOSIT_REINSTATED), legs)


def _line(at: LockedPayment, kind: LineKind, source: str = "") -> Line:
    refundable = house().policy.refundable_in_cash and kind in (
        LineKind.DEPOSIT,
        LineKind.OVERPAYMENT,
    )
    return Line(
        kind,
        source or at.source,
        note=at.invoice.number,
        refundable=refundable,
        invoice_id=at.invoice.id,
        payment_id=at.payment.id,
    )


async def _spend_credit_part(at: LockedPayment) -> None:
    """The credit half of a split: what is held is spent; after its release, what is available
    then.
    """
    invoice, payment, book = at.invoice, at.payment, at.book
    if at.funds or not payment.credit_part:
        return
    due = invoice.amount_due if invoice.status in PAYABLE else 0
    line = Line(
        LineKind.INVOICE_PAYMENT,
        payment.id.hex,
        note=invoice.number,
        invoice_id=invoice.id,
        payment_id=payment.id,
    )
    spent = await spending.settle_hold(book, payment.id, due, line)
    if not spent and due and not _stopped(at):
        spent = min(due, payment.credit_part, book.available)
        if spent:
            spending.spend(book, spent, line)
    if spent:
        invoice.put(
            credit_applied=invoice.credit_applied + spent, amount_paid=invoice.amount_paid + spent
        )
    payment.put(credit_part=0)


def _stopped(at: LockedPayment) -> bool:
    # A dispute of this very payment would have found the credit spent, had the capture come first.
    others = at.book.open_disputes - at.payment.disputed
    return at.book.frozen or others > 0 or at.book.debt > 0


async def _close_if_paid(at: LockedPayment) -> None:
    invoice = at.invoice
    if not _takes_money(invoice):
        return
    if invoice.amount_due == 0:
        invoice.put(status=InvoiceStatus.PAID.value, paid_at=now())
        await cancel_others(invoice, at.book, at.payment.id)
    elif invoice.status == InvoiceStatus.PROCESSING:
        await reopen(at)


# ------------------------------------------------------------------------------- taking back


async def _take_back_to(at: LockedPayment, target: int, ours: Refund | None) -> None:
    """Bring what was taken back to `target`: more is reversed, less is reinstated."""
    payment = at.payment
    change = target - payment.taken_back
    if change > 0:
        await _reverse(at, change, ours)
    elif change < 0:
        payment.put(taken_back=target)
        await _book_in(at, -change, reinstated=True)
        await _close_if_paid(at)


async def _reverse(at: LockedPayment, amount: int, ours: Refund | None) -> None:
    """The gateway takes money back; a refund of `ours` from where it was promised from."""
    payment, book = at.payment, at.book
    excess, applied, fee = _shares(at, amount, ours)
    from_credit = excess + (applied if at.funds else 0)
    await refund.loosen(at, from_credit)
    _take_credit(at, from_credit)
    if not at.funds:
        sales = book.house(LedgerKind.SALES)
        _move(at, MoveKind.SALE_REVERSED, sales, _clearing(at), applied)
    income = book.house(LedgerKind.FEE_INCOME)
    _move(at, MoveKind.FEE_REVERSED, income, _clearing(at), fee)
    payment.put(
        taken_back=payment.taken_back + amount,
        excess=payment.excess - excess,
        applied=payment.applied - applied,
        fee_taken=payment.fee_taken - fee,
    )
    if applied:
        await _unpay(at, applied)


def _shares(at: LockedPayment, amount: int, ours: Refund | None) -> tuple[int, int, int]:
    """What goes back of (excess, applied, fee): in this order; but what was not held for a refund
    of an order was promised from what the invoice had, then the fee. Excess that came in since may
    be spent by now.
    """
    payment = at.payment
    promised = 0 if ours is None or at.funds else min(amount, ours.amount - ours.held)
    applied = min(promised, payment.applied)
    fee = min(promised - applied, payment.fee_taken)
    excess = min(amount - applied - fee, payment.excess)
    applied += min(amount - applied - fee - excess, payment.applied - applied)
    return excess, applied, amount - excess - applied


def _take_credit(at: LockedPayment, amount: int) -> None:
    """From the deposits; what has been spent of it is a debt now."""
    if not amount:
        return
    book = at.book
    there = min(amount, book.deposits)
    legs = [Leg(book.deposited, _clearing(at), there)] if there else []
    if amount > there:
        legs.append(Leg(book.owed, _clearing(at), amount - there))
    book.post(_line(at, LineKind.DEPOSIT_REVERSED), legs)


async def _unpay(at: LockedPayment, amount: int) -> None:
    invoice = at.invoice
    paid = invoice.amount_paid - amount
    if invoice.status not in (InvoiceStatus.PAID, InvoiceStatus.REFUNDED):
        invoice.put(amount_paid=paid)
    elif at.funds:
        invoice.put(amount_paid=paid, status=InvoiceStatus.REFUNDED.value)
    else:
        invoice.put(amount_paid=paid, status=InvoiceStatus.UNPAID.value, paid_at=None)


def _refund_if_paid_once(at: LockedPayment) -> None:
    """A deposit that came in whole is not due again because a part of it went back in between."""
    invoice, payment = at.invoice, at.payment
    whole = payment.received - payment.fee >= invoice.total
    if at.funds and invoice.status in PAYABLE and whole:
        invoice.put(status=InvoiceStatus.REFUNDED.value)


# ------------------------------------------------------------------------------- telling


async def _tell(at: LockedPayment, told: GatewayEvent, was: str) -> None:
    invoice, payment = at.invoice, at.payment
    facts = [
        outbox.Fact(
            f"payment.{told.kind.value.lower()}",
            payment.account_id,
            payment.id,
            {"invoice": invoice.public_id, "status": payment.status},
        ),
        outbox.Fact(
            "invoice.updated" if invoice.status == was else f"invoice.{invoice.status.lower()}",
            invoice.account_id,
            invoice.id,
            {"number": invoice.number, "status": invoice.status},
        ),
    ]
    await outbox.record(facts)
