"""The keys of the templates: what each catalogue of the documents has a word for."""

from __future__ import annotations

from typing import Final

from jinja2.ext import babel_extract

from api.pdf.frames import TEMPLATES

#: Said by code, not by a template.
_BESIDE: Final = {"deposit", "page_of_pages", "registration"}
_KEYWORDS: Final = ("_", "gettext")


def keys() -> set[str]:
    """Every key."""
    found = set(_BESIDE)
    for path in (*TEMPLATES.glob("*.html"), TEMPLATES / "factur-x.xml"):
        with path.open("rb") as template:
            said = [message for _, _, message, _ in babel_extract(template, _KEYWORDS, [], {})]
        # Where a text has arguments there is a tuple: the key, and None for each of them.
        found |= {one if isinstance(one, str) else str((one or [""])[0]) for one in said}
    return found
