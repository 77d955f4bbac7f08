"""The one way to hold a payment with its invoice, or an invoice with its payments: with the book of
their account, read under the lock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from typing_extensions import override

from models.credit.hold import holds_of
from models.db import sql
from models.db.together import find_one, find_some
from models.invoices.allocation import Allocation
from models.invoices.invoice import Invoice, InvoiceKind, by_ids, made_invoice
from models.journal.command import Step
from models.journal.journal import Journal
from models.journal.topics import topic_of_invoice
from models.ledger.book import Book
from models.ledger.opening import open_book
from models.payments.payment import Payment, of_invoices, with_open_ones
from models.payments.payment import read as read_payment
from models.payments.refund import Refund
from models.payments.refund import of_payments as refunds_of
from models.payments.settlement import Settlement
from models.status import PAYABLE, InvoiceStatus, PaymentStatus, RefundStatus

A = TypeVar("A")


@dataclass(slots=True)
class Share:
    """One invoice of a payment, with the payments of it that had begun and not ended."""

    invoice: Invoice
    open: list[Payment]
    allocation: Allocation | None = None
    "Of a payment for several invoices."

    @property
    def suffix(self) -> str:
        """What tells its part of a movement of money from the others'."""
        return "" if self.allocation is None else f":{self.allocation.place}"

    @property
    def takes_money(self) -> bool:
        """A deposit that was taken back can come back; else only what is still to be paid."""
        return self.invoice.status in PAYABLE or self.invoice.status == InvoiceStatus.REFUNDED

    @property
    def due(self) -> int:
        """What it takes of money that comes in; minor units."""
        return self.invoice.amount_due if self.takes_money else 0

    def is_alone(self, payment: Payment) -> bool:
        """Whether no other payment of the invoice is under way."""
        others = (one for one in self.open if one.id != payment.id)
        return not any(one.status == PaymentStatus.PROCESSING for one in others)

    def pay(self, change: int) -> None:
        """Money of the payment counts on the invoice, or where it is negative does no longer."""
        invoice = self.invoice
        if change:
            invoice.put(amount_paid=invoice.amount_paid + change)
        if change and self.allocation is not None:
            self.allocation.put(applied=self.allocation.applied + change)


@dataclass(slots=True)
class LockedPayment:
    """A payment with its invoice and its account's book, as they are under the lock."""

    payment: Payment
    invoice: Invoice
    book: Book
    source: str
    """What the statement lines of this event are about: the settlement's id."""
    open: list[Payment]
    """The payments of the invoice that had begun and not ended."""
    refunds: list[Refund] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    """Its own, and whatever has the name of what is to be settled."""
    several: list[Share] = field(default_factory=list)
    """Its invoices, in the order in which they are paid, where there are several."""

    @property
    def shares(self) -> list[Share]:
        """Its invoices, in the order in which they are paid."""
        return self.several or [Share(self.invoice, self.open)]

    @property
    def funds(self) -> bool:
        """Whether the invoice is a deposit."""
        return self.invoice.kind == InvoiceKind.FUNDS

    @property
    def became_credit(self) -> int:
        """What of the payment's money is credit, or has been spent as such; minor units."""
        payment = self.payment
        there: int = payment.excess + (payment.applied if self.funds else 0)
        return there

    @property
    def pending_refunds(self) -> list[Refund]:
        """Its refunds whose end is not known, oldest first."""
        return [one for one in self.refunds if one.status == RefundStatus.PENDING]

    def others(self, share: Share) -> list[LockedPayment]:
        """The other payments of one of its invoices that have begun and not ended."""
        every = open_of(share.invoice, self.book, share.open)
        return [one for one in every if one.payment is not self.payment]

    def ring(self) -> None:
        """Whoever watches its invoices looks again."""
        self.book.journal.ring(*map(topic_of_invoice, self.payment.invoice_ids))


@dataclass(frozen=True, slots=True)
class LockedInvoice:
    """An invoice with all of its payments and its account's book, as they are under the lock."""

    invoice: Invoice
    book: Book
    payments: list[Payment]

    @property
    def open(self) -> list[LockedPayment]:
        """Its payments that have begun and not ended."""
        return open_of(self.invoice, self.book, self.payments)


def open_of(invoice: Invoice, book: Book, payments: Iterable[Payment]) -> list[LockedPayment]:
    """Those of an invoice's payments that have begun and not ended."""
    begun = [one for one in payments if one.is_open]
    return [LockedPayment(one, invoice, book, one.id.hex, begun) for one in begun]


