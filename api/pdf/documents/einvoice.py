"""The structured invoice inside an ORDER invoice's PDF: Factur-X, profile EN 16931.

Only what the snapshot says: it is the invoice as it was issued. Payments that came later are
printed, and are no part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from api.pdf import text
from models.invoices.e_invoice import TaxCategory, is_structured, zero_category
from models.invoices.snapshot import InvoiceSnapshot, zone_of

INVOICE: Final = "380"
CREDIT_NOTE: Final = "381"


@dataclass(frozen=True, slots=True)
class EInvoice:
    """What the XML has and the page has not. `zero` is the category of lines at 0 %.

    `supplied_on` and `of_on` are ISO 8601 dates; `of` is the invoice that a credit note takes back.
    """

    type_code: str
    number: str
    issued_on: str
    supplied_on: str
    zero: TaxCategory
    iban: str | None
    of: str | None = None
    of_on: str | None = None


def e_invoice_of(snapshot: InvoiceSnapshot) -> EInvoice | None:
    """What goes into the PDF, where it is to have one."""
    if not is_structured(snapshot):
        return None
    zone = zone_of(snapshot)
    issued_on = text.day(datetime.fromisoformat(snapshot["issued_at"]), zone)
    bank = snapshot.get("bank")
    return EInvoice(
        type_code=INVOICE,
        number=snapshot["number"],
        issued_on=issued_on,
        supplied_on=issued_on,
        zero=_cleaned(zero_category(snapshot)),
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


def _cleaned(category: TaxCategory) -> TaxCategory:
    """The seller's own reason is theirs to write."""
    if category.reason is None:
        return category
    return replace(category, reason=text.clean(category.reason, text.TEXT_MAX))


def _iban(number: str) -> str | None:
    compact = "".join(number.split())
    return compact if compact[:2].isalpha() and compact[2:4].isdigit() else None
