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
from models.payments.locked import Case, cancel_others, close, reopen
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


async def advance(case: Case, told: GatewayEvent) -> None:
    """Apply one event: the payment's state, the ledger, the invoice, and what became true.

    Inside a transaction, with the book open: the payment and invoice were read under its lock.
    """
    was = case.invoice.status
    is_news = await (_settle if told.kind in MONEY_KINDS else _move_on)(case, told)
    case.payment.put(heard_at=now())
    await case.write()
    if is_news:
        await _tell(case, told, was)


# ------------------------------------------------------------------------------- states


async def _move_on(case: Case, told: GatewayEvent) -> bool:
    """What moves no money: forwards only; whether it has moved."""
    payment = case.payment
    match told.kind:
        case EventKind.DECLINED if payment.status in _WAITING:
            payment.put(failure=told.failure or "declined")
        case EventKind.PROCESSING if payment.status in _WAITING:
            payment.put(status=PaymentStatus.PROCESSING.value, failure=None)
            if case.invoice.status == InvoiceStatus.UNPAID:
                case.invoice.put(status=InvoiceStatus.PROCESSING.value)
        case EventKind.APPROVED if payment.is_open:
            payment.put(next_check_at=now())
        case EventKind.FAILED if payment.is_open:
            await close(case, PaymentStatus.FAILED, told.failure or "declined")
        case EventKind.CANCELED if payment.is_open:
            await close(case, PaymentStatus.CANCELED)
        case EventKind.EXPIRED if payment.is_open:
            await close(case, PaymentStatus.EXPIRED)
        case EventKind.REFUND_PENDING:
            return await refund.settle(case, told) is not None
        case _:
            return False
    return True


# ------------------------------------------------------------------------------- money


async def _settle(case: Case, told: GatewayEvent) -> bool:
    """What moves money, each once; whether it had not been told before."""
    assert told.amount is not None
    known = await sql.records(
        Settlement, "SELECT * FROM settlement WHERE payment_id = $1", case.payment.id
    )
    settlement = Settlement(
        id=new_id(),
        created_at=now(),
        gateway=case.payment.gateway,
        kind=CONFIRMED if _confirms(told, known, case.payment.public_id) else told.kind.value,
        reference=told.reference,
        payment_id=case.payment.id,
        amount=told.amount.minor,
    )
    if not await sql.insert("settlement", [sql.row_of(settlement)], ignore_conflicts=True):
        return await _named_later(case, told)
    if settlement.kind == CONFIRMED:
        return False
    known.append(settlement)
    case.source = settlement.id.hex
    ours = await refund.settle(case, told)
    captured = sum(one.amount for one in known if one.kind == EventKind.CAPTURED)
    had_received = case.payment.received > 0
    await _set_disputed(case, known)
    if captured > case.payment.received:
        await _receive(case, captured - case.payment.received)
    await _take_back_to(case, min(captured, _returned(known)), ours)
    if had_received:
        await refund.secure(case)
    _refund_if_paid_once(case)
    return True


async def _named_later(case: Case, told: GatewayEvent) -> bool:
    """A refund that is booked already may turn out to be one of ours; whether it does."""
    booked_on = await payment_of(case.payment.gateway, told.kind, told.reference)
    return booked_on == case.payment.id and await refund.settle(case, told) is not None


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


async def _set_disputed(case: Case, known: list[Settlement]) -> None:
    """An open dispute stops spending until it is settled; all of the account's books are locked."""
    opened = {one.reference for one in known if one.kind == EventKind.DISPUTED}
    ended = {
        one.reference
        for one in known
        if one.kind in (EventKind.DISPUTE_WON, EventKind.DISPUTE_LOST)
    }
    disputed = bool(opened - ended)
    if disputed != case.payment.disputed:
        case.payment.put(disputed=disputed)
        change = 1 if disputed else -1
        case.book.open_disputes += change
        await sql.execute(
            "UPDATE account SET open_disputes = open_disputes + $2 WHERE id = $1",
            case.payment.account_id,
            change,
        )


