"""What is printed: an invoice's frozen snapshot and what has become of it since, made safe.

Pure data without I/O. The process that renders gets it as JSON (`Document.encode`), so that equal
documents are equal bytes, and the hash of them is the name of the PDF.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo

import orjson
from babel import Locale, UnknownLocaleError

from models.money import exponent
from models.snapshot import BuyerSnapshot, InvoiceSnapshot, LineSnapshot, SellerSnapshot

Status = Literal["UNPAID", "PROCESSING", "PAID", "VOID", "REFUNDED"]

#: Longest texts, in characters. A page has room for no more, and a layout must not take minutes.
NAME_MAX: Final = 120
LINE_MAX: Final = 160
TEXT_MAX: Final = 600
#: More marks than this over one letter are no language's, and slow to lay out.
MARKS_MAX: Final = 3
ACCENT: Final = "#1d4ed8"

_ACCENT = re.compile(r"#[0-9a-fA-F]{6}")
_WEB = re.compile(r"https?://[^\s\"'<>\\]{1,2000}", re.ASCII)
_LOCALE = re.compile(r"[a-zA-Z]{2,3}(?:[-_][a-zA-Z0-9]{2,8}){0,3}", re.ASCII)
_MARKS = re.compile(r"[\u0300-\U000e0fff]+")
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """One payment as printed: what it paid of the invoice, and the gateway's fee on top."""

    at: datetime
    method: str
    reference: str
    amount: int
    fee: int = 0


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or buys."""

    name: str
    lines: tuple[str, ...]
    email: str
    registration: tuple[tuple[str, str], ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line; amounts in minor units."""

    title: str
    details: tuple[str, ...]
    quantity: str
    unit_price: int
    tax_rate: str
    total: int


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax of one rate, in minor units."""

    rate: str
    base: int
    tax: int


@dataclass(frozen=True, slots=True)
class Paid:
    """One row of the payments' table; `on` is an ISO 8601 date."""

    on: str
    method: str
    reference: str
    amount: int
    fee: int


@dataclass(frozen=True, slots=True)
class Document:
    """All that an invoice's PDF says. Dates are ISO 8601, amounts minor units of `currency`."""

    locale: str
    kind: str
    status: Status
    number: str
    currency: str
    decimals: int
    created: str
    modified: str
    issued_on: str
    due_on: str
    paid_on: str | None
    voided_on: str | None
    void_reason: str | None
    credit_note_number: str | None
    reference: str | None
    brand: str
    accent: str
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    subtotal: int
    total: int
    credit_applied: int
    payments: tuple[Paid, ...]
    refunded: int
    amount_due: int
    pay_url: str | None
    notes: tuple[str, ...]
    policy_version: str | None
    policy_url: str | None

    def encode(self) -> bytes:
        """Its canonical JSON."""
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS)


def document_of(
    snapshot: InvoiceSnapshot,
    *,
    status: Status,
    locale: str,
    amount_due: int,
    payments: Sequence[PaymentLine] = (),
    paid_at: datetime | None = None,
    credit_applied: int = 0,
    refunded: int = 0,
    voided_at: datetime | None = None,
    void_reason: str | None = None,
    credit_note_number: str | None = None,
    pay_url: str | None = None,
) -> Document:
    """The document of an issued invoice as it stands; amounts in minor units of its currency.

    Every text is cleaned and cut (see `clean`), every link is http(s) or left out, and `locale`
    becomes one that Babel knows, so nothing that a client wrote can break or slow the rendering.
    """
    seller, policy = snapshot["seller"], snapshot["policy"]
    zone = _zone(seller.get("timezone", "UTC"))
    issued = datetime.fromisoformat(snapshot["issued_at"])
    moments = [issued, *(p.at for p in payments), *(at for at in (paid_at, voided_at) if at)]
    return Document(
        locale=canonical_locale(locale),
        kind=snapshot["kind"],
        status=status,
        number=clean(snapshot["number"], NAME_MAX),
        currency=snapshot["currency"],
        decimals=exponent(snapshot["currency"]),
        created=_utc(issued),
        modified=_utc(max(moments)),
        issued_on=_day(issued, zone),
        due_on=_day(datetime.fromisoformat(snapshot["due_at"]), zone),
        paid_on=_day(paid_at, zone) if paid_at else None,
        voided_on=_day(voided_at, zone) if voided_at else None,
        void_reason=_optional(void_reason, TEXT_MAX),
        credit_note_number=_optional(credit_note_number, NAME_MAX),
        reference=_optional(snapshot["reference"], NAME_MAX),
        brand=clean(seller.get("brand") or seller["name"], NAME_MAX),
        accent=_accent(seller.get("accent", ACCENT)),
        seller=_seller(seller),
        buyer=_buyer(snapshot["buyer"]),
        lines=tuple(_line(line) for line in snapshot["lines"]),
        taxes=tuple(Tax(t["rate"], t["base"], t["tax"]) for t in snapshot["taxes"]),
        subtotal=snapshot["subtotal"],
        total=snapshot["total"],
        credit_applied=credit_applied,
        payments=tuple(_paid(payment, zone) for payment in payments),
        refunded=refunded,
        amount_due=amount_due,
        pay_url=_web(pay_url),
        notes=_texts(snapshot["notes"], TEXT_MAX),
        policy_version=clean(policy["version"], NAME_MAX) if policy else None,
        policy_url=_web(policy["url"]) if policy else None,
    )


