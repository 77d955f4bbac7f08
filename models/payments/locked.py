"""A payment's case: what is opened to change a payment, its invoice and its account together."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from models.clock import now
from models.credit import spending
from models.invoices.invoice import Invoice, InvoiceKind, InvoiceStatus
from models.ledger.book import Book
from models.payments.payment import Payment, PaymentStatus, open_of


@dataclass(slots=True)
class Case:
    """A payment with its invoice and its account's book, while an event is applied to them."""

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


async def close(case: Case, status: PaymentStatus, failure: str | None = None) -> None:
    """End a payment that brought nothing; what was held for it is free again."""
    case.payment.put(
        status=status.value,
        failure=failure,
        completed_at=now(),
        next_check_at=None,
        lease_at=None,
    )
    await spending.release(case.book, case.payment.id)
    case.book.touch()  # what was pending is not any more
    if case.invoice.status == InvoiceStatus.PROCESSING:
        await reopen(case)
    await case.write()


async def reopen(case: Case) -> None:
    """The invoice waits for money again, unless another payment of it is under way."""
    others = [other for other in await open_of(case.invoice.id) if other.id != case.payment.id]
    if not any(other.status == PaymentStatus.PROCESSING for other in others):
        case.invoice.put(status=InvoiceStatus.UNPAID.value)


async def cancel_others(invoice: Invoice, book: Book, payment_id: UUID | None = None) -> None:
    """The invoice is paid: payments that wait for the client have nothing left to pay."""
    for other in await open_of(invoice.id):
        if other.id != payment_id and other.status != PaymentStatus.PROCESSING:
            await supersede(Case(other, invoice, book, other.id.hex))


async def supersede(case: Case) -> None:
    """End a payment that something else has taken the place of; the worker tells its gateway."""
    await close(case, PaymentStatus.CANCELED)
    await case.payment.change(next_check_at=now())