async def locked(journal: Journal, found: Payment, source: str = "") -> LockedPayment:
    """Hold a payment until the transaction ends: nobody else changes it, its invoice or its
    account's balance meanwhile, and what decides is read now. `found` says which; what it knew may
    be old, and it may have not been written down.

    `source` is what statement lines are about: the payment itself, where nothing else is named.
    """
    book = await open_book(journal, found.account_id, found.currency)
    there = await find_one(with_open_ones, (found.invoice_id, found.id)) or []
    payments = [_watched(journal, row) for row in there]
    invoice = journal.watch(await made_invoice(found.invoice_id))
    payment = next((one for one in payments if one.id == found.id), None) or sql.copy_of(found)
    refunds = (await find_one(refunds_of, payment.id) or []) if payment.received else []
    at = LockedPayment(payment, invoice, book, source or payment.id.hex, payments)
    at.refunds = [journal.watch(one) for one in refunds]
    if payment.several:
        at.several = await _shares(journal, payment)
    every = [*payments, *(one for share in at.several for one in share.open)]
    holders = [one.id for one in every if one.credit_part]
    await holds_of(book).load([*holders, *(one.id for one in at.pending_refunds)])
    return at


async def locked_invoice(
    journal: Journal, found: Invoice, *, has_payments: bool = True, optimistic: bool = False
) -> LockedInvoice:
    """Hold an invoice and all of its payments until the transaction ends. `found` says which.

    `optimistic` saves reading it again: where it has changed meanwhile, that is noticed when it is
    written or refused, and everything is decided again. Not where a statement line is named after
    the invoice: it would meet the line of whoever was first, which is UNIQUE.
    """
    book = await open_book(journal, found.account_id, found.currency)
    invoice = found if optimistic else await made_invoice(found.id)
    invoice = journal.watch(invoice, unlocked=optimistic)
    there = (await find_one(of_invoices, found.id) or []) if has_payments else []
    payments = [_watched(journal, row) for row in there]
    await holds_of(book).load([one.id for one in payments if one.credit_part and one.is_open])
    return LockedInvoice(invoice, book, payments)


async def locked_invoices(journal: Journal, found: Sequence[Invoice]) -> list[LockedInvoice]:
    """As `locked_invoice`, of several invoices of one account and currency, in their order."""
    book = await open_book(journal, found[0].account_id, found[0].currency)
    ids = [one.id for one in found]
    invoices, payments = await find_some(by_ids, ids), await find_some(of_invoices, ids)
    every = []
    for id in ids:
        its = [_watched(journal, row) for row in payments.get(id, ())]
        every.append(LockedInvoice(journal.watch(invoices[id]), book, its))
    held = (one.id for bill in every for one in bill.payments if one.credit_part and one.is_open)
    await holds_of(book).load(held)
    return every


def _watched(journal: Journal, found: Payment) -> Payment:
    payment = journal.watch(found)
    for allocation in payment.allocations:
        journal.watch(allocation)
    return payment


async def _shares(journal: Journal, payment: Payment) -> list[Share]:
    ids = payment.invoice_ids
    invoices, payments = await find_some(by_ids, ids), await find_some(of_invoices, ids)
    shares = []
    for one in payment.allocations:
        there = [_watched(journal, each) for each in payments[one.invoice_id]]
        begun = [each for each in there if each.is_open]
        shares.append(Share(journal.watch(invoices[one.invoice_id]), begun, one))
    return shares


@dataclass(frozen=True, slots=True)
class PaymentStep(Step[LockedPayment, A]):
    """What follows by itself for one payment, which is locked."""

    payment: Payment

    @property
    @override
    def resource(self) -> Hashable:
        return self.payment.resource

    @override
    async def read(self, journal: Journal) -> LockedPayment:
        return await locked(journal, self.payment)


async def with_invoice(payment_id: UUID) -> tuple[Payment, Invoice]:
    """A payment that is there, and its invoice, as they are now."""
    payment = await read_payment(payment_id)
    assert payment is not None
    return payment, await made_invoice(payment.invoice_id)


def close(at: LockedPayment, status: PaymentStatus, failure: str | None = None) -> None:
    """End a payment that brought nothing; what was held for it is free again."""
    at.payment.put(
        status=status.value,
        failure=failure,
        completed_at=at.book.journal.at,
        next_check_at=None,
        lease_at=None,
    )
    if at.payment.credit_part:
        holds_of(at.book).release(at.payment.id)
    at.book.touch()  # what was pending is not any more
    for share in at.shares:
        reopen(at, share)
    if at.payment.several:
        at.ring()


def reopen(at: LockedPayment, share: Share) -> None:
    """An invoice waits for money again, unless another payment of it is under way."""
    if share.invoice.status == InvoiceStatus.PROCESSING and share.is_alone(at.payment):
        share.invoice.put(status=InvoiceStatus.UNPAID.value)


def cancel_waiting(payments: Iterable[LockedPayment]) -> None:
    """The invoice is paid: payments that wait for the client have nothing left to pay."""
    for one in payments:
        if one.payment.status != PaymentStatus.PROCESSING:
            supersede(one)


def supersede(at: LockedPayment) -> None:
    """End a payment that something else has taken the place of; the worker tells its gateway."""
    close(at, PaymentStatus.CANCELED)
    at.payment.put(next_check_at=at.book.journal.at)
