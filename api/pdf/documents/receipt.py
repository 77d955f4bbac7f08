"""The receipt of one payment: what was charged, what came in, what went back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.pdf import text
from api.pdf.documents.document import Document, Look, letterhead
from api.pdf.text import NAME_MAX, clean
from models.invoices.snapshot import InvoiceSnapshot, zone_of
from models.payments.payment import Payment


@dataclass(frozen=True, slots=True)
class Item:
    """One invoice that was paid, in minor units; beside the `amount` that came in for it, `credit`
    has paid so much.
    """

    number: str
    amount: int
    credit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptDocument(Document):
    """All that a receipt says. Dates are ISO 8601, amounts minor units of `currency`.

    `charged` is what was asked for: the `invoices` and the `fee`; `received` what came in,
    `refunded` what of it went back.
    """

    number: str
    kind: str
    invoice_number: str
    invoiced_on: str
    paid_on: str
    method: str
    invoices: tuple[Item, ...]
    fee: int
    charged: int
    received: int
    refunded: int
    kept: int


def receipt_document(
    payment: Payment,
    snapshot: InvoiceSnapshot,
    method: str,
    look: Look,
    parts: Sequence[tuple[str, int, int]] = (),
) -> ReceiptDocument:
    """The document of a payment that money came in for; seller and buyer are the invoice's. `parts`
    are the numbers, amounts and credit of several invoices.
    """
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
        invoices=tuple(
            Item(clean(number, NAME_MAX), amount, credit)
            for number, amount, credit in parts or [(snapshot["number"], payment.amount, 0)]
        ),
        fee=payment.fee,
        charged=payment.charged,
        received=payment.received,
        refunded=payment.taken_back,
        kept=payment.kept,
    )