def clean(text: str, length_max: int) -> str:
    """One line of printable text: at most `length_max` characters, `…` where it was longer.

    Control characters, overrides of the writing direction and invisible characters go; lone
    surrogates and private characters become □; white space becomes one space; of many marks over
    one letter the first few stay.
    """
    if len(text) <= length_max and text.isascii() and text.isprintable():
        return " ".join(text.split())
    # Cut before the work, so that the work is bounded too.
    head = unicodedata.normalize("NFC", text[: 4 * length_max])
    kept = "".join(_printable(char) for char in head)
    kept = " ".join(_MARKS.sub(_few_marks, kept).split())
    whole = len(kept) <= length_max and len(text) <= 4 * length_max
    return kept if whole else kept[: length_max - 1] + "…"


def canonical_locale(tag: str) -> str:
    """The nearest locale that Babel knows to a BCP 47 tag: `ja-JP` -> `ja_JP`; else `en`."""
    parts = tag.replace("-", "_").split("_") if _LOCALE.fullmatch(tag) else []
    for count in range(len(parts), 0, -1):
        try:
            return str(Locale.parse("_".join(parts[:count])))
        except (UnknownLocaleError, ValueError):
            continue
    return "en"


def _printable(char: str) -> str:
    match unicodedata.category(char):
        case "Cc" | "Zl" | "Zp" | "Zs":
            return " " if char.isspace() else ""
        case "Cf":
            return char if char in _JOINERS else ""
        case "Cs" | "Co" | "Cn":
            return "\N{WHITE SQUARE}"
        case _:
            return char


def _few_marks(run: re.Match[str]) -> str:
    marks, kept = 0, []
    for char in run.group():
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} or char in _JOINERS else 0
        if marks <= MARKS_MAX:
            kept.append(char)
    return "".join(kept)


def _optional(text: str | None, length_max: int) -> str | None:
    return (clean(text, length_max) or None) if text else None


def _texts(texts: Iterable[str], length_max: int, count_max: int = 12) -> tuple[str, ...]:
    cleaned = (clean(text, length_max) for text in list(texts)[:count_max])
    return tuple(text for text in cleaned if text)


def _web(url: str | None) -> str | None:
    return url if url and _WEB.fullmatch(url) else None


def _accent(colour: str) -> str:
    return colour if _ACCENT.fullmatch(colour) else ACCENT


def _zone(name: str) -> tzinfo:
    # UTC needs no zone database, which slim systems lack.
    return UTC if name == "UTC" else ZoneInfo(name)


def _day(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).date().isoformat()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seller(seller: SellerSnapshot) -> Party:
    return Party(
        name=clean(seller["name"], NAME_MAX),
        lines=_texts(seller["address_lines"], LINE_MAX),
        email=clean(seller["email"], LINE_MAX),
        registration=tuple(
            (clean(number["label"], NAME_MAX), clean(number["value"], NAME_MAX))
            for number in seller["registration"]
        ),
        url=_web(seller["url"]),
    )


def _buyer(buyer: BuyerSnapshot) -> Party:
    return Party(
        name=clean(buyer["name"], NAME_MAX),
        lines=_texts(buyer.get("address_lines", []), LINE_MAX),
        email=clean(buyer["email"], LINE_MAX),
    )


def _line(line: LineSnapshot) -> Line:
    title, *details = _texts(line["description"][: 8 * TEXT_MAX].splitlines(), TEXT_MAX) or ("—",)
    return Line(
        title=title,
        details=tuple(details),
        quantity=line["quantity"],
        unit_price=line["unit_price"],
        tax_rate=line["tax_rate"],
        total=line["total"],
    )


def _paid(payment: PaymentLine, zone: tzinfo) -> Paid:
    return Paid(
        on=_day(payment.at, zone),
        method=clean(payment.method, NAME_MAX),
        reference=clean(payment.reference, NAME_MAX),
        amount=payment.amount,
        fee=payment.fee,
    )
