"""The words of documents and mails: one keyed gettext catalogue a language, compiled in memory.

A language is one file, `locale/<language>/documents.po`, and needs no code. English has every key;
what another language lacks is said in it. A provider's copy of the templates may lack what has been
added since it was made: that is said in our words.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from api.pdf.frames import TEMPLATES

FALLBACK: Final = "en"


@lru_cache
def languages(templates: Path) -> frozenset[str]:
    """Every language that has `locale/<language>/documents.po`, and English."""
    found = {po.parent.name for po in templates.glob("locale/*/documents.po")}
    return frozenset({FALLBACK} | found)


def negotiate(tag: str, templates: Path) -> tuple[str, Locale]:
    """The catalogue and the formats of a locale; English ones where it has no catalogue."""
    parts = tag.split("_")
    for count in range(len(parts), 0, -1):
        language = "_".join(parts[:count])
        if language in languages(templates):
            return language, Locale.parse(tag)
    return FALLBACK, Locale(FALLBACK)


@lru_cache
def translations(language: str, templates: Path, subject: str = "documents") -> Translations:
    """The catalogue of one language, and behind it what says the keys that it lacks."""
    words = _read(language, templates, subject)
    places = ((language, TEMPLATES), (FALLBACK, templates), (FALLBACK, TEMPLATES))
    for place in dict.fromkeys(places):
        if place != (language, templates):
            words.add_fallback(_read(*place, subject))
    return words


def _read(language: str, templates: Path, subject: str) -> Translations:
    path = templates / "locale" / language / f"{subject}.po"
    if not path.exists():
        return Translations()
    compiled = BytesIO()
    with path.open("rb") as po:
        write_mo(compiled, read_po(po, locale=language))
    compiled.seek(0)
    return Translations(compiled)
