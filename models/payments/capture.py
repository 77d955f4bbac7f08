"""Captures: money that comes in, on the invoice and as credit; the credit part goes with it."""

from __future__ import annotations

from collections.abc import Sequence

from models.credit import spending
from models.credit.hold import holds_of
from models.ledger.chart import LedgerKind, Ref
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.posting import Leg, StatementLine
from models.ledger.transfer import MoveKind
from models.payments.locked import LockedPayment, Share, cancel_waiting, reopen
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
    payment, book = at.payment, at.book
    fee = min(amount, payment.fee - payment.fee_taken)
    parts = _filled(at, amount - fee)
    applied = sum(parts)
    excess = amount - fee - applied
    move(at, MoveKind.FEE, clearing(at), book.provider_account(LedgerKind.FEE_INCOME), fee)
    if not at.funds:
        sales = book.provider_account(LedgerKind.SALES)
        for share, part in zip(at.shares, parts, strict=True):
            move(at, MoveKind.SALE, clearing(at), sales, part, share)
    if reinstated:
        _reinstate(at, excess + (applied if at.funds else 0))
    else:
        _deposit(at, applied if at.funds else 0, StatementLineKind.DEPOSIT)
        _deposit(at, excess, StatementLineKind.OVERPAYMENT)
    for share, part in zip(at.shares, parts, strict=True):
        share.pay(part)
    payment.put(
        fee_taken=payment.fee_taken + fee,
        applied=payment.applied + applied,
        excess=payment.excess + excess,
    )


def _filled(at: LockedPayment, amount: int) -> list[int]:
    """What each invoice gets of `amount`, in their order: what it was to get first, and of what is
    left then what is still due.
    """
    return fill(amount, [(_expected(share), share.due) for share in at.shares])


def _expected(share: Share) -> int:
    allocation = share.allocation
    if allocation is None:
        return share.due
    left: int = allocation.amount - allocation.applied
    return max(0, min(share.due, left))


def fill(amount: int, wanted: Sequence[tuple[int, int]]) -> list[int]:
    """`amount` shared out in order: to each as much as its first number, then up to its second."""
    parts = [0] * len(wanted)
    for bound in range(2):
        for n, most in enumerate(wanted):
            more = min(amount, most[bound] - parts[n])
            if more > 0:
                parts[n] += more
                amount -= more
    return parts


def clearing(at: LockedPayment) -> Ref:
    """What is under way between the gateway and the provider."""
    return at.book.provider_account(LedgerKind.CLEARING, at.payment.gateway)


def move(  # noqa: PLR0917 - all that a movement is
    at: LockedPayment,
    kind: MoveKind,
    source: Ref,
    target: Ref,
    amount: int,
    share: Share | None = None,
) -> None:
    """Move `amount` without a line of the statement, if it is any: once for each event, and of a
    payment for several for each invoice (`share`).
    """
    if amount:
        legs, suffix = [Leg(source, target, amount)], share.suffix if share else ""
        at.book.post(kind, legs, source=at.source + suffix, payment_id=at.payment.id)


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
    payment, book = at.payment, at.book
    if at.funds or not payment.credit_part:
        return
    parts = _credit_parts(at)
    spent = holds_of(book).spend(payment.id, parts)
    # A dispute of this very payment would have found the credit spent, had the capture come first.
    own_disputes = int(payment.disputed)
    if not any(spent) and not book.is_stopped(but_disputes=own_disputes):
        there = fill(min(payment.credit_part, book.available), [(due, due) for due, _ in parts])
        for amount, (_, line) in zip(there, parts, strict=True):
            if amount:
                spending.spend(book, amount, line)
        spent = there
    for share, amount in zip(at.shares, spent, strict=True):
        invoice = share.invoice
        if share.allocation is not None:
            share.allocation.put(credit_part=amount)
        if amount:
            invoice.put(
                credit_applied=invoice.credit_applied + amount,
                amount_paid=invoice.amount_paid + amount,
            )
    payment.put(credit_part=0)


def _credit_parts(at: LockedPayment) -> list[tuple[int, StatementLine]]:
    """How much credit each invoice can take, and its line of the statement."""
    payment = at.payment
    parts = []
    for share in at.shares:
        invoice = share.invoice
        line = StatementLine(
            StatementLineKind.INVOICE_PAYMENT,
            payment.id.hex + share.suffix,
            note=invoice.number,
            invoice_id=invoice.id,
            payment_id=payment.id,
        )
        parts.append((invoice.amount_due if invoice.status in PAYABLE else 0, line))
    return parts


def close_if_paid(at: LockedPayment) -> None:
    """An invoice is paid where nothing is due any more, and else waits for money again."""
    for share in at.shares:
        invoice = share.invoice
        if not share.takes_money:
            continue
        if invoice.amount_due == 0:
            invoice.put(status=InvoiceStatus.PAID.value, paid_at=at.book.journal.at)
            cancel_waiting(at.others(share))
        else:
            reopen(at, share)
