"""Money, numbers and dates as a locale writes them."""

from __future__ import annotations

import copy
import re
from datetime import date
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date, format_interval
from babel.numbers import format_decimal, format_percent

#: `KWD1.000`: CLDR asks for a space there, which Babel leaves out.
_CODE_AND_DIGIT: Final = re.compile(r"(?<=[A-Z])(?=\d)")
_MARKS: Final = re.compile("[\u061c\u200e\u200f]")
_LRI, _FSI, _PDI = "\u2066", "\u2068", "\u2069"


class Formats:
    """Those of one locale and currency."""

    def __init__(self, locale: Locale, currency: str, decimals: int) -> None:
        self.locale = locale
        self.currency = currency
        self.decimals = decimals
        self.rtl = locale.text_direction == "rtl"
        # ISO 4217 says how many decimals there are; CLDR hides them for some (IQD, COP).
        self.pattern = locale.currency_formats["standard"]

    def money(self, minor: int) -> str:
        """Minor units, written exactly."""
        return self._number(self._money(minor))

    def signed(self, minor: int) -> str:
        """The same with its sign: `+$5.00`."""
        return self._number(f"{'+' if minor > 0 else ''}{self._money(minor)}")

    def price(self, exact: str) -> str:
        """A price in major units, with its decimals beyond those of the currency."""
        amount = Decimal(exact)
        exponent = amount.normalize().as_tuple().exponent
        assert isinstance(exponent, int), "a price is a number"
        return self._number(self._written(amount, max(self.decimals, -exponent)))

    def _money(self, minor: int) -> str:
        return self._written(Decimal(minor).scaleb(-self.decimals), self.decimals)

    def _written(self, amount: Decimal, decimals: int) -> str:
        pattern = copy.copy(self.pattern)
        pattern.frac_prec = (decimals, decimals)
        written = pattern.apply(amount, self.locale, self.currency, currency_digits=False)
        # CLDR writes yen in Japanese with the full-width sign, which tears tables apart.
        written = written.replace("\N{FULLWIDTH YEN SIGN}", "\N{YEN SIGN}")
        return _CODE_AND_DIGIT.sub("\N{NO-BREAK SPACE}", written)

    def number(self, value: str) -> str:
        """A decimal string, with all of its digits."""
        written = format_decimal(Decimal(value), locale=self.locale, decimal_quantization=False)
        return self._number(written)

    def percent(self, rate: str) -> str:
        """A fraction: `0.1` is 10 %."""
        written = format_percent(Decimal(rate), locale=self.locale, decimal_quantization=False)
        return self._number(written)

    def day(self, iso: str) -> str:
        """A date for tables: `Nov 3, 2026`."""
        return self.text(format_date(date.fromisoformat(iso), "medium", locale=self.locale))

    def long_day(self, iso: str) -> str:
        """A date for sentences, which stays on one line: `November 3, 2026`."""
        written = format_date(date.fromisoformat(iso), "long", locale=self.locale)
        return self.text(written.replace(" ", "\N{NO-BREAK SPACE}"))

    def span(self, first: str, last: str) -> str:
        """Two dates, both included: `11/1 to 11/30/2026`."""
        days = date.fromisoformat(first), date.fromisoformat(last)
        return self.text(str(format_interval(*days, "yMMMd", locale=self.locale)))

    def text(self, text: str) -> str:
        """A text whose direction is its own, whatever stands around it (UAX #9, 2.4)."""
        return f"{_FSI}{text}{_PDI}" if self.rtl and text else text

    def _number(self, text: str) -> str:
        # The sign stays before its digits: CLDR's own marks are for lines without isolates.
        return f"{_LRI}{_MARKS.sub('', text)}{_PDI}" if self.rtl else text
