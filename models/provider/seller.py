"""The seller: who issues the invoices, as printed on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo


def zone_named(name: str) -> tzinfo:
    """The time zone of an IANA name."""
    # UTC needs no zone database, which slim systems lack.
    return UTC if name == "UTC" else ZoneInfo(name)


#: Where a client who is a business is owed an invoice as data: by the Wachstumschancengesetz in
#: Germany (since 2025), by the loi de finances 2024 in France (from 2026).
_OWES_E_INVOICES: Final = frozenset({"DE", "FR"})


def owes_e_invoices(country: str) -> bool:
    """Whether the law of a seller's country, ISO 3166-1's two letters, asks for invoices as data
    (EN 16931).
    """
    return country in _OWES_E_INVOICES


@dataclass(frozen=True, slots=True)
class Picture:
    """A logo: its bytes, and `image/png` or `image/svg+xml`."""

    media_type: str
    content: bytes

    @property
    def name(self) -> str:
        """The SHA-256 of what it is, in hex."""
        return hashlib.sha256(f"{self.media_type}\n".encode() + self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class BankDetails:
    """The account that clients transfer one currency to, as it is printed."""

    beneficiary: str
    bank_name: str
    account_number: str
    bic: str | None = None
    branch_name: str | None = None
    branch_code: str | None = None
    account_type: str | None = None


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the invoices, as they are printed. `country` is ISO 3166-1's two letters."""

    name: str
    address: tuple[str, ...] = ()
    email: str = ""
    url: str = ""
    registration: tuple[tuple[str, str], ...] = ()
    brand: str = ""
    accent: str = ""
    logo: Picture | None = None
    timezone: str = "UTC"
    postcode: str = ""
    city: str = ""
    country: str = ""
    vat_id: str = ""
    exemption: str = ""
    """Why lines at 0 % carry no tax, where that is the seller's own reason."""
    notes: tuple[str, ...] = ()
    bank_accounts: Mapping[str, BankDetails] = field(default_factory=dict)
    """By currency."""

    @property
    def zone(self) -> tzinfo:
        """The zone that the seller's days are in."""
        return zone_named(self.timezone)
