"""What people wrote, made safe to print: cleaned, cut, and only what a page can show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from babel import Locale, UnknownLocaleError

#: Longest texts, in characters. A page has room for no more, and a layout must not take minutes.
NAME_MAX: Final = 120
LINE_MAX: Final = 160
TEXT_MAX: Final = 600
#: More marks than this over one letter are no language's, and slow to lay out.
MARKS_MAX: Final = 3
ACCENT: Final = "#1d4ed8"

_ACCENT = re.compile(r"#[0-9a-fA-F]{6}")
_WEB = re.compile(r"https?://[^\s\"'<>\\]{1,2000}", re.ASCII)
_LOCALE = re.compile(r"[a-zA-Z]{2,3}(?:[-_][a-zA-Z0-9]{2,8}){0,3}", re.ASCII)
_MARKS = re.compile(r"[\u0300-\U000e0fff]+")
_JOINERS = "\u200c\u200d"


def clean(text: str, length_max: int) -> str:
    """One line of printable text: at most `length_max` characters, `…` where it was longer.

    Control characters, overrides of the writing direction and invisible characters go; lone
    surrogates and private characters become □; white space becomes one space; of many marks over
    one letter the first few stay.
    """
    if len(text) <= length_max and text.isascii() and text.isprintable():
        return " ".join(text.split())
    # Cut before the work, so that the work is bounded too.
    head = unicodedata.normalize("NFC", text[: 4 * length_max])
    kept = "".join(_printable(char) for char in head)
    kept = " ".join(_MARKS.sub(_few_marks, kept).split())
    whole = len(kept) <= length_max and len(text) <= 4 * length_max
    return kept if whole else kept[: length_max - 1] + "…"


def optional(text: str | None, length_max: int) -> str | None:
    """The clean text; None where nothing is left of it."""
    return (clean(text, length_max) or None) if text else None


def texts(given: Iterable[str], length_max: int, count_max: int = 12) -> tuple[str, ...]:
    """The first few texts, clean, without those of which nothing is left."""
    cleaned = (clean(text, length_max) for text in list(given)[:count_max])
    return tuple(text for text in cleaned if text)


def web(url: str | None) -> str | None:
    """The URL if it is http(s); None for any other."""
    return url if url and _WEB.fullmatch(url) else None


def accent(colour: str) -> str:
    """`#1d4ed8`, or ours where it is no colour."""
    return colour if _ACCENT.fullmatch(colour) else ACCENT


def canonical_locale(tag: str) -> str:
    """The nearest locale that Babel knows to a BCP 47 tag: `ja-JP` -> `ja_JP`; else `en`."""
    parts = tag.replace("-", "_").split("_") if _LOCALE.fullmatch(tag) else []
    for count in range(len(parts), 0, -1):
        try:
            return str(Locale.parse("_".join(parts[:count])))
        except (UnknownLocaleError, ValueError):
            continue
    return "en"


def day(moment: datetime, at: tzinfo) -> str:
    """The moment's date there, ISO 8601."""
    return moment.astimezone(at).date().isoformat()


def utc(moment: datetime) -> str:
    """The moment as PDF's metadata write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _printable(char: str) -> str:
    match unicodedata.category(char):
        case "Cc" | "Zl" | "Zp" | "Zs":
            return " " if char.isspace() else ""
        case "Cf":
            return char if char in _JOINERS else ""
        case "Cs" | "Co" | "Cn":
            return "\N{WHITE SQUARE}"
        case _:
            return char


def _few_marks(run: re.Match[str]) -> str:
    marks, kept = 0, []
    for char in run.group():
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} or char in _JOINERS else 0
        if marks <= MARKS_MAX:
            kept.append(char)
    return "".join(kept)
