"""The one way to hold a payment with its invoice, or an invoice with its payments: with the book of
their account, read under the lock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from typing_extensions import override

from models.credit.hold import holds_of
from models.db import sql
from models.db.together import find_one
from models.invoices.invoice import Invoice, InvoiceKind, made_invoice
from models.journal.command import Step
from models.journal.journal import Journal
from models.ledger.book import Book
from models.ledger.opening import open_book
from models.payments.payment import Payment, of_invoices, with_open_ones
from models.payments.payment import read as read_payment
from models.payments.refund import Refund
from models.payments.refund import of_payments as refunds_of
from models.payments.settlement import Settlement
from models.status import InvoiceStatus, PaymentStatus, RefundStatus

A = TypeVar("A")


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

    @property
    def others(self) -> list[LockedPayment]:
        """The other payments of the invoice that have begun and not ended."""
        every = open_of(self.invoice, self.book, self.open)
        return [one for one in every if one.payment is not self.payment]


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
    payments = [journal.watch(row) for row in there]
    invoice = journal.watch(await made_invoice(found.invoice_id))
    payment = next((one for one in payments if one.id == found.id), None) or sql.copy_of(found)
    refunds = (await find_one(refunds_of, payment.id) or []) if payment.received else []
    at = LockedPayment(payment, invoice, book, source or payment.id.hex, payments)
    at.refunds = [journal.watch(one) for one in refunds]
    holders = [one.id for one in payments if one.credit_part]
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
    payments = [journal.watch(row) for row in there]
    await holds_of(book).load([one.id for one in payments if one.credit_part and one.is_open])
    return LockedInvoice(invoice, book, payments)


@dataclass(frozen=True, slots=True)
class PaymentStep(Step[LockedPayment, A]):
    """What follows by itself for one payment, which is locked."""

    payment: Payment

    @property
    @override
    def resource(self) -> Hashable:
        return ("invoice", self.payment.invoice_id)

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
    if at.invoice.status == InvoiceStatus.PROCESSING:
        reopen(at)


def reopen(at: LockedPayment) -> None:
    """The invoice waits for money again, unless another payment of it is under way."""
    if not any(one.payment.status == PaymentStatus.PROCESSING for one in at.others):
        at.invoice.put(status=InvoiceStatus.UNPAID.value)


def cancel_waiting(payments: Iterable[LockedPayment]) -> None:
    """The invoice is paid: payments that wait for the client have nothing left to pay."""
    for one in payments:
        if one.payment.status != PaymentStatus.PROCESSING:
            supersede(one)


def supersede(at: LockedPayment) -> None:
    """End a payment that something else has taken the place of; the worker tells its gateway."""
    close(at, PaymentStatus.CANCELED)
    at.payment.put(next_check_at=at.book.journal.at)
