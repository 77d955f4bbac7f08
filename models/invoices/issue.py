"""Issuing: a draft becomes an invoice with its lines; its number and its snapshot come last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.db.record import new_id
from models.invoices.draft import Draft
from models.invoices.freeze import line_snapshot, snapshot_of
from models.invoices.invoice import Invoice, InvoiceLine, InvoiceSource
from models.invoices.number import give_number, series_of
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.money import tax_per_rate
from models.provider.day import day_of, days_after
from models.provider.provider import provider
from models.reference import new_reference
from models.status import InvoiceStatus


def issue(journal: Journal, draft: Draft) -> Invoice:
    """Issue an invoice. Its number, which its snapshot shows, is given when everything else has
    been decided.
    """
    invoice = _invoice_of(draft, journal.at)
    if draft.credit and not invoice.amount_due:
        invoice.status, invoice.paid_at = InvoiceStatus.PAID.value, journal.at
    give_number(journal, _Issued(invoice, draft, journal))
    journal.claim(invoice)
    journal.claim(InvoiceSource(source=draft.source, invoice_id=invoice.id))
    journal.add(*_lines_of(draft))
    return invoice


def _invoice_of(draft: Draft, moment: datetime) -> Invoice:
    taxes = tax_per_rate((line.tax_rate, line.total) for line in draft.lines)
    subtotal = sum(line.total for line in draft.lines)
    tax = sum(rate.tax for rate in taxes)
    due_at = draft.due_at or days_after(moment, provider().invoice_due)
    has_bank = draft.currency in provider().seller.bank_accounts
    return Invoice(
        id=draft.id,
        created_at=moment,
        account_id=draft.account.id,
        number="",
        kind=draft.kind.value,
        status=InvoiceStatus.UNPAID.value,
        currency=draft.currency,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        issued_at=moment,
        due_at=due_at,
        due_on=day_of(due_at).isoformat(),
        gateway=draft.gateway,
        reference=draft.reference,
        transfer_reference=new_reference() if has_bank else None,
        credit_applied=draft.credit,
        amount_paid=draft.credit,
        snapshot={},
        details=draft.details,
    )


def _lines_of(draft: Draft) -> list[InvoiceLine]:
    return [
        InvoiceLine(
            id=new_id(),
            invoice_id=draft.id,
            position=position,
            **line_snapshot(line),
        )
        for position, line in enumerate(draft.lines)
    ]


@dataclass(frozen=True, slots=True)
class _Issued:
    """An invoice that waits for its number."""

    invoice: Invoice
    draft: Draft
    journal: Journal

    @property
    def series(self) -> str:
        return series_of(provider().invoice_prefix, day_of(self.invoice.issued_at))

    def take(self, number: str) -> None:
        invoice, draft, tell = self.invoice, self.draft, self.journal.tell
        invoice.number = number
        invoice.snapshot = snapshot_of(invoice, draft.account, draft.lines)
        if draft.line is not None:
            draft.line.note = number
        tell(FactKind.INVOICE_ISSUED, invoice.account_id, invoice.id, number=number)
        if invoice.credit_applied:
            is_paid = invoice.status == InvoiceStatus.PAID
            kind = FactKind.INVOICE_PAID if is_paid else FactKind.INVOICE_UPDATED
            tell(kind, invoice.account_id, invoice.id, number=number, status=invoice.status)
        if draft.logged_by is not None:
            self.journal.log(
                draft.logged_by,
                "invoice.create",
                invoice.public_id,
                invoice.account_id,
                number=number,
            )
