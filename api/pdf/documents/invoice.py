"""The invoice: its frozen snapshot, and what has become of it since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

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
from api.pdf.documents.einvoice import EInvoice, e_invoice_of
from api.pdf.documents.transfer import Transfer
from api.pdf.text import NAME_MAX, TEXT_MAX, clean
from models.invoices.e_invoice import reverse_charged
from models.invoices.snapshot import InvoiceSnapshot, zone_of
from models.status import InvoiceStatus


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """One payment as printed: what it paid of the invoice, and the gateway's fee on top."""

    at: datetime
    method: str
    reference: str
    amount: int
    fee: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceState:
    """What has become of an invoice since it was issued; minor units of its currency. `status` is
    as it is printed.
    """

    status: str
    amount_due: int
    payments: Sequence[PaymentLine] = ()
    paid_at: datetime | None = None
    credit_applied: int = 0
    refunded: int = 0
    voided_at: datetime | None = None
    void_reason: str | None = None
    credit_note_number: str | None = None
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """One row of the payments' table; `on` is an ISO 8601 date."""

    on: str
    method: str
    reference: str
    amount: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument(Document):
    """All that an invoice's PDF says. Dates are ISO 8601, amounts minor units of `currency`."""

    kind: str
    number: str
    issued_on: str
    due_on: str
    paid_on: str | None
    voided_on: str | None
    void_reason: str | None
    credit_note_number: str | None
    reference: str | None
    lines: tuple[DocumentLine, ...]
    taxes: tuple[Tax, ...]
    subtotal: int
    total: int
    credit_applied: int
    payments: tuple[Paid, ...]
    refunded: int
    amount_due: int
    transfer: Transfer | None
    notes: tuple[str, ...]
    policy_version: str | None
    policy_url: str | None
    deposit_tax: str
    reverse_charge: bool
    exemption: str | None
    e_invoice: EInvoice | None


def invoice_document(snapshot: InvoiceSnapshot, state: InvoiceState, look: Look) -> InvoiceDocument:
    """The document of an issued invoice as it stands.

    Every text is cleaned and cut (see `text.clean`), every link is http(s) or left out, and the
    locale becomes one that Babel knows, so nothing that a client wrote can break or slow the
    rendering.
    """
    seller, policy = snapshot["seller"], snapshot["policy"]
    zone = zone_of(snapshot)
    issued = datetime.fromisoformat(snapshot["issued_at"])
    since = [*(p.at for p in state.payments), *filter(None, (state.paid_at, state.voided_at))]
    head = letterhead(
        look,
        seller,
        snapshot["buyer"],
        currency=snapshot["currency"],
        mark=state.status,
        created=issued,
        modified=max([issued, *since]),
    )
    return InvoiceDocument(
        template="invoice",
        head=head,
        kind=snapshot["kind"],
        number=clean(snapshot["number"], NAME_MAX),
        issued_on=text.day(issued, zone),
        due_on=text.day(datetime.fromisoformat(snapshot["due_at"]), zone),
        paid_on=_day(state.paid_at, zone),
        voided_on=_day(state.voided_at, zone),
        void_reason=text.optional(state.void_reason, TEXT_MAX),
        credit_note_number=text.optional(state.credit_note_number, NAME_MAX),
        reference=text.optional(snapshot["reference"], NAME_MAX),
        lines=lines_of(snapshot["lines"], snapshot["currency"]),
        taxes=taxes_of(snapshot["taxes"]),
        subtotal=snapshot["subtotal"],
        total=snapshot["total"],
        credit_applied=state.credit_applied,
        payments=tuple(_paid(payment, zone) for payment in state.payments),
        refunded=state.refunded,
        amount_due=state.amount_due,
        transfer=state.transfer,
        notes=text.texts(snapshot["notes"], TEXT_MAX),
        policy_version=clean(policy["version"], NAME_MAX) if policy else None,
        policy_url=text.web(policy["url"]) if policy else None,
        deposit_tax=clean(snapshot.get("deposit_tax", ""), TEXT_MAX),
        reverse_charge=reverse_charged(snapshot),
        exemption=text.optional(seller.get("exemption"), TEXT_MAX),
        # One that is void is taken back by its credit note, which carries its own.
        e_invoice=None if state.status == InvoiceStatus.VOID else e_invoice_of(snapshot),
    )


def _day(moment: datetime | None, zone: tzinfo) -> str | None:
    return text.day(moment, zone) if moment else None


def _paid(payment: PaymentLine, zone: tzinfo) -> Paid:
    return Paid(
        on=text.day(payment.at, zone),
        method=clean(payment.method, NAME_MAX),
        reference=clean(payment.reference, NAME_MAX),
        amount=payment.amount,
        fee=payment.fee,
    )
