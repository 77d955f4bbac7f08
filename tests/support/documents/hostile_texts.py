"""Texts that mean harm."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final
from uuid import UUID

from api.pdf.documents.document import Look
from api.pdf.documents.receipt import receipt_document
from api.pdf.documents.samples import PAID_AT, in_status, line, order, void
from api.pdf.documents.statement import Change, statement_document
from models.credit.statement import CreditStatement
from models.payments.payment import Payment

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.pdf.documents.document import Document
    from api.pdf.documents.invoice import InvoiceDocument
    from api.pdf.documents.receipt import ReceiptDocument
    from api.pdf.documents.statement import StatementDocument
    from api.pdf.documents.void import VoidDocument
    from models.invoices.snapshot import BuyerSnapshot, InvoiceSnapshot

HOSTILE = (
    "<script>alert(1)</script><link rel=attachment href='file:///etc/passwd'>"
    "<img src=http://127.0.0.1:1/x> {{ 7*7 }} {% raw %} \x00\x07\x1b[31m \ud800 "
    "\u202egnp.exe\u202c "
    "Z" + "\u0351" * 400 + " file:///etc/passwd &amp; "
)
SCRIPTS = "漢字かな 한국어 简体 العربية עברית 😀👩‍💻 हिन्दी ไทย e\u0301"


LONG_WORD = "W" * 10_000
BUYER: Final[BuyerSnapshot] = {
    "name": HOSTILE,
    "email": LONG_WORD,
    "locale": "en",
    "address_lines": [HOSTILE, LONG_WORD, SCRIPTS],
    "vat_id": HOSTILE,
}


def snapshot() -> InvoiceSnapshot:
    """Whatever others may write in it means harm."""
    lines = [line(HOSTILE, "1", 4800, "0.1"), line(LONG_WORD, "1", 4800, "0.1")]
    return order(
        reference=LONG_WORD,
        lines=lines,
        notes=[HOSTILE, LONG_WORD, SCRIPTS],
        buyer=BUYER,
        bank={
            "beneficiary": HOSTILE,
            "bank_name": LONG_WORD,
            "account_number": LONG_WORD,
            "bic": HOSTILE,
        },
    )


def invoice() -> InvoiceDocument:
    return in_status(
        "VOID",
        snapshot(),
        void_reason=HOSTILE,
        credit_note_number=HOSTILE,
    )


def unpaid() -> InvoiceDocument:
    return in_status("UNPAID", snapshot())


def receipt() -> ReceiptDocument:
    payment = Payment(
        currency="JPY",
        gateway="card",
        status="SUCCEEDED",
        amount=10560,
        fee=0,
        received=10560,
        taken_back=0,
        reference=HOSTILE,
        created_at=PAID_AT,
        completed_at=PAID_AT,
    )
    return receipt_document(payment, snapshot(), HOSTILE, Look("en"))


def credit_note() -> VoidDocument:
    return void(snapshot=snapshot(), reason=HOSTILE, credit_note_number=LONG_WORD)


def statement() -> StatementDocument:
    span = CreditStatement(
        account_id=UUID(int=0),
        currency="JPY",
        first_day=date(2026, 11, 1),
        last_day=date(2026, 11, 30),
        after_version=0,
        last_version=3,
        opening=0,
        closing=300,
        added=300,
        spent=0,
        count=3,
        ends_at=PAID_AT,
    )
    notes = (HOSTILE, LONG_WORD, SCRIPTS)
    changes = [
        Change("2026-11-03", "ADJUSTMENT", note, 100, 100 * n) for n, note in enumerate(notes, 1)
    ]
    return statement_document(
        span, changes, Look("en"), seller=snapshot()["seller"], buyer=snapshot()["buyer"]
    )


#: Each document, with every text of it that others may write meaning harm.
DOCUMENTS: Final[dict[str, Callable[[], Document]]] = {
    "invoice": invoice,
    "unpaid invoice": unpaid,
    "receipt": receipt,
    "credit note": credit_note,
    "statement": statement,
}