async def _receive(case: Case, amount: int) -> None:
    """Money came in: at once and whole, however much was expected."""
    payment = case.payment
    if payment.status != PaymentStatus.SUCCEEDED:
        payment.put(
            status=PaymentStatus.SUCCEEDED.value,
            failure=None,
            completed_at=now(),
            next_check_at=None,
            lease_at=None,
        )
    payment.put(received=payment.received + amount)
    await _book_in(case, amount, reinstated=False)
    await _spend_credit_part(case)
    await _close_if_paid(case)


async def _book_in(case: Case, amount: int, *, reinstated: bool) -> None:
    payment, invoice, book = case.payment, case.invoice, case.book
    fee = min(amount, payment.fee - payment.fee_taken)
    due = invoice.amount_due if _takes_money(invoice) else 0
    applied = min(amount - fee, due)
    excess = amount - fee - applied
    _move(case, MoveKind.FEE, _clearing(case), book.house(LedgerKind.FEE_INCOME), fee)
    if not case.funds:
        _move(case, MoveKind.SALE, _clearing(case), book.house(LedgerKind.SALES), applied)
    if reinstated:
        _reinstate(case, excess + (applied if case.funds else 0))
    else:
        _deposit(case, applied if case.funds else 0, LineKind.DEPOSIT)
        _deposit(case, excess, LineKind.OVERPAYMENT)
    if applied:
        invoice.put(amount_paid=invoice.amount_paid + applied)
    payment.put(
        fee_taken=payment.fee_taken + fee,
        applied=payment.applied + applied,
        excess=payment.excess + excess,
    )


def _clearing(case: Case) -> Ref:
    return case.book.house(LedgerKind.CLEARING, case.payment.gateway)


def _move(case: Case, kind: MoveKind, source: Ref, target: Ref, amount: int) -> None:
    if amount:
        legs = [Leg(source, target, amount)]
        case.book.post(kind, legs, source=case.source, payment_id=case.payment.id)


def _takes_money(invoice: Invoice) -> bool:
    """A deposit that was taken back can come back; else only what is still to be paid."""
    return invoice.status in PAYABLE or invoice.status == InvoiceStatus.REFUNDED


def _deposit(case: Case, amount: int, kind: LineKind) -> None:
    """Credit `amount`; a debt is repaid first, on a line of its own."""
    book = case.book
    repaid = min(amount, book.debt)
    if repaid:
        line = _line(case, LineKind.DEBT_REPAID, f"{case.source}:{kind.value}")
        book.post(line, [Leg(_clearing(case), book.owed, repaid)])
    if amount > repaid:
        book.post(_line(case, kind), [Leg(_clearing(case), book.deposited, amount - repaid)])


def _reinstate(case: Case, amount: int) -> None:
    """The mirror of `_take_credit`: what is still owed first, the rest is credit again."""
    if amount:
        legs = [Leg(_clearing(case), case.book.deposited, amount)]
        case.book.post(_line(case, LineKind.DEPOSIT_REINSTATED), legs)


def _line(case: Case, kind: LineKind, source: str = "") -> Line:
    refundable = house().policy.refundable_in_cash and kind in (
        LineKind.DEPOSIT,
        LineKind.OVERPAYMENT,
    )
    return Line(
        kind,
        source or case.source,
        note=case.invoice.number,
        refundable=refundable,
        invoice_id=case.invoice.id,
        payment_id=case.payment.id,
    )


async def _spend_credit_part(case: Case) -> None:
    """The credit half of a split: what is held is spent; after its release, what is available
    then.
    """
    invoice, payment, book = case.invoice, case.payment, case.book
    if case.funds or not payment.credit_part:
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
    if not spent and due and not _stopped(case):
        spent = min(due, payment.credit_part, book.available)
        if spent:
            spending.spend(book, spent, line)
    if spent:
        invoice.put(
            credit_applied=invoice.credit_applied + spent, amount_paid=invoice.amount_paid + spent
        )
    payment.put(credit_part=0)


