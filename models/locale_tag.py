"""Language tags (BCP 47, RFC 5646), checked by what CLDR knows and brought into one form."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from models.errors import Invalid

_CHARS_MAX: Final = 100
#: RFC 5646, 2.1, without the tags that it only inherits. Extensions and what is for private use
#: come last.
_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)
#: No language of anybody's.
_NOBODYS: Final = frozenset({"und", "mul", "mis", "zxx"})
_CLDR: Final = Locale("en")


def language_tag(text: str, *field: str) -> str:
    """`EN-gb` as `en-GB`, `iw` as `he`; extensions, which nothing here heeds, are left out.

    Raises Invalid at `field` for what is no tag, or has a language, script, country or variant that
    CLDR does not know.
    """
    match = _TAG.fullmatch(text.strip()) if len(text) <= _CHARS_MAX else None
    if match is None:
        raise Invalid(*field, problem="locale")
    language, script = match["language"].lower(), (match["script"] or "").title()
    region, variants = (match["region"] or "").upper(), match["variants"].lower().split("-")[1:]
    language = _newest("language_aliases", language)
    region = _newest("territory_aliases", region)
    known = (
        _is_language(language)
        and (not script or script in _CLDR.scripts)
        and (not region or region in _CLDR.territories)
        and _known_variants().issuperset(variants)
        and len(set(variants)) == len(variants)
    )
    tag = "-".join(filter(None, (language, script, region, *variants)))
    if not known or len(tag) > TAG_CHARS_MAX:
        raise Invalid(*field, problem="locale")
    return tag


#: What RFC 4646, 4.3.1 found to suffice for every tag in use.
TAG_CHARS_MAX: Final = 35


@cache
def _known_variants() -> frozenset[str]:
    return frozenset(str(name).lower() for name in _CLDR.variants)


def _newest(kind: str, code: str) -> str:
    """What is written today for a code that has been replaced by one other (UK, iw)."""
    found = get_global(kind).get(code)  # type: ignore[arg-type]
    newer = found if isinstance(found, str) else found[0] if found and len(found) == 1 else code
    return newer if newer.isalnum() else code


def _is_language(code: str) -> bool:
    if code in _NOBODYS:
        return False
    try:
        Locale.parse(code)
    except (UnknownLocaleError, ValueError):
        return False
    return True
