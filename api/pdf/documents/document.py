"""What all documents have: who issues it, whom it is for, and how it is written.

Documents are pure data. The process that renders gets one as JSON (`Document.encode`), so that
equal documents are equal bytes, and the hash of them is the name of the PDF.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

import orjson

from api.pdf import text
from api.pdf.text import LINE_MAX, NAME_MAX, TEXT_MAX, clean
from models.accounts.billing import EUROPEAN_UNION
from models.invoices.snapshot import BuyerSnapshot, InvoiceLineSnapshot, SellerSnapshot, TaxSnapshot
from models.money import Money, exponent
from models.provider.seller import Picture

#: Documents of more lines than this are made in the background.
LINES_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or buys. `registration` is pairs of label and number."""

    name: str
    lines: tuple[str, ...]
    email: str
    registration: tuple[tuple[str, str], ...] = ()
    url: str | None = None
    vat_id: str | None = None
    company: bool = False
    postcode: str = ""
    city: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line: `total` in minor units, `unit_price` an exact decimal in major units."""

    title: str
    details: tuple[str, ...]
    quantity: str
    unit_price: str
    tax_rate: str
    total: int


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax of one rate, in minor units."""

    rate: str
    base: int
    tax: int


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What every document begins with: whose it is, whom it is for, and how it is written.

    `mark` is the printed status of what it is about, or empty. `logo` is a data URL, `region` is
    where the seller's taxes are: a country, or `EU`.
    """

    locale: str
    mark: str
    currency: str
    decimals: int
    created: str
    modified: str
    brand: str
    accent: str
    logo: str | None
    region: str
    seller: Party
    buyer: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Dates are ISO 8601, amounts minor units of its head's currency."""

    template: str
    head: Letterhead

    def encode(self) -> bytes:
        """Its canonical JSON: what the head has stands beside the rest, as templates name it."""
        own = {name: value for name, value in _fields(self) if name != "head"}
        return orjson.dumps({**dict(_fields(self.head)), **own}, option=orjson.OPT_SORT_KEYS)

    @property
    def is_long(self) -> bool:
        """Whether it takes too long to render within a request."""
        return len(getattr(self, "lines", ())) > LINES_AT_ONCE

    @property
    def is_kept(self) -> bool:
        """Whether the store keeps it: the same bytes are likely to be requested again."""
        return True


@dataclass(frozen=True, slots=True)
class Look:
    """How a document is to be written: its language, and the logo that it was issued with."""

    locale: str
    logo: Picture | None = None


def letterhead(
    look: Look,
    seller: SellerSnapshot,
    buyer: BuyerSnapshot,
    *,
    currency: str,
    mark: str,
    created: datetime,
    modified: datetime,
) -> Letterhead:
    """The head of a document, with every text cleaned and cut."""
    return Letterhead(
        locale=text.canonical_locale(look.locale),
        mark=mark,
        currency=currency,
        decimals=exponent(currency),
        created=text.utc(created),
        modified=text.utc(modified),
        brand=clean(seller.get("brand") or seller["name"], NAME_MAX),
        accent=text.accent(seller.get("accent", text.ACCENT)),
        logo=_data_url(look.logo),
        region="EU" if seller.get("country") in EUROPEAN_UNION else seller.get("country", ""),
        seller=_seller(seller),
        buyer=_buyer(buyer),
    )


def _fields(of: Document | Letterhead) -> Iterator[tuple[str, object]]:
    return ((field.name, getattr(of, field.name)) for field in fields(of))


def lines_of(lines: list[InvoiceLineSnapshot], currency: str) -> tuple[DocumentLine, ...]:
    """An invoice's lines."""
    return tuple(_line(line, currency) for line in lines)


def taxes_of(taxes: list[TaxSnapshot]) -> tuple[Tax, ...]:
    """An invoice's taxes, by rate."""
    return tuple(Tax(t["rate"], t["base"], t["tax"]) for t in taxes)


def _data_url(logo: Picture | None) -> str | None:
    if logo is None:
        return None
    return f"data:{logo.media_type};base64,{b64encode(logo.content).decode()}"


def _seller(seller: SellerSnapshot) -> Party:
    return Party(
        name=clean(seller["name"], NAME_MAX),
        lines=text.texts(seller["address_lines"], LINE_MAX),
        email=clean(seller["email"], LINE_MAX),
        registration=tuple(
            (clean(number["label"], NAME_MAX), clean(number["value"], NAME_MAX))
            for number in seller["registration"]
        ),
        url=text.web(seller["url"]),
        vat_id=text.optional(seller.get("vat_id"), NAME_MAX),
        company=True,
        postcode=clean(seller.get("postcode", ""), NAME_MAX),
        city=clean(seller.get("city", ""), NAME_MAX),
        country=seller.get("country", ""),
    )


def _buyer(buyer: BuyerSnapshot) -> Party:
    return Party(
        name=clean(buyer["name"], NAME_MAX),
        lines=text.texts(buyer.get("address_lines", []), LINE_MAX),
        email=clean(buyer["email"], LINE_MAX),
        vat_id=text.optional(buyer.get("vat_id"), NAME_MAX),
        company=buyer.get("company", False),
        postcode=clean(buyer.get("postcode", ""), NAME_MAX),
        city=clean(buyer.get("city", ""), NAME_MAX),
        country=buyer.get("country", ""),
    )


def _line(line: InvoiceLineSnapshot, currency: str) -> DocumentLine:
    rows = line["description"][: 8 * TEXT_MAX].splitlines()
    title, *details = text.texts(rows, TEXT_MAX) or ("—",)
    rounded = Money(line["unit_price"], currency)
    return DocumentLine(
        title=title,
        details=tuple(details),
        quantity=line["quantity"],
        unit_price=line.get("unit_price_exact") or f"{rounded.amount:f}",
        tax_rate=line["tax_rate"],
        total=line["total"],
    )
