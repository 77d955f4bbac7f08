"""Billing details: where and how a client's invoices are addressed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Final, Self

from babel import Locale
from stdnum.eu import vat

from models.errors import Invalid
from models.text import clean_text

LINES_MAX: Final = 6
#: What CLDR has beyond ISO 3166-1: unions, test codes, "unknown".
_NO_COUNTRIES: Final = {"EU", "EZ", "QO", "UN", "XA", "XB", "XK", "ZZ"}

#: Members of the European Union, by ISO 3166-1. Greece writes EL in its VAT ids.
EUROPEAN_UNION: Final = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT"}
    | {"LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"}
)


def country_code(text: str, *field: str) -> str:
    """A country of ISO 3166-1 in capitals. Raises Invalid at `field`."""
    code = text.strip().upper()
    if code and (code not in _known_codes() or code in _NO_COUNTRIES):
        raise Invalid(*field, problem="country")
    return code


@cache
def _known_codes() -> frozenset[str]:
    two_letters = re.compile("[A-Z]{2}")
    return frozenset(filter(two_letters.fullmatch, map(str, Locale("en").territories)))


@dataclass(frozen=True, slots=True)
class Billing:
    """An address: lines as they are printed, and the parts that structured invoices want."""

    company: bool = False
    address: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    country: str = ""
    vat_id: str = ""

    @classmethod
    def of(cls, stored: object) -> Self:
        """As an account keeps it."""
        assert isinstance(stored, Mapping)
        return cls(**{**stored, "address": tuple(stored.get("address", ()))})

    def json(self) -> dict[str, Any]:
        """For the account to keep."""
        return asdict(self) | {"address": list(self.address)}

    def checked(self) -> Billing:
        """The same, clean. Raises Invalid at `billing` and the part of it."""
        if len(self.address) > LINES_MAX:
            raise Invalid("billing", "address", problem="too_long")
        country = country_code(self.country, "billing", "country")
        return replace(
            self,
            address=tuple(
                clean_text(line, "billing", "address", str(n), maximum=120)
                for n, line in enumerate(self.address)
            ),
            postcode=self._text("postcode", 20),
            city=self._text("city", 80),
            country=country,
            vat_id=self._vat_id(country),
        )

    def _text(self, name: str, maximum: int) -> str:
        return clean_text(getattr(self, name), "billing", name, maximum=maximum, required=False)

    def _vat_id(self, country: str) -> str:
        """One of the European Union's is checked by its digits; others are as they are written."""
        text = self._text("vat_id", 30)
        if text and country in EUROPEAN_UNION:
            if not vat.is_valid(text):
                raise Invalid("billing", "vat_id", problem="vat_id")
            return str(vat.compact(text))
        return text
