"""A document as HTML: Jinja2 writes it, Babel formats it, a gettext catalogue translates it.

Runs in the process that renders, so it imports neither the domain nor WeasyPrint. `document` is
the decoded JSON of `api.pdf_document.Document`.
"""

from __future__ import annotations

import copy
import json
import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.pdf_frames import TEMPLATES

#: Amounts longer than this many characters are set smaller, to stay in their columns.
AMOUNT_WIDE: Final = 15
#: `KWD1.000`: CLDR asks for a space there, which Babel leaves out.
_CODE_AND_DIGIT = re.compile(r"(?<=[A-Z])(?=\d)")


def html_of(document: dict[str, Any]) -> str:
    """The invoice as one HTML page that needs nothing else but `invoice.css`."""
    language, locale = negotiate(document["locale"])
    formats = Formats(locale, document["currency"], document["decimals"])
    return (
        _environment(language)
        .get_template("invoice.html")
        .render(
            doc=document,
            f=formats,
            language=language.replace("_", "-"),
            direction=locale.text_direction,
            wide=len(formats.money(document["total"])) > AMOUNT_WIDE,
            page_rules=page_rules(_translations(language).gettext("Page {page} of {pages}")),
            paid=sum(payment["amount"] for payment in document["payments"]),
        )
    )


def negotiate(tag: str) -> tuple[str, Locale]:
    """The catalogue and the formats of a locale; English ones where it has no catalogue."""
    parts = tag.split("_")
    for count in range(len(parts), 0, -1):
        language = "_".join(parts[:count])
        if language in languages():
            return language, Locale.parse(tag)
    return "en", Locale("en")


@lru_cache
def languages() -> frozenset[str]:
    """English, which the templates are written in, and every language with a catalogue."""
    return frozenset({"en"} | {po.parent.name for po in TEMPLATES.glob("locale/*/invoice.po")})


class Formats:
    """Money, numbers and dates of one locale and currency."""

    def __init__(self, locale: Locale, currency: str, decimals: int) -> None:
        self.locale = locale
        self.currency = currency
        self.decimals = decimals
        # ISO 4217 says how many decimals there are; CLDR hides them for some (IQD, COP).
        self.pattern = copy.copy(locale.currency_formats["standard"])
        self.pattern.frac_prec = (decimals, decimals)

    def money(self, minor: int) -> str:
        """Minor units, written exactly."""
        amount = Decimal(minor).scaleb(-self.decimals)
        written = self.pattern.apply(amount, self.locale, self.currency, currency_digits=False)
        # CLDR writes yen in Japanese with the full-width sign, which tears tables apart.
        written = written.replace("\N{FULLWIDTH YEN SIGN}", "\N{YEN SIGN}")
        return _CODE_AND_DIGIT.sub("\N{NO-BREAK SPACE}", written)

    def number(self, value: str) -> str:
        """A decimal string, with all of its digits."""
        return format_decimal(Decimal(value), locale=self.locale, decimal_quantization=False)

    def percent(self, rate: str) -> str:
        """A fraction: `0.1` is 10 %."""
        return format_percent(Decimal(rate), locale=self.locale, decimal_quantization=False)

    def day(self, iso: str) -> str:
        """A date for tables: `Nov 3, 2026`."""
        return format_date(date.fromisoformat(iso), "medium", locale=self.locale)

    def long_day(self, iso: str) -> str:
        """A date for sentences, which stays on one line: `November 3, 2026`."""
        written = format_date(date.fromisoformat(iso), "long", locale=self.locale)
        return written.replace(" ", "\N{NO-BREAK SPACE}")


def page_rules(page_of_pages: str) -> Markup:
    """`Page {page} of {pages}` as a CSS rule: only CSS knows the numbers."""
    counters = {"{page}": "counter(page)", "{pages}": "counter(pages)"}
    parts = re.split(r"(\{pages?\})", page_of_pages)
    content = " ".join(counters.get(part) or json.dumps(part, ensure_ascii=False) for part in parts)
    return Markup("@page { @bottom-right { content: %s } }") % Markup(content)  # noqa: S704 - catalogue's


@lru_cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # The extension adds this method; translated values are escaped when they are put in.
    environment.install_gettext_translations(_translations(language), newstyle=True)  # type: ignore[attr-defined]
    return environment


@lru_cache
def _translations(language: str) -> Translations:
    """The catalogue of one language, compiled in memory; English needs none."""
    path = TEMPLATES / "locale" / language / "invoice.po"
    if not path.exists():
        return Translations()
    compiled = BytesIO()
    with path.open("rb") as po:
        write_mo(compiled, read_po(po, locale=language))
    compiled.seek(0)
    return Translations(compiled)