def _stopped(case: Case) -> bool:
    # A dispute of this very payment would have found the credit spent, had the capture come first.
    others = case.book.open_disputes - case.payment.disputed
    return case.book.frozen or others > 0 or case.book.debt > 0


async def _close_if_paid(case: Case) -> None:
    invoice = case.invoice
    if not _takes_money(invoice):
        return
    if invoice.amount_due == 0:
        invoice.put(status=InvoiceStatus.PAID.value, paid_at=now())
        await cancel_others(invoice, case.book, case.payment.id)
    elif invoice.status == InvoiceStatus.PROCESSING:
        await reopen(case)


# ------------------------------------------------------------------------------- taking back


async def _take_back_to(case: Case, target: int, ours: Refund | None) -> None:
    """Bring what was taken back to `target`: more is reversed, less is reinstated."""
    payment = case.payment
    change = target - payment.taken_back
    if change > 0:
        await _reverse(case, change, ours)
    elif change < 0:
        payment.put(taken_back=target)
        await _book_in(case, -change, reinstated=True)
        await _close_if_paid(case)


async def _reverse(case: Case, amount: int, ours: Refund | None) -> None:
    """The gateway takes money back; a refund of `ours` from where it was promised from."""
    payment, book = case.payment, case.book
    excess, applied, fee = _shares(case, amount, ours)
    from_credit = excess + (applied if case.funds else 0)
    await refund.loosen(case, from_credit)
    _take_credit(case, from_credit)
    if not case.funds:
        sales = book.house(LedgerKind.SALES)
        _move(case, MoveKind.SALE_REVERSED, sales, _clearing(case), applied)
    income = book.house(LedgerKind.FEE_INCOME)
    _move(case, MoveKind.FEE_REVERSED, income, _clearing(case), fee)
    payment.put(
        taken_back=payment.taken_back + amount,
        excess=payment.excess - excess,
        applied=payment.applied - applied,
        fee_taken=payment.fee_taken - fee,
    )
    if applied:
        await _unpay(case, applied)


def _shares(case: Case, amount: int, ours: Refund | None) -> tuple[int, int, int]:
    """What goes back of (excess, applied, fee): in this order; but what was not held for a refund
    of an order was promised from what the invoice had, then the fee. Excess that came in since may
    be spent by now.
    """
    payment = case.payment
    promised = 0 if ours is None or case.funds else min(amount, ours.amount - ours.held)
    applied = min(promised, payment.applied)
    fee = min(promised - applied, payment.fee_taken)
    excess = min(amount - applied - fee, payment.excess)
    applied += min(amount - applied - fee - excess, payment.applied - applied)
    return excess, applied, amount - excess - applied


def _take_credit(case: Case, amount: int) -> None:
    """From the deposits; what has been spent of it is a debt now."""
    if not amount:
        return
    book = case.book
    there = min(amount, book.deposits)
    legs = [Leg(book.deposited, _clearing(case), there)] if there else []
    if amount > there:
        legs.append(Leg(book.owed, _clearing(case), amount - there))
    book.post(_line(case, LineKind.DEPOSIT_REVERSED), legs)


async def _unpay(case: Case, amount: int) -> None:
    invoice = case.invoice
    paid = invoice.amount_paid - amount
    if invoice.status not in (InvoiceStatus.PAID, InvoiceStatus.REFUNDED):
        invoice.put(amount_paid=paid)
    elif case.funds:
        invoice.put(amount_paid=paid, status=InvoiceStatus.REFUNDED.value)
    else:
        invoice.put(amount_paid=paid, status=InvoiceStatus.UNPAID.value, paid_at=None)


def _refund_if_paid_once(case: Case) -> None:
    """A deposit that came in whole is not due again because a part of it went back in between."""
    invoice, payment = case.invoice, case.payment
    whole = payment.received - payment.fee >= invoice.total
    if case.funds and invoice.status in PAYABLE and whole:
        invoice.put(status=InvoiceStatus.REFUNDED.value)


# ------------------------------------------------------------------------------- telling


async def _tell(case: Case, told: GatewayEvent, was: str) -> None:
    invoice, payment = case.invoice, case.payment
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
