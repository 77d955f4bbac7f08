"""Voiding an invoice: credit returns to where it came from, captured money becomes credit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor
from models.credit import spending
from models.errors import InvoiceNotVoidable, NotFound, PaymentInProgress
from models.invoices.allocation import Allocation
from models.invoices.invoice import Invoice, InvoiceKind, visible
from models.invoices.number import give_number, series_of
from models.invoices.snapshot import zone_of
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.posting import StatementLine
from models.payments import refund
from models.payments.locked import LockedInvoice, locked_invoice
from models.payments.payment import Payment
from models.provider.day import day_of
from models.provider.provider import provider
from models.status import PAYABLE, InvoiceStatus
from models.text import clean_text


@dataclass(frozen=True, slots=True)
class Voidable:
    """What voiding is decided on: the invoice, whether a refund of one of its payments is under
    way, and where the credit that paid it came from.
    """

    at: LockedInvoice
    is_refunded: bool
    origins: Mapping[UUID, int]

    def check(self) -> None:
        """Raises PaymentInProgress and InvoiceNotVoidable."""
        if self.at.open:
            raise PaymentInProgress("invoice_id")
        invoice = self.at.invoice
        captured = sum(payment.received for payment in self.at.payments)
        is_kept = invoice.kind == InvoiceKind.FUNDS and captured
        if invoice.status not in {*PAYABLE, InvoiceStatus.PAID.value} or is_kept:
            raise InvoiceNotVoidable("invoice_id", status=invoice.status)
        # What a refund will take back must not become credit as well.
        if self.is_refunded:
            raise PaymentInProgress("invoice_id")


@dataclass(frozen=True, slots=True)
class VoidInvoice(Command[Voidable, Invoice]):
    """Take an invoice back: credit returns to where it came from, captured money becomes credit.

    Raises NotFound, InvoiceNotVoidable (void already, or a deposit that money came in for),
    PaymentInProgress (a payment or a refund of it is under way), Invalid at `reason`.
    """

    mutation: ClassVar[str] = "voidInvoice"

    invoice_id: UUID
    reason: str

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("invoices:write")

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Voidable:
        found = await visible(self.invoice_id, asked.by)
        if found is None:
            raise NotFound("invoice_id")
        at = await locked_invoice(journal, found)
        is_refunded = bool(at.payments and await refund.pending(*(one.id for one in at.payments)))
        origins = await spending.origins(at.book, found.id) if at.invoice.credit_applied else {}
        return Voidable(at, is_refunded, origins)

    @override
    def decide(self, found: Voidable, asked: Invocation, journal: Journal) -> Invoice:
        text = clean_text(self.reason, "reason", maximum=500)
        found.check()
        invoice = found.at.invoice
        if invoice.kind != InvoiceKind.FUNDS and invoice.amount_paid:
            _give_back(found)
            give_number(journal, _CreditNote(invoice, journal))
        invoice.put(
            status=InvoiceStatus.VOID.value,
            voided_at=journal.at,
            void_reason=text,
            amount_paid=0,
            credit_applied=0,
        )
        own = invoice.account_id
        journal.log(asked.by, "invoice.void", invoice.public_id, own, reason=text)
        facts = {"number": invoice.number, "status": invoice.status, "reason": text}
        journal.tell(FactKind.INVOICE_VOIDED, invoice.account_id, invoice.id, **facts)
        return invoice

    @override
    async def recall(self, made: Made, asked: Invocation) -> Invoice:
        invoice = await visible(self.invoice_id, asked.by)
        if invoice is None:
            raise NotFound("invoice_id")
        return invoice


def _give_back(found: Voidable) -> None:
    """Return what was paid of an order as credit."""
    invoice, book, payments = found.at.invoice, found.at.book, found.at.payments
    parts = [(payment, *_of(payment, invoice)) for payment in payments]
    sold = sum(applied for _, applied, _ in parts)
    kind = StatementLineKind.INVOICE_PAYMENT_RETURNED
    line = StatementLine(kind, invoice.id.hex, note=invoice.number, invoice_id=invoice.id)
    spending.give_back(book, found.origins, line, captured=sold)
    for payment, applied, allocation in parts:
        if applied:
            payment.put(excess=payment.excess + applied, applied=payment.applied - applied)
        if applied and allocation is not None:
            allocation.put(applied=0)


def _of(payment: Payment, invoice: Invoice) -> tuple[int, Allocation | None]:
    """What of a payment counts on this invoice, and its place in one for several."""
    for allocation in payment.allocations:
        if allocation.invoice_id == invoice.id:
            return allocation.applied, allocation
    return payment.applied, None


@dataclass(frozen=True, slots=True)
class _CreditNote:
    """The credit note of an invoice of which something is given back."""

    invoice: Invoice
    journal: Journal

    @property
    def series(self) -> str:
        day = day_of(self.journal.at, zone_of(self.invoice.snapshot))
        return series_of(provider().credit_note_prefix, day)

    def take(self, number: str) -> None:
        invoice = self.invoice
        invoice.put(credit_note_number=number)
        facts = {"number": invoice.number, "credit_note": number}
        self.journal.tell(FactKind.INVOICE_CREDITED, invoice.account_id, invoice.id, **facts)
