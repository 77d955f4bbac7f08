"""The words of the documents: one gettext catalogue a language, compiled in memory."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

#: The language that the templates are written in; it needs no catalogue.
SOURCE: Final = "en"


@lru_cache
def languages(templates: Path) -> frozenset[str]:
    """English, and every language that has `locale/<language>/documents.po`."""
    found = {po.parent.name for po in templates.glob("locale/*/documents.po")}
    return frozenset({SOURCE} | found)


def negotiate(tag: str, templates: Path) -> tuple[str, Locale]:
    """The catalogue and the formats of a locale; English ones where it has no catalogue."""
    parts = tag.split("_")
    for count in range(len(parts), 0, -1):
        language = "_".join(parts[:count])
        if language in languages(templates):
            return language, Locale.parse(tag)
    return SOURCE, Locale(SOURCE)


@lru_cache
def translations(language: str, templates: Path) -> Translations:
    """The catalogue of one language."""
    path = templates / "locale" / language / "documents.po"
    if not path.exists():
        return Translations()
    compiled = BytesIO()
    with path.open("rb") as po:
        write_mo(compiled, read_po(po, locale=language))
    compiled.seek(0)
    return Translations(compiled)
