"""A document as HTML: Jinja2 writes it, Babel formats it, a gettext catalogue translates it.

Runs in the process that renders, so it imports neither the domain nor WeasyPrint. `document` is
the decoded JSON of an `api.pdf.documents.document.Document`.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.pdf.catalogue import negotiate, translations
from api.pdf.colours import CONTRAST_MIN, INK, WHITE, contrast, on_colour
from api.pdf.formats import Formats
from api.pdf.qr import transfer_qr

#: Texts of ours that documents carry, in English since they were frozen, and their keys.
_KEYS: Final = {
    "Deposit to account credit": "deposit",
    "Registration no.": "registration",
}
#: Amounts longer than this many characters are set smaller, to stay in their columns.
AMOUNT_WIDE: Final = 15
#: What people wrote; where the page runs from right to left, each keeps a direction of its own.
_FREE: Final = frozenset(
    {"account_number", "bank_name", "beneficiary", "bic", "brand", "credit_note_number"}
    | {"deposit_tax", "details", "email", "exemption", "invoice_number", "lines", "method", "name"}
    | {"note", "notes", "number", "reason", "reference", "registration", "title", "vat_id"}
    | {"void_reason"}
)
#: Japan's reduced rate must be marked line by line (Consumption Tax Act, Art. 57-4).
_REDUCED_IN_JAPAN: Final = Decimal("0.08")
_FONTS: Final = {
    "ar": ("Noto Sans Arabic", "Inter", "Noto Sans JP"),
    "ja": ("Inter", "Noto Sans JP"),
    "ko": ("Inter", "Noto Sans KR", "Noto Sans JP"),
    "zh": ("Inter", "Noto Sans SC", "Noto Sans JP"),
}
_FALLBACK: Final = ("Inter", "Noto Sans JP", "Noto Sans Arabic", "Noto Sans KR", "Noto Sans SC")


def html_of(document: dict[str, Any], templates: Path) -> str:
    """The document as one HTML page that needs nothing else but `document.css`."""
    language, locale = negotiate(document["locale"], templates)
    formats = Formats(locale, document["currency"], document["decimals"])
    words = translations(language, templates)
    shown = _translated(document, words)
    shown = _isolated(shown, formats) if formats.rtl else shown
    template = _environment(language, templates).get_template(f"{document['template']}.html")
    return template.render(
        doc=shown,
        f=formats,
        language=language.replace("_", "-"),
        direction=locale.text_direction,
        page_rules=page_rules(words.gettext("page_of_pages"), language),
        on_accent=on_colour(document["accent"]),
        link=document["accent"] if contrast(document["accent"], WHITE) >= CONTRAST_MIN else INK,
        **_facts(document, formats),
    )


def xml_of(document: dict[str, Any], templates: Path) -> bytes | None:
    """The structured invoice inside the PDF (Factur-X, EN 16931); None where it has none."""
    facts = document.get("e_invoice")
    if facts is None:
        return None
    language, _ = negotiate(document["locale"], templates)
    decimals = document["decimals"]
    xml = _environment(language, templates).get_template("factur-x.xml")
    written = xml.render(
        doc={"due_on": None, **document},
        e=facts,
        major=lambda minor: f"{Decimal(minor).scaleb(-decimals):f}",
        percent=lambda rate: f"{(Decimal(rate) * 100).normalize():f}",
    )
    return written.encode()


def _facts(document: dict[str, Any], formats: Formats) -> dict[str, Any]:
    """What templates would have to work out themselves."""
    amounts = [document.get(name) or 0 for name in ("total", "received", "opening", "closing")]
    rates = {line["tax_rate"] for line in document.get("lines", ()) if "tax_rate" in line}
    return {
        "wide": max(len(formats.money(amount)) for amount in amounts) > AMOUNT_WIDE,
        "taxed": document.get("kind") == "ORDER" and bool(document.get("taxes")),
        "zero_rated": any(not Decimal(rate) for rate in rates),
        "reduced": _reduced(document, rates),
        "qr": transfer_qr(document),
        "initial": document["brand"][:1].upper(),
    }


def _reduced(document: dict[str, Any], rates: set[str]) -> set[str]:
    if document["seller"]["country"] != "JP":
        return set()
    listed = rates | {tax["rate"] for tax in document.get("taxes", ())}
    return {rate for rate in listed if Decimal(rate) == _REDUCED_IN_JAPAN}


def _translated(document: dict[str, Any], words: Translations) -> dict[str, Any]:
    """The few texts that are ours and no template's: what a deposit is called, and known labels."""
    seller = document["seller"]
    labelled = [(_ours(label, words), number) for label, number in seller["registration"]]
    shown = document | {"seller": seller | {"registration": labelled}}
    if document.get("kind") == "FUNDS" and "lines" in document:
        shown["lines"] = [
            line | {"title": _ours(line["title"], words)} for line in document["lines"]
        ]
    return shown


def _ours(text: str, words: Translations) -> str:
    return words.gettext(_KEYS[text]) if text in _KEYS else text


def _isolated(value: Any, formats: Formats, free: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - JSON, walked
    if isinstance(value, dict):
        return {key: _isolated(one, formats, key in _FREE) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_isolated(one, formats, free) for one in value]
    return formats.text(value) if free and isinstance(value, str) else value


def page_rules(page_of_pages: str, language: str) -> Markup:
    """`Page {page} of {pages}` and the fonts as CSS rules: only CSS knows the numbers."""
    counters = {"{page}": "counter(page)", "{pages}": "counter(pages)"}
    parts = re.split(r"(\{pages?\})", page_of_pages)
    content = " ".join(counters.get(part) or json.dumps(part, ensure_ascii=False) for part in parts)
    own = _FONTS.get(language.partition("_")[0], ())
    fonts = ", ".join(json.dumps(name) for name in dict.fromkeys((*own, *_FALLBACK)))
    rules = (
        "@page { font-family: %s; @bottom-right { content: %s } }"
        " html { font-family: %s, sans-serif }"
    )
    # Both are ours: the catalogue's words and the names of fonts.
    return Markup(rules) % (Markup(fonts), Markup(content), Markup(fonts))  # noqa: S704


@lru_cache
def _environment(language: str, templates: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words: Translations = translations(language, templates)
    # The extension adds this method; translated values are escaped when they are put in.
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    return environment
