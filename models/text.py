"""Text that people type: brought into one form, or refused."""

from __future__ import annotations

import unicodedata
from typing import Final

from models.errors import Invalid

#: Turn the direction of the text after them: it reads as what it is not (UAX #9, 2.2 to 2.5).
_DIRECTION_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Control characters, lone surrogates, line and paragraph separators.
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: Format characters and spaces.
_UNSEEN: Final = frozenset({"Cf", "Zs"})
#: Letters, marks and symbols that leave no ink: fillers, joiners, selectors, the empty Braille
#: cell; and what is reserved for such (DerivedCoreProperties, Default_Ignorable_Code_Point).
_INKLESS: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xFFF0, 0xFFF9),
            *range(0xE0000, 0xE1000),
        ),
    )
)


def common_width(text: str) -> str:
    """Letters and digits in the form that all know, whatever width or ligature they were written in
    (Unicode's NFKC): banks write full-width letters, keyboards of Japan type them.
    """
    return unicodedata.normalize("NFKC", text)


def clean_text(
    value: str, *field: str, maximum: int, multiline: bool = False, required: bool = True
) -> str:
    """`value` in Unicode's NFC, without white space around it.

    Raises Invalid at `field` when it has more than `maximum` characters, none to be seen although
    it is `required`, or any that cannot be printed. There is one line only unless `multiline`; then
    lines end in a line feed.
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
    if not all(_printable(character, multiline=multiline) for character in text):
        raise Invalid(*field, problem="unprintable")
    if required and not any(map(is_shown, text)):
        raise Invalid(*field, problem="empty")
    return text


def clean_code(value: str, *field: str, maximum: int) -> str:
    """A code or reference that somebody copied: without white space, in capitals, and what was
    typed in full width in its common form (NFKC). Raises Invalid at `field` as `clean_text` does.
    """
    text = common_width(clean_text(value, *field, maximum=maximum))
    return "".join(text.split()).upper()


def folded(text: str) -> str:
    """What texts are searched by: alike in every script where only case or width differs (Unicode's
    compatibility caseless match, D146). Databases fold ASCII at most, or as their locale has it.
    """
    once = common_width(unicodedata.normalize("NFD", text).casefold())
    return common_width(once.casefold())


def is_shown(character: str) -> bool:
    """Whether a character of printed text leaves ink: an invisible one makes two names look alike,
    or none at all.
    """
    if character in _INKLESS:
        return False
    if character.isprintable():
        return character != " "
    return _printable(character, multiline=False) and unicodedata.category(character) not in _UNSEEN


def _printable(character: str, *, multiline: bool) -> bool:
    if character == "\n":
        return multiline
    if character.isprintable():
        return True
    if unicodedata.category(character) == "Cn":
        return _may_be_newer(character)
    return (
        unicodedata.category(character) not in _UNPRINTABLE and character not in _DIRECTION_CONTROLS
    )


def _may_be_newer(character: str) -> bool:
    """Whether a character that Python's tables lack can be one of a newer Unicode: all but those
    that never will be (noncharacters: The Unicode Standard, 23.7) and those that leave no ink.
    """
    code = ord(character)
    never = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE  # noqa: PLR2004 - as there
    return not never and character not in _INKLESS
