"""Text that people type: brought into one form, or refused."""

from __future__ import annotations

import unicodedata
from typing import Final

from models.errors import Invalid

#: Turn the direction of the text after them: it reads as what it is not (UAX #9, 2.2 to 2.5).
_DIRECTION_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Control characters, lone surrogates, unassigned characters, line and paragraph separators.
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})


def clean_text(
    value: str, *field: str, maximum: int, multiline: bool = False, required: bool = True
) -> str:
    """`value` in Unicode's NFC, without white space around it.

    Raises Invalid at `field` when it has more than `maximum` characters, none at all although it is
    `required`, or any that cannot be printed. There is one line only unless `multiline`; then lines
    end in a line feed.
    """
    if len(value) > maximum * 4:
        raise Invalid(*field, problem="too_long")  # before any work on it
    text = unicodedata.normalize("NFC", value.strip())
    if multiline:
        text = text.replace("\r\n", "\n")
    if not text and required:
        raise Invalid(*field, problem="empty")
    if len(text) > maximum:
        raise Invalid(*field, problem="too_long")
    if not all(_printable(character, multiline) for character in text):
        raise Invalid(*field, problem="unprintable")
    return text


def _printable(character: str, multiline: bool) -> bool:  # noqa: FBT001 - private, one caller
    if character == "\n":
        return multiline
    if character.isprintable():
        return True
    return (
        unicodedata.category(character) not in _UNPRINTABLE and character not in _DIRECTION_CONTROLS
    )
