"""Invoices to print: each status, both kinds, both languages, and texts that mean harm.

`python -m tests.api.pdf_samples FOLDER` writes all of them as PDF, to be looked at.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.pdf import Document, PaymentLine, PdfRenderer, document_of
from models.money import round_half_up, tax_per_rate
from models.snapshot import DEPOSIT, InvoiceSnapshot, LineSnapshot, SellerSnapshot

SELLER: SellerSnapshot = {
    "name": "Kaze Hosting K.K.",
    "brand": "Kaze Hosting",
    "accent": "#1d4ed8",
    "address_lines": ["7-2-1 Akasaka, Minato-ku", "Tokyo 107-0052, Japan"],
    "email": "billing@kaze.example",
    "registration": [{"label": "Registration no.", "value": "T1234567890123"}],
    "url": "https://kaze.example",
    "timezone": "UTC",
}
PAID_AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
CARD = PaymentLine(PAID_AT, "Visa •••• 4242", "ch_3QK1t2Eb9xYp0aZ7", 25000, fee=120)
HOSTILE = (
    "<script>alert(1)</script><link rel=attachment href='file:///etc/passwd'>"
    "<img src=http://127.0.0.1:1/x> {{ 7*7 }} {% raw %} \x00\x07\x1b[31m \ud800 "
    "\u202egnp.exe\u202c "
    "Z" + "\u0351" * 400 + " file:///etc/passwd &amp; "
)


def deposit(**changes: Any) -> InvoiceSnapshot:
    """A FUNDS invoice over $250.00."""
    invoice: InvoiceSnapshot = {
        "number": "INV-2026-000042",
        "kind": "FUNDS",
        "currency": "USD",
        "issued_at": "2026-11-03T09:00:00+00:00",
        "due_at": "2026-11-10T09:00:00+00:00",
        "reference": None,
        "seller": SELLER,
        "buyer": {
            "name": "Northwind Labs Ltd",
            "email": "ap@northwind.example",
            "locale": "en",
            "address_lines": ["14 Saxon Way", "Leeds LS1 4DY", "United Kingdom"],
        },
        "lines": [line(DEPOSIT, "1", 25000, "0")],
        "subtotal": 25000,
        "tax": 0,
        "total": 25000,
        "taxes": [],
        "notes": [],
        "policy": {"version": "2026-10", "url": "https://kaze.example/credit-policy"},
    }
    return invoice | changes  # type: ignore[return-value]


def order(lines_count: int = 3, **changes: Any) -> InvoiceSnapshot:
    """An ORDER invoice with tax at two rates."""
    kinds = [
        line("Performance VPS “Tokyo-4”\nNov 3 - Dec 2, 2026 · 4 vCPU · 8 GB", "1", 4800, "0.1"),
        line("Object storage\nMetered, GB-months", "693", 2, "0.1"),
        line("The Server Monthly, print edition", "1.5", 1200, "0.08"),
    ]
    lines = [kinds[i % 3] for i in range(lines_count)]
    rates = tax_per_rate((Decimal(x["tax_rate"]), x["total"]) for x in lines)
    net, tax = sum(x["total"] for x in lines), sum(rate.tax for rate in rates)
    own = {
        "number": "INV-2026-000043",
        "kind": "ORDER",
        "due_at": "2026-11-17T09:00:00+00:00",
        "reference": "SO-88213",
        "lines": lines,
        "taxes": [{"rate": str(r.rate), "base": r.base, "tax": r.tax} for r in rates],
        "subtotal": net,
        "tax": tax,
        "total": net + tax,
        "notes": ["Thank you for hosting with us."],
        "policy": None,
    }
    return deposit(**(own | changes))


def japanese(snapshot: InvoiceSnapshot) -> InvoiceSnapshot:
    """The same invoice in yen, between Japanese companies."""
    seller: SellerSnapshot = {
        **SELLER,
        "name": "カゼホスティング株式会社",
        "brand": "カゼホスティング",
        "address_lines": ["〒107-0052 東京都港区赤坂7-2-1", "赤坂タワー 9階"],
        "registration": [{"label": "登録番号", "value": "T1234567890123"}],
    }
    buyer = {
        "name": "株式会社𠮷野商事",
        "email": "keiri@sample.example",
        "locale": "ja",
        "address_lines": ["〒530-0001 大阪府大阪市北区梅田1-1-3"],
    }
    return {**snapshot, "currency": "JPY", "seller": seller, "buyer": buyer}  # type: ignore[typeddict-item]


def line(description: str, quantity: str, unit_price: int, tax_rate: str) -> LineSnapshot:
    """A line whose total is quantity x unit price."""
    total = round_half_up(Decimal(quantity) * unit_price)
    return {
        "description": description,
        "quantity": quantity,
        "unit_price": unit_price,
        "tax_rate": tax_rate,
        "total": total,
    }


def in_status(status: str, snapshot: InvoiceSnapshot, locale: str = "en", **facts: Any) -> Document:
    """The document of an invoice with what its status brings along."""
    total = snapshot["total"]
    payment = PaymentLine(PAID_AT, CARD.method, CARD.reference, total, fee=120)
    beside: dict[str, dict[str, Any]] = {
        "UNPAID": {"amount_due": total, "pay_url": "https://portal.kaze.example/pay/43"},
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
    return document_of(snapshot, status=status, locale=locale, **(beside[status] | facts))  # type: ignore[arg-type]


def hostile() -> Document:
    """Every text of it means harm."""
    long_word = "W" * 10_000
    lines = [line(HOSTILE, "1", 4800, "0.1"), line(long_word, "1", 4800, "0.1")]
    snapshot = order(
        reference=long_word,
        lines=lines,
        notes=[HOSTILE, long_word],
        buyer={
            "name": HOSTILE,
            "email": long_word,
            "locale": "en",
            "address_lines": [HOSTILE, long_word],
        },
    )
    return in_status(
        "VOID",
        snapshot,
        void_reason=HOSTILE,
        credit_note_number=HOSTILE,
        pay_url="javascript:alert(1)",
    )


def samples() -> dict[str, Document]:
    """All of them, by file name."""
    statuses = ("UNPAID", "PROCESSING", "PAID", "VOID", "REFUNDED")
    plain = {
        f"{kind}-{locale}-{status.lower()}": in_status(status, snapshot, locale)
        for kind, snapshots in {
            "deposit": {"en": deposit(), "ja": japanese(deposit())},
            "order": {"en": order(), "ja": japanese(order())},
        }.items()
        for locale, snapshot in snapshots.items()
        for status in statuses
    }
    part = in_status("UNPAID", order(), credit_applied=2000, amount_due=order()["total"] - 2000)
    long = in_status("VOID", order(48))
    huge = in_status(
        "UNPAID",
        deposit(currency="KWD", total=10**15, subtotal=10**15, lines=[line("X", "1", 10**15, "0")]),
    )
    return plain | {
        "order-en-credit": part,
        "order-en-long": long,
        "hostile": hostile(),
        "huge": huge,
    }


async def write_all(folder: Path) -> None:
    async with PdfRenderer() as renderer:
        for name, document in samples().items():
            (folder / f"{name}.pdf").write_bytes((await renderer.render(document)).bytes)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(write_all(Path(sys.argv[1])))
