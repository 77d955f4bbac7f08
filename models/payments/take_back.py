"""Money that a gateway takes back: a refund or a dispute, and what is reinstated after one."""

from __future__ import annotations

from models.ledger.chart import LedgerKind
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.posting import Leg
from models.ledger.transfer import MoveKind
from models.payments.capture import book_in, clearing, close_if_paid, move, statement_line
from models.payments.locked import LockedPayment, Share
from models.payments.refund import Refund, loosen
from models.status import PAYABLE, InvoiceStatus


def take_back_to(at: LockedPayment, target: int, ours: Refund | None) -> None:
    """Bring what was taken back to `target`: more is reversed, less is reinstated."""
    payment = at.payment
    change = target - payment.taken_back
    if change > 0:
        _reverse(at, change, ours)
    elif change < 0:
        payment.put(taken_back=target)
        book_in(at, -change, reinstated=True)
        close_if_paid(at)


def _reverse(at: LockedPayment, amount: int, ours: Refund | None) -> None:
    """The gateway takes money back; a refund of `ours` from where it was promised from."""
    payment, book = at.payment, at.book
    excess, applied, fee = _shares(at, amount, ours)
    from_credit = excess + (applied if at.funds else 0)
    loosen(at, from_credit)
    _take_credit(at, from_credit)
    parts = _emptied(at, applied, ours)
    if not at.funds:
        sales = book.provider_account(LedgerKind.SALES)
        for share, part in parts:
            move(at, MoveKind.SALE_REVERSED, sales, clearing(at), part, share)
    income = book.provider_account(LedgerKind.FEE_INCOME)
    move(at, MoveKind.FEE_REVERSED, income, clearing(at), fee)
    payment.put(
        taken_back=payment.taken_back + amount,
        excess=payment.excess - excess,
        applied=payment.applied - applied,
        fee_taken=payment.fee_taken - fee,
    )
    for share, part in parts:
        if part:
            _unpay(share, part, is_funds=at.funds)


def _emptied(at: LockedPayment, amount: int, ours: Refund | None) -> list[tuple[Share, int]]:
    """Which invoices `amount` is missing on now: the one that the refund is of first, then the one
    that was paid last.
    """
    of = None if ours is None else ours.invoice_id
    last_first = at.shares[::-1]
    last_first.sort(key=lambda share: share.invoice.id != of)
    parts = []
    for share in last_first:
        allocation = share.allocation
        there = at.payment.applied if allocation is None else allocation.applied
        part = min(amount, there)
        amount -= part
        parts.append((share, part))
    return parts


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
    legs = [Leg(book.deposited, clearing(at), there)] if there else []
    if amount > there:
        legs.append(Leg(book.owed, clearing(at), amount - there))
    book.post(statement_line(at, StatementLineKind.DEPOSIT_REVERSED), legs)


def _unpay(share: Share, amount: int, *, is_funds: bool) -> None:
    invoice = share.invoice
    share.pay(-amount)
    if invoice.status not in (InvoiceStatus.PAID, InvoiceStatus.REFUNDED):
        return
    if is_funds:
        invoice.put(status=InvoiceStatus.REFUNDED.value)
    else:
        invoice.put(status=InvoiceStatus.UNPAID.value, paid_at=None)


def refund_if_paid_once(at: LockedPayment) -> None:
    """A deposit that came in whole is not due again because a part of it went back in between."""
    invoice, payment = at.invoice, at.payment
    whole = payment.received - payment.fee >= invoice.total
    if at.funds and invoice.status in PAYABLE and whole:
        invoice.put(status=InvoiceStatus.REFUNDED.value)
