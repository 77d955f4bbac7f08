"""What takes an invoice back: a credit note where something was paid, else a void notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.pdf import text
from api.pdf.documents.document import (
    Document,
    DocumentLine,
    Look,
    Tax,
    letterhead,
    lines_of,
    taxes_of,
)
from api.pdf.documents.einvoice import EInvoice, credit_note_of
from api.pdf.text import NAME_MAX, TEXT_MAX, clean
from models.invoices.e_invoice import reverse_charged
from models.invoices.snapshot import InvoiceSnapshot, zone_of


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidDocument(Document):
    """All that it says. Dates are ISO 8601, amounts minor units of `currency`.

    `number` is the credit note's; None on a void notice. `returned` became account credit.
    """

    kind: str
    number: str | None
    invoice_number: str
    invoiced_on: str
    voided_on: str
    reason: str | None
    reference: str | None
    lines: tuple[DocumentLine, ...]
    taxes: tuple[Tax, ...]
    subtotal: int
    total: int
    returned: int
    reverse_charge: bool
    exemption: str | None
    e_invoice: EInvoice | None


def void_document(
    snapshot: InvoiceSnapshot,
    look: Look,
    *,
    voided_at: datetime,
    reason: str | None,
    credit_note_number: str | None,
    returned: int,
) -> VoidDocument:
    """The document of an invoice that is void; all but the last four is its frozen snapshot."""
    seller = snapshot["seller"]
    zone = zone_of(snapshot)
    voided_on = text.day(voided_at, zone)
    head = letterhead(
        look,
        seller,
        snapshot["buyer"],
        currency=snapshot["currency"],
        mark="",
        created=voided_at,
        modified=voided_at,
    )
    return VoidDocument(
        template="void",
        head=head,
        kind=snapshot["kind"],
        number=text.optional(credit_note_number, NAME_MAX),
        invoice_number=clean(snapshot["number"], NAME_MAX),
        invoiced_on=text.day(datetime.fromisoformat(snapshot["issued_at"]), zone),
        voided_on=voided_on,
        reason=text.optional(reason, TEXT_MAX),
        reference=text.optional(snapshot["reference"], NAME_MAX),
        lines=lines_of(snapshot["lines"], snapshot["currency"]),
        taxes=taxes_of(snapshot["taxes"]),
        subtotal=snapshot["subtotal"],
        total=snapshot["total"],
        returned=returned,
        reverse_charge=reverse_charged(snapshot),
        exemption=text.optional(seller.get("exemption"), TEXT_MAX),
        e_invoice=(
            credit_note_of(snapshot, credit_note_number, voided_on) if credit_note_number else None
        ),
    )
