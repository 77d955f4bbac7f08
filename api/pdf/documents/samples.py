"""Documents of a made-up provider and its clients: to look at while writing templates.

The same ones are what the tests print.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from api.pdf.documents.document import Look
from api.pdf.documents.invoice import InvoiceState, PaymentLine, invoice_document
from api.pdf.documents.receipt import receipt_document
from api.pdf.documents.statement import Change, statement_document
from api.pdf.documents.transfer import transfer_of
from api.pdf.documents.void import void_document
from models.bank.transfer import AwaitedTransfer
from models.credit.statement import CreditStatement
from models.gateway import TransferInstructions
from models.invoices.snapshot import (
    DEPOSIT,
    BankSnapshot,
    BuyerSnapshot,
    InvoiceLineSnapshot,
    InvoiceSnapshot,
    SellerSnapshot,
)
from models.money import round_half_up, tax_per_rate
from models.payments.payment import Payment

if TYPE_CHECKING:
    from api.pdf.documents.document import Document
    from api.pdf.documents.invoice import InvoiceDocument
    from api.pdf.documents.receipt import ReceiptDocument
    from api.pdf.documents.statement import StatementDocument
    from api.pdf.documents.void import VoidDocument

PAID_AT: Final = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
CARD: Final = PaymentLine(PAID_AT, "Visa •••• 4242", "RF98ACC000042", 25000, fee=120)

_SELLER: Final[SellerSnapshot] = {
    "name": "Kaze Hosting K.K.",
    "brand": "Kaze Hosting",
    "accent": "#1d4ed8",
    "address_lines": ["7-2-1 Akasaka, Minato-ku", "Tokyo 107-0052, Japan"],
    "email": "billing@kaze.example",
    "registration": [{"label": "Registration no.", "value": "T1234567890123"}],
    "url": "https://kaze.example",
    "timezone": "UTC",
    "country": "JP",
}
_BUYER: Final[BuyerSnapshot] = {
    "name": "Northwind Labs Ltd",
    "email": "ap@northwind.example",
    "locale": "en",
    "address_lines": ["14 Saxon Way", "Leeds LS1 4DY", "United Kingdom"],
    "company": True,
    "country": "GB",
}
_EUROPEAN_BANK: Final[BankSnapshot] = {
    "beneficiary": "Kaze Hosting GmbH",
    "bank_name": "Commerzbank",
    "account_number": "DE89370400440532013000",
    "bic": "COBADEFFXXX",
}


def _land(
    currency: str,
    seller: Mapping[str, Any],
    buyer: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    return {
        "currency": currency,
        "seller": {**_SELLER, **seller},
        "buyer": {**_BUYER, **buyer},
        **more,
    }


#: Who sells to whom, by the language that it is usually read in.
LANDS: Final = MappingProxyType(
    {
        "en": _land("USD", {}, {}),
        "ja": _land(
            "JPY",
            {
                "name": "カゼホスティング株式会社",
                "brand": "カゼホスティング",
                "address_lines": ["〒107-0052 東京都港区赤坂7-2-1", "赤坂タワー 9階"],
                "timezone": "Asia/Tokyo",
            },
            {
                "name": "株式会社𠮷野商事",
                "email": "keiri@sample.example",
                "address_lines": ["〒530-0001 大阪府大阪市北区梅田1-1-3"],
                "country": "JP",
            },
            bank={
                "beneficiary": "カゼホスティング カ",
                "bank_name": "かぜ銀行 赤坂支店 058 普通",
                "account_number": "1234567",
                "bic": None,
            },
        ),
        "de": _land(
            "EUR",
            {
                "name": "Kaze Hosting GmbH",
                "address_lines": ["Torstraße 49", "10119 Berlin"],
                "registration": [{"label": "HRB", "value": "123456 B, AG Berlin-Charlottenburg"}],
                "postcode": "10119",
                "city": "Berlin",
                "country": "DE",
                "vat_id": "DE136695976",
                "timezone": "Europe/Berlin",
            },
            {
                "name": "Müller & Söhne Maschinenbau GmbH",
                "email": "buchhaltung@mueller.example",
                "address_lines": ["Königstraße 12", "70173 Stuttgart"],
                "postcode": "70173",
                "city": "Stuttgart",
                "country": "DE",
                "vat_id": "DE111111125",
            },
            bank=_EUROPEAN_BANK,
            e_invoice=True,
        ),
        "fr": _land(
            "EUR",
            {
                "name": "Kaze Hébergement SAS",
                "brand": "Kaze Hébergement",
                "address_lines": ["12 rue de la Paix", "75002 Paris"],
                "registration": [{"label": "SIREN", "value": "732 829 320"}],
                "postcode": "75002",
                "city": "Paris",
                "country": "FR",
                "vat_id": "FR44732829320",
                "timezone": "Europe/Paris",
            },
            {
                "name": "Ateliers Lefèvre SARL",
                "email": "compta@lefevre.example",
                "address_lines": ["8 quai des Célestins", "69002 Lyon"],
                "postcode": "69002",
                "city": "Lyon",
                "country": "FR",
                "vat_id": "FR40303265045",
            },
            bank={**_EUROPEAN_BANK, "beneficiary": "Kaze Hébergement SAS"},
            e_invoice=True,
        ),
    }
)

#: The tax rates of each land: the usual one, and the reduced one.
_RATES: Final = {"en": ("0.1", "0.08"), "ja": ("0.1", "0.08"), "de": ("0.19", "0.07")}
_FRENCH: Final = ("0.2", "0.055")


def land_of(locale: str) -> str:
    """The made-up land whose documents are read in `locale`."""
    language = locale.replace("_", "-").partition("-")[0]
    return language if language in LANDS else "en"


# ------------------------------------------------------------------------------- invoices


def line(description: str, quantity: str, unit_price: int, tax_rate: str) -> InvoiceLineSnapshot:
    """A line whose total is quantity x unit price."""
    return {
        "description": description,
        "quantity": quantity,
        "unit_price": unit_price,
        "tax_rate": tax_rate,
        "total": round_half_up(Decimal(quantity) * unit_price),
    }


def deposit(land: str = "en", **changes: Any) -> InvoiceSnapshot:
    """A FUNDS invoice over 25,000 minor units."""
    invoice = {
        "number": "INV-2026-000042",
        "kind": "FUNDS",
        "issued_at": "2026-11-03T09:00:00+00:00",
        "due_at": "2026-11-10T09:00:00+00:00",
        "reference": None,
        "lines": [line(DEPOSIT, "1", 25000, "0")],
        "subtotal": 25000,
        "tax": 0,
        "total": 25000,
        "taxes": [],
        "notes": [],
        "policy": {"version": "2026-10", "url": "https://kaze.example/credit-policy"},
        "transfer_reference": "RF86DZHNAGKM8F4K",
    }
    return {**LANDS[land], **invoice, "e_invoice": False, **changes}  # type: ignore[typeddict-item]


def order(land: str = "en", lines_count: int = 3, **changes: Any) -> InvoiceSnapshot:
    """An ORDER invoice with tax at two rates."""
    usual, reduced = _RATES.get(land, _FRENCH)
    kinds = [
        line("Performance VPS “Tokyo-4”\nNov 3 - Dec 2, 2026 · 4 vCPU · 8 GB", "1", 4800, usual),
        line("Object storage\nMetered, GB-months", "693", 2, usual),
        line("The Server Monthly, print edition", "1.5", 1200, reduced),
    ]
    own = {
        "number": "INV-2026-000043",
        "kind": "ORDER",
        "due_at": "2026-11-17T09:00:00+00:00",
        "reference": "SO-88213",
        "lines": [kinds[i % 3] for i in range(lines_count)],
        "notes": ["Thank you for hosting with us."],
        "policy": None,
        "e_invoice": LANDS[land].get("e_invoice", False),
    }
    return deposit(land, **priced(own | changes))


def priced(invoice: dict[str, Any]) -> dict[str, Any]:
    """The invoice with its sums worked out; those that are given stay."""
    lines: list[InvoiceLineSnapshot] = invoice["lines"]
    rates = tax_per_rate((Decimal(x["tax_rate"]), x["total"]) for x in lines)
    net, tax = sum(x["total"] for x in lines), sum(rate.tax for rate in rates)
    taxes = [{"rate": str(r.rate), "base": r.base, "tax": r.tax} for r in rates]
    return {"taxes": taxes, "subtotal": net, "tax": tax, "total": net + tax, **invoice}


def in_status(
    status: str,
    snapshot: InvoiceSnapshot,
    locale: str = "en",
    **facts: Any,
) -> InvoiceDocument:
    """The document of an invoice with what its status brings along."""
    total, bank = snapshot["total"], snapshot.get("bank")
    payment = PaymentLine(PAID_AT, CARD.method, CARD.reference, total, fee=120)
    quoted = snapshot.get("transfer_reference") or snapshot["number"]
    awaited = AwaitedTransfer(TransferInstructions(**bank), quoted, total) if bank else None
    unpaid = {
        "amount_due": total,
        "transfer": transfer_of(awaited) if awaited else None,
    }
    beside: dict[str, dict[str, Any]] = {
        "UNPAID": unpaid,
        "OVERDUE": unpaid,
        "PROCESSING": {"amount_due": total},
        "PAID": {"amount_due": 0, "payments": [payment], "paid_at": PAID_AT},
        "VOID": {
            "amount_due": 0,
            "voided_at": PAID_AT,
            "void_reason": "Ordered twice",
            "credit_note_number": "CN-2026-000007",
        },
        "REFUNDED": {
            "amount_due": total,
            "payments": [payment],
            "paid_at": PAID_AT,
            "refunded": total,
        },
    }
    look = Look(locale, facts.pop("logo", None))
    state = {"status": status, **beside[status], **facts}
    return invoice_document(snapshot, InvoiceState(**state), look)


# ------------------------------------------------------------------------------- the others


def receipt(
    land: str = "en", locale: str = "en", invoices: int = 1, **changes: Any
) -> ReceiptDocument:
    """The receipt of a payment by card with a fee, for one invoice or for several alike."""
    snapshot = order(land)
    total = snapshot["total"]
    parts = [(f"INV-2026-{44 + n:06}", total, 0) for n in range(invoices)] if invoices > 1 else []
    facts = {
        "currency": snapshot["currency"],
        "gateway": "card",
        "status": "SUCCEEDED",
        "amount": invoices * total,
        "fee": 120,
        "received": invoices * total + 120,
        "taken_back": 0,
        "reference": "RF98ACC000042",
        "created_at": PAID_AT,
        "completed_at": PAID_AT,
    }
    payment = Payment(**{**facts, **changes})
    return receipt_document(payment, snapshot, CARD.method, Look(locale), parts)


def void(land: str = "en", locale: str = "en", **changes: Any) -> VoidDocument:
    """A credit note; with `credit_note_number=None` and `returned=0` a void notice."""
    snapshot = changes.pop("snapshot", None) or order(land)
    facts = {
        "voided_at": PAID_AT + timedelta(days=2),
        "reason": "Ordered twice",
        "credit_note_number": "CN-2026-000007",
        "returned": snapshot["total"],
    }
    return void_document(snapshot, Look(locale), **{**facts, **changes})


def statement(land: str = "en", locale: str = "en", lines_count: int = 9) -> StatementDocument:
    """A month's statement."""
    kinds = [
        ("DEPOSIT", "INV-2026-000042", 25000),
        ("INVOICE_PAYMENT", "INV-2026-000043", -8749),
        ("VOUCHER", "Welcome bonus", 1500),
    ]
    changes, balance, opening = [], 12000, 12000
    for at in range(lines_count):
        kind, note, amount = kinds[at % 3]
        balance += amount
        on = date(2026, 11, 1 + at * 28 // lines_count).isoformat()
        changes.append(Change(on, kind, note, amount, balance))
    span = CreditStatement(
        account_id=UUID(int=0),
        currency=LANDS[land]["currency"],
        first_day=date(2026, 11, 1),
        last_day=date(2026, 11, 30),
        after_version=0,
        last_version=lines_count,
        opening=opening,
        closing=balance,
        added=sum(change.amount for change in changes if change.amount > 0),
        spent=-sum(change.amount for change in changes if change.amount < 0),
        count=lines_count,
        ends_at=PAID_AT,
    )
    return statement_document(
        span,
        changes,
        Look(locale),
        seller=LANDS[land]["seller"],
        buyer=LANDS[land]["buyer"],
    )


def invoice_in(status: str) -> Callable[[str], Document]:
    """An order's invoice in that status, for a locale."""
    return lambda locale: in_status(status, order(land_of(locale)), locale)


#: What can be previewed, by name: a document for a locale.
DOCUMENTS: Final[Mapping[str, Callable[[str], Document]]] = MappingProxyType(
    {
        "invoice": invoice_in("UNPAID"),
        "invoice-overdue": invoice_in("OVERDUE"),
        "invoice-processing": invoice_in("PROCESSING"),
        "invoice-paid": invoice_in("PAID"),
        "invoice-void": invoice_in("VOID"),
        "invoice-refunded": invoice_in("REFUNDED"),
        "deposit": lambda locale: in_status("UNPAID", deposit(land_of(locale)), locale),
        "deposit-paid": lambda locale: in_status("PAID", deposit(land_of(locale)), locale),
        "receipt": lambda locale: receipt(land_of(locale), locale),
        "receipt-refunded": lambda locale: receipt(land_of(locale), locale, taken_back=2500),
        "receipt-several": lambda locale: receipt(land_of(locale), locale, invoices=3),
        "credit-note": lambda locale: void(land_of(locale), locale),
        "void-notice": lambda locale: void(
            land_of(locale), locale, credit_note_number=None, returned=0
        ),
        "statement": lambda locale: statement(land_of(locale), locale),
        "statement-long": lambda locale: statement(land_of(locale), locale, lines_count=120),
    }
)
