"""Texts that mean harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.pdf.demo import in_status, line, order

if TYPE_CHECKING:
    from api.pdf.invoice import InvoiceDocument

HOSTILE = (
    "<script>alert(1)</script><link rel=attachment href='file:///etc/passwd'>"
    "<img src=http://127.0.0.1:1/x> {{ 7*7 }} {% raw %} \x00\x07\x1b[31m \ud800 "
    "\u202egnp.exe\u202c "
    "Z" + "\u0351" * 400 + " file:///etc/passwd &amp; "
)
SCRIPTS = "漢字かな 한국어 简体 العربية עברית 😀👩‍💻 हिन्दी ไทย e\u0301"


def hostile() -> InvoiceDocument:
    """Every text of it means harm."""
    long_word = "W" * 10_000
    lines = [line(HOSTILE, "1", 4800, "0.1"), line(long_word, "1", 4800, "0.1")]
    snapshot = order(
        reference=long_word,
        lines=lines,
        notes=[HOSTILE, long_word, SCRIPTS],
        buyer={
            "name": HOSTILE,
            "email": long_word,
            "locale": "en",
            "address_lines": [HOSTILE, long_word, SCRIPTS],
            "vat_id": HOSTILE,
        },
        bank={
            "beneficiary": HOSTILE,
            "bank_name": long_word,
            "account_number": long_word,
            "bic": HOSTILE,
        },
    )
    return in_status(
        "VOID",
        snapshot,
        void_reason=HOSTILE,
        credit_note_number=HOSTILE,
        pay_url="javascript:alert(1)",
    )
