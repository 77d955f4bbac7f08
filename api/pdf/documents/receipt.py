"""The receipt of one payment: what was charged, what came in, what went back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.pdf import text
from api.pdf.documents.document import Document, Look, letterhead
from api.pdf.text import NAME_MAX, clean
from models.invoices.snapshot import InvoiceSnapshot, zone_of
from models.payments.payment import Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptDocument(Document):
    """All that a receipt says. Dates are ISO 8601, amounts minor units of `currency`.

    `charged` = `amount` + `fee` is what was asked for; `received` what came in, `refunded` what of
    it went back.
    """

    number: str
    kind: str
    invoice_number: str
    invoiced_on: str
    paid_on: str
    method: str
    amount: int
    fee: int
    charged: int
    received: int
    refunded: int
    kept: int


def receipt_document(
    payment: Payment, snapshot: InvoiceSnapshot, method: str, look: Look
) -> ReceiptDocument:
    """The document of a payment that money came in for; seller and buyer are the invoice's."""
    zone = zone_of(snapshot)
    head = letterhead(
        look,
        snapshot["seller"],
        snapshot["buyer"],
        currency=payment.currency,
        mark=payment.printed_status,
        created=payment.paid_at,
        modified=payment.paid_at,
    )
    return ReceiptDocument(
        template="receipt",
        head=head,
        number=clean(payment.reference, NAME_MAX),
        kind=snapshot["kind"],
        invoice_number=clean(snapshot["number"], NAME_MAX),
        invoiced_on=text.day(datetime.fromisoformat(snapshot["issued_at"]), zone),
        paid_on=text.day(payment.paid_at, zone),
        method=clean(method, NAME_MAX),
        amount=payment.amount,
        fee=payment.fee,
        charged=payment.charged,
        received=payment.received,
        refunded=payment.taken_back,
        kept=payment.kept,
    )
