"""Snapshots: what an invoice said when it was issued, and what its PDF says forever.

Nothing that happens later (payments, credit, void, refund) is in here; that is passed beside it.
Amounts are integer minor units of the invoice's currency; rates and quantities are decimal
strings; moments are RFC 3339 in UTC.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Final, NotRequired, TypedDict

from models.provider.seller import zone_named

#: Description of a FUNDS invoice's line. Kept in English in the snapshot; documents translate it.
DEPOSIT: Final = "Deposit to account credit"


class Registration(TypedDict):
    """A number that the law wants printed: `{"label": "VAT no.", "value": "DE123456789"}`."""

    label: str
    value: str


class SellerSnapshot(TypedDict):
    """The provider, as its documents name it."""

    name: str
    address_lines: list[str]
    email: str
    registration: list[Registration]
    url: str
    brand: NotRequired[str]
    """The short name beside the mark; the legal name where it is left out."""
    accent: NotRequired[str]
    """The brand's colour: `#1d4ed8`."""
    timezone: NotRequired[str]
    """IANA name of the zone that dates are written in; UTC where it is left out."""
    logo: NotRequired[str]
    """The name of a kept `Picture`."""
    postcode: NotRequired[str]
    city: NotRequired[str]
    country: NotRequired[str]
    """ISO 3166-1, two letters."""
    vat_id: NotRequired[str]
    exemption: NotRequired[str]
    """Why lines at 0 % carry no tax."""


class BuyerSnapshot(TypedDict):
    """The client."""

    name: str
    email: str
    locale: str
    address_lines: NotRequired[list[str]]
    company: NotRequired[bool]
    postcode: NotRequired[str]
    city: NotRequired[str]
    country: NotRequired[str]
    """ISO 3166-1, two letters."""
    vat_id: NotRequired[str]


class BankSnapshot(TypedDict):
    """The account that the invoice may be paid to by transfer."""

    beneficiary: str
    bank_name: str
    account_number: str
    bic: str | None
    branch_name: NotRequired[str | None]
    branch_code: NotRequired[str | None]
    account_type: NotRequired[str | None]


class InvoiceLineSnapshot(TypedDict):
    """One line. The description's first text line is its title, further ones are details."""

    description: str
    quantity: str
    unit_price: int
    unit_price_exact: NotRequired[str]
    """In major units, where it may have more decimals than the currency."""
    tax_rate: str
    total: int


class TaxSnapshot(TypedDict):
    """The tax of one rate: rounded once per rate and invoice."""

    rate: str
    base: int
    tax: int


class PolicySnapshot(TypedDict):
    """The credit policy that a deposit was made under."""

    version: str
    url: str


class InvoiceSnapshot(TypedDict):
    """One issued invoice."""

    number: str
    kind: str
    """The value of an `InvoiceKind`."""
    currency: str
    issued_at: str
    due_at: str
    reference: str | None
    seller: SellerSnapshot
    buyer: BuyerSnapshot
    lines: list[InvoiceLineSnapshot]
    subtotal: int
    tax: int
    total: int
    taxes: list[TaxSnapshot]
    notes: list[str]
    policy: PolicySnapshot | None
    bank: NotRequired[BankSnapshot | None]
    transfer_reference: NotRequired[str | None]
    """What a transfer to that bank quotes, before anybody has begun a payment."""
    deposit_tax: NotRequired[str]
    """Why a deposit carries no tax: a sentence of the seller's, or empty for the standard one."""
    e_invoice: NotRequired[bool]
    """Whether its PDF carries the invoice as data too (EN 16931)."""


def zone_of(snapshot: InvoiceSnapshot) -> tzinfo:
    """The zone that an invoice's documents are dated in, frozen like all that they say."""
    return zone_named(snapshot["seller"].get("timezone", "UTC"))
