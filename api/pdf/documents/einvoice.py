"""The structured invoice inside an ORDER invoice's PDF: Factur-X, profile EN 16931.

Only what the snapshot says: it is the invoice as it was issued. Payments that came later are
printed, and are no part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from api.pdf import text
from models.accounts.billing import EUROPEAN_UNION
from models.invoices.snapshot import InvoiceSnapshot, zone_of
from models.money import exponent

#: More decimals than EN 16931 gives amounts (BR-DEC).
_DECIMALS_MAX: Final = 2
INVOICE: Final = "380"
CREDIT_NOTE: Final = "381"


@dataclass(frozen=True, slots=True)
class Category:
    """A VAT category (UNTDID 5305) with what must be said where no tax is charged."""

    code: str
    reason: str | None = None
    reason_code: str | None = None


@dataclass(frozen=True, slots=True)
class EInvoice:
    """What the XML has and the page has not. `zero` is the category of lines at 0 %.

    `supplied_on` and `of_on` are ISO 8601 dates; `of` is the invoice that a credit note takes back.
    """

    type_code: str
    number: str
    issued_on: str
    supplied_on: str
    zero: Category
    iban: str | None
    of: str | None = None
    of_on: str | None = None


def e_invoice_of(snapshot: InvoiceSnapshot) -> EInvoice | None:
    """What goes into the PDF; None where no law asks for it, or something that it needs is missing.

    It needs both countries and the seller's VAT id.
    """
    if not _wanted(snapshot):
        return None
    zone = zone_of(snapshot)
    issued_on = text.day(datetime.fromisoformat(snapshot["issued_at"]), zone)
    bank = snapshot.get("bank")
    return EInvoice(
        type_code=INVOICE,
        number=snapshot["number"],
        issued_on=issued_on,
        supplied_on=issued_on,
        zero=zero_category(snapshot),
        iban=_iban(bank["account_number"]) if bank else None,
    )


def credit_note_of(snapshot: InvoiceSnapshot, number: str, voided_on: str) -> EInvoice | None:
    """The same for the credit note that takes the invoice back."""
    taken_back = e_invoice_of(snapshot)
    if taken_back is None:
        return None
    return EInvoice(
        type_code=CREDIT_NOTE,
        number=number,
        issued_on=voided_on,
        supplied_on=taken_back.supplied_on,
        zero=taken_back.zero,
        iban=None,
        of=taken_back.number,
        of_on=taken_back.issued_on,
    )


def _wanted(snapshot: InvoiceSnapshot) -> bool:
    seller, buyer = snapshot["seller"], snapshot["buyer"]
    return (
        snapshot["kind"] == "ORDER"
        and snapshot.get("e_invoice", False)
        and bool(seller.get("country") and seller.get("vat_id"))
        and bool(buyer.get("country"))
        and exponent(snapshot["currency"]) <= _DECIMALS_MAX
    )


def reverse_charged(snapshot: InvoiceSnapshot) -> bool:
    """Whether the client owes the tax (VAT Directive, Art. 44, 196 and 226 no. 11a).

    Both are businesses with VAT ids in different countries of the Union, and no tax is charged.
    """
    seller, buyer = snapshot["seller"], snapshot["buyer"]
    countries = {seller.get("country"), buyer.get("country")}
    return (
        snapshot["kind"] == "ORDER"
        and len(countries & EUROPEAN_UNION) == 2  # noqa: PLR2004 - two parties
        and bool(seller.get("vat_id") and buyer.get("vat_id"))
        and any(not Decimal(line["tax_rate"]) for line in snapshot["lines"])
    )


def zero_category(snapshot: InvoiceSnapshot) -> Category:
    """Why lines at 0 % carry no tax: reverse charge, the seller's own exemption, a client outside
    the European Union (VAT Directive, Art. 146), or zero rate.
    """
    if reverse_charged(snapshot):
        return Category("AE", "Reverse charge", "VATEX-EU-AE")
    if exemption := snapshot["seller"].get("exemption"):
        return Category("E", text.clean(exemption, text.TEXT_MAX))
    if snapshot["buyer"].get("country") not in EUROPEAN_UNION:
        return Category("G", "Export outside the EU", "VATEX-EU-G")
    return Category("Z")


def _iban(number: str) -> str | None:
    compact = "".join(number.split())
    return compact if compact[:2].isalpha() and compact[2:4].isdigit() else None
