"""Taking an invoice back: credit returns to where it came from, captured money becomes credit."""

from __future__ import annotations

from uuid import UUID

from models.access.identity import Actor
from models.clock import now
from models.credit import spending
from models.db.record import public_id
from models.errors import InvoiceNotVoidable, NotFound, PaymentInProgress
from models.invoices.invoice import (
    PAYABLE,
    Invoice,
    InvoiceKind,
    InvoiceStatus,
    made_invoice,
    visible,
)
from models.invoices.invoice import read as read_invoice
from models.invoices.issue import next_number
from models.invoices.snapshot import zone_of
from models.journal import audit_log, idempotency, outbox
from models.ledger.book import Book, Line, book
from models.ledger.chart import LineKind
from models.payments import refund
from models.payments.payment import of_invoices
from models.provider.day import day_of
from models.provider.provider import house
from models.text import clean_text


async def void_invoice(invoice_id: UUID, reason: str, *, by: Actor, key: str) -> Invoice:
    """Take an invoice back: credit returns to where it came from, captured money becomes credit.

    Raises NotFound, InvoiceNotVoidable (void already, or a deposit that money came in for),
    PaymentInProgress (a payment or a refund of it is under way), Invalid at `reason`.
    """
    by.require_scope("invoices:write")
    given = {"invoice": invoice_id.hex, "reason": reason}

    async def admit(_made: idempotency.Result) -> None:
        if await visible(invoice_id, by) is None:
            raise NotFound("invoice_id")

    async def work() -> None:
        found = await visible(invoice_id, by)
        if found is None:
            raise NotFound("invoice_id")
        text = clean_text(reason, "reason", maximum=500)
        async with book(found.account_id, found.currency) as opened:
            invoice = await read_invoice(invoice_id)
            assert invoice is not None
            credited = await _give_back(opened, invoice)
        # The balance stays locked; the number is the last lock, held for two statements.
        await audit_log.record(by, "invoice.void", invoice.public_id, reason=text)
        await _void(invoice, text, credited=credited)

    made = {"invoice": public_id(Invoice.PREFIX, invoice_id)}
    done = await idempotency.once(by, key, "voidInvoice", given, made, admit=admit, work=work)
    return await made_invoice(done)


async def _give_back(opened: Book, invoice: Invoice) -> bool:
    """Return what was paid of an order as credit; whether there was any."""
    payments = (await of_invoices([invoice.id])).get(invoice.id, [])
    if any(payment.is_open for payment in payments):
        raise PaymentInProgress("invoice_id")
    captured = sum(payment.received for payment in payments)
    funds = invoice.kind == InvoiceKind.FUNDS
    if invoice.status not in {*PAYABLE, "PAID"} or (funds and captured):
        raise InvoiceNotVoidable("invoice_id", status=invoice.status)
    # What they will take back must not become credit as well.
    if payments and await refund.pending(*(payment.id for payment in payments)):
        raise PaymentInProgress("invoice_id")
    if funds or not invoice.amount_paid:
        return False
    sold = sum(payment.applied for payment in payments)
    await spending.give_back(
        opened,
        await spending.origins(invoice.id),
        Line(
            LineKind.INVOICE_PAYMENT_RETURNED,
            invoice.id.hex,
            note=invoice.number,
            invoice_id=invoice.id,
        ),
        captured=sold,
    )
    for payment in payments:
        if payment.applied:
            await payment.change(excess=payment.excess + payment.applied, applied=0)
    return True


async def _void(invoice: Invoice, reason: str, *, credited: bool) -> None:
    """With a credit note where something was given back."""
    columns: dict[str, object] = {}
    voided_at = now()
    if credited:
        voided_on = day_of(voided_at, zone_of(invoice.snapshot))
        columns["credit_note_number"] = await next_number(house().credit_note_prefix, voided_on)
    await invoice.change(
        status=InvoiceStatus.VOID.value,
        voided_at=voided_at,
        void_reason=reason,
        amount_paid=0,
        credit_applied=0,
        **columns,
    )
    facts = {"number": invoice.number, "status": invoice.status, "reason": reason}
    await outbox.record([outbox.Fact("invoice.void", invoice.account_id, invoice.id, facts)])
