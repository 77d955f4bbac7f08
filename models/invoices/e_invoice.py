"""Structured invoices: which invoices are one, and why their lines at 0 % carry no tax."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from models.accounts.billing import EUROPEAN_UNION
from models.invoices.invoice import InvoiceKind
from models.invoices.snapshot import InvoiceSnapshot
from models.money import exponent

#: More decimals than EN 16931 gives amounts (BR-DEC).
_DECIMALS_MAX: Final = 2


@dataclass(frozen=True, slots=True)
class TaxCategory:
    """A VAT category (UNTDID 5305) with what must be said where no tax is charged."""

    code: str
    reason: str | None = None
    reason_code: str | None = None


def is_structured(snapshot: InvoiceSnapshot) -> bool:
    """Whether the invoice carries a structured one (EN 16931): a law asks for it, and all that it
    needs is there, such as both countries and the seller's VAT id.
    """
    seller, buyer = snapshot["seller"], snapshot["buyer"]
    return (
        snapshot["kind"] == InvoiceKind.ORDER
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
        snapshot["kind"] == InvoiceKind.ORDER
        and len(countries & EUROPEAN_UNION) == 2  # noqa: PLR2004 - two parties
        and bool(seller.get("vat_id") and buyer.get("vat_id"))
        and any(not Decimal(line["tax_rate"]) for line in snapshot["lines"])
    )


def zero_category(snapshot: InvoiceSnapshot) -> TaxCategory:
    """Why lines at 0 % carry no tax: reverse charge, the seller's own exemption, a client outside
    the European Union (VAT Directive, Art. 146), or zero rate.
    """
    if reverse_charged(snapshot):
        return TaxCategory("AE", "Reverse charge", "VATEX-EU-AE")
    if exemption := snapshot["seller"].get("exemption"):
        return TaxCategory("E", exemption)
    if snapshot["buyer"].get("country") not in EUROPEAN_UNION:
        return TaxCategory("G", "Export outside the EU", "VATEX-EU-G")
    return TaxCategory("Z")
