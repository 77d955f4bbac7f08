"""Captures: money that comes in, on the invoice and as credit; the credit part goes with it."""

from __future__ import annotations

from models.credit import spending
from models.credit.hold import holds_of
from models.invoices.invoice import Invoice
from models.ledger.chart import LedgerKind, Ref
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.posting import Leg, StatementLine
from models.ledger.transfer import MoveKind
from models.payments.locked import LockedPayment, cancel_waiting, reopen
from models.provider.provider import provider
from models.status import PAYABLE, InvoiceStatus, PaymentStatus


def receive(at: LockedPayment, amount: int) -> None:
    """Money came in: at once and whole, however much was expected."""
    payment = at.payment
    if payment.status != PaymentStatus.SUCCEEDED:
        payment.put(
            status=PaymentStatus.SUCCEEDED.value,
            failure=None,
            completed_at=at.book.journal.at,
            next_check_at=None,
            lease_at=None,
        )
    payment.put(received=payment.received + amount)
    book_in(at, amount, reinstated=False)
    _spend_credit_part(at)
    close_if_paid(at)


def book_in(at: LockedPayment, amount: int, *, reinstated: bool) -> None:
    """Book `amount` that came in, or came back: the fee, what is due, and the excess."""
    payment, invoice, book = at.payment, at.invoice, at.book
    fee = min(amount, payment.fee - payment.fee_taken)
    due = invoice.amount_due if _takes_money(invoice) else 0
    applied = min(amount - fee, due)
    excess = amount - fee - applied
    move(at, MoveKind.FEE, clearing(at), book.provider_account(LedgerKind.FEE_INCOME), fee)
    if not at.funds:
        move(at, MoveKind.SALE, clearing(at), book.provider_account(LedgerKind.SALES), applied)
    if reinstated:
        _reinstate(at, excess + (applied if at.funds else 0))
    else:
        _deposit(at, applied if at.funds else 0, StatementLineKind.DEPOSIT)
        _deposit(at, excess, StatementLineKind.OVERPAYMENT)
    if applied:
        invoice.put(amount_paid=invoice.amount_paid + applied)
    payment.put(
        fee_taken=payment.fee_taken + fee,
        applied=payment.applied + applied,
        excess=payment.excess + excess,
    )


def clearing(at: LockedPayment) -> Ref:
    """What is under way between the gateway and the provider."""
    return at.book.provider_account(LedgerKind.CLEARING, at.payment.gateway)


def move(at: LockedPayment, kind: MoveKind, source: Ref, target: Ref, amount: int) -> None:
    """Move `amount` without a line of the statement, if it is any."""
    if amount:
        legs = [Leg(source, target, amount)]
        at.book.post(kind, legs, source=at.source, payment_id=at.payment.id)


def _takes_money(invoice: Invoice) -> bool:
    """A deposit that was taken back can come back; else only what is still to be paid."""
    return invoice.status in PAYABLE or invoice.status == InvoiceStatus.REFUNDED


def _deposit(at: LockedPayment, amount: int, kind: StatementLineKind) -> None:
    """Credit `amount`; a debt is repaid first, on a line of its own."""
    book = at.book
    repaid = min(amount, book.debt)
    if repaid:
        line = statement_line(at, StatementLineKind.DEBT_REPAID, f"{at.source}:{kind.value}")
        book.post(line, [Leg(clearing(at), book.owed, repaid)])
    if amount > repaid:
        book.post(statement_line(at, kind), [Leg(clearing(at), book.deposited, amount - repaid)])


def _reinstate(at: LockedPayment, amount: int) -> None:
    """The mirror of `_take_credit`: what is still owed first, the rest is credit again."""
    if amount:
        legs = [Leg(clearing(at), at.book.deposited, amount)]
        at.book.post(statement_line(at, StatementLineKind.DEPOSIT_REINSTATED), legs)


def statement_line(at: LockedPayment, kind: StatementLineKind, source: str = "") -> StatementLine:
    """A line of the statement about this payment."""
    refundable = provider().policy.refundable_in_cash and kind in (
        StatementLineKind.DEPOSIT,
        StatementLineKind.OVERPAYMENT,
    )
    return StatementLine(
        kind,
        source or at.source,
        note=at.invoice.number,
        refundable=refundable,
        invoice_id=at.invoice.id,
        payment_id=at.payment.id,
    )


def _spend_credit_part(at: LockedPayment) -> None:
    """The credit half of a split: what is held is spent; after its release, what is available
    then.
    """
    invoice, payment, book = at.invoice, at.payment, at.book
    if at.funds or not payment.credit_part:
        return
    due = invoice.amount_due if invoice.status in PAYABLE else 0
    line = StatementLine(
        StatementLineKind.INVOICE_PAYMENT,
        payment.id.hex,
        note=invoice.number,
        invoice_id=invoice.id,
        payment_id=payment.id,
    )
    spent = holds_of(book).spend(payment.id, due, line)
    # A dispute of this very payment would have found the credit spent, had the capture come first.
    own_disputes = int(payment.disputed)
    if not spent and due and not book.is_stopped(but_disputes=own_disputes):
        spent = min(due, payment.credit_part, book.available)
        if spent:
            spending.spend(book, spent, line)
    if spent:
        invoice.put(
            credit_applied=invoice.credit_applied + spent, amount_paid=invoice.amount_paid + spent
        )
    payment.put(credit_part=0)


def close_if_paid(at: LockedPayment) -> None:
    """The invoice is paid where nothing is due any more, and else waits for money again."""
    invoice = at.invoice
    if not _takes_money(invoice):
        return
    if invoice.amount_due == 0:
        invoice.put(status=InvoiceStatus.PAID.value, paid_at=at.book.journal.at)
        cancel_waiting(at.others)
    elif invoice.status == InvoiceStatus.PROCESSING:
        reopen(at)
