"""The characters of a text file, whichever its bank writes."""

from __future__ import annotations

import codecs
import re
from typing import Final

#: Hiragana and katakana of full width, which no text in a Western encoding turns into.
_KANA: Final = re.compile("[\u3041-\u30ff]{2}")
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def marked_encoding(data: bytes) -> str | None:
    """The encoding that a byte order mark says; None if there is none."""
    return next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)


def decoded(data: bytes) -> str:
    """SWIFT's own characters are ASCII; others are in UTF-8, UTF-16, Shift_JIS or Windows-1252.

    Never fails: what reads the text finds what is amiss in it.
    """
    marked = marked_encoding(data)
    if marked is not None:
        return data.decode(marked, "replace")
    for encoding in ("utf-8", "cp932", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "cp932" or _KANA.search(text):
            return text
    return data.decode("latin-1")
