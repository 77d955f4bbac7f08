"""The one way to hold a payment: with its invoice and its account's book, read under the lock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from models.clock import now
from models.credit import spending
from models.invoices.invoice import Invoice, InvoiceKind, InvoiceStatus
from models.invoices.invoice import read as read_invoice
from models.ledger.book import Book, book
from models.payments.payment import Payment, PaymentStatus, open_of
from models.payments.payment import read as read_payment


@dataclass(slots=True)
class LockedPayment:
    """A payment with its invoice and its account's book, as they are under the lock."""

    payment: Payment
    invoice: Invoice
    book: Book
    source: str
    """What the statement lines of this event are about: the settlement's id."""

    async def write(self) -> None:
        """Write what has changed of the payment and its invoice."""
        await self.payment.write()
        await self.invoice.write()

    @property
    def funds(self) -> bool:
        """Whether the invoice is a deposit."""
        return self.invoice.kind == InvoiceKind.FUNDS

    @property
    def credit(self) -> int:
        """What of the payment's money is credit, or has been spent as such; minor units."""
        payment = self.payment
        there: int = payment.excess + (payment.applied if self.funds else 0)
        return there


@asynccontextmanager
async def locked(found: Payment, source: str = "") -> AsyncIterator[LockedPayment]:
    """Hold a payment, inside a transaction: nobody else changes it, its invoice or its account's
    balance meanwhile, and what decides is read now. `found` says which; what it knew may be old.

    `source` is what statement lines are about: the payment itself, where nothing else is named.
    """
    async with book(found.account_id, found.currency) as opened:
        payment, invoice = await with_invoice(found.id)
        yield LockedPayment(payment, invoice, opened, source or payment.id.hex)


async def with_invoice(payment_id: UUID) -> tuple[Payment, Invoice]:
    """A payment that is there, and its invoice, as they are now."""
    payment = await read_payment(payment_id)
    assert payment is not None
    invoice = await read_invoice(payment.invoice_id)
    assert invoice is not None
    return payment, invoice


async def close(at: LockedPayment, status: PaymentStatus, failure: str | None = None) -> None:
    """End a payment that brought nothing; what was held for it is free again."""
    at.payment.put(
        status=status.value,
        failure=failure,
        completed_at=now(),
        next_check_at=None,
        lease_at=None,
    )
    await spending.release(at.book, at.payment.id)
    at.book.touch()  # what was pending is not any more
    if at.invoice.status == InvoiceStatus.PROCESSING:
        await reopen(at)
    await at.write()


async def reopen(at: LockedPayment) -> None:
    """The invoice waits for money again, unless another payment of it is under way."""
    others = [other for other in await open_of(at.invoice.id) if other.id != at.payment.id]
    if not any(other.status == PaymentStatus.PROCESSING for other in others):
        at.invoice.put(status=InvoiceStatus.UNPAID.value)


async def cancel_others(invoice: Invoice, book: Book, payment_id: UUID | None = None) -> None:
    """The invoice is paid: payments that wait for the client have nothing left to pay."""
    for other in await open_of(invoice.id):
        if other.id != payment_id and other.status != PaymentStatus.PROCESSING:
            await supersede(LockedPayment(other, invoice, book, other.id.hex))


async def supersede(at: LockedPayment) -> None:
    """End a payment that something else has taken the place of; the worker tells its gateway."""
    await close(at, PaymentStatus.CANCELED)
    await at.payment.change(next_check_at=now())
