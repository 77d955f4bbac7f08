"""E-mail addresses: stored as they were written, compared by one rule.

Two addresses are one person's where they differ in nothing but case and what Unicode calls
compatible (full-width letters, ligatures): NFKC, then case folding, but for ß, which is no ss (IDNA
2008: straße.example and strasse.example are two domains).
"""

from __future__ import annotations

import unicodedata
from string import ascii_uppercase
from typing import Final

from models.text import common_width, is_shown

# RFC 5321, 4.5.3.1.3: a path has at most 256 octets, and two of them are its brackets.
_OCTETS_MAX: Final = 254
#: In an address only where it is quoted or commented (RFC 5322, 3.2.3), as nobody's is: what has
#: one is a list, a name with its address, or a link.
_SPECIALS: Final = frozenset('()<>[]:;,\\"')
#: What Japanese input methods make of the dot, besides its full-width form (UTS #46, 2.3).
_IDEOGRAPHIC_DOT: Final = "\u3002"
_SMALL_ASCII: Final = {ord(capital): capital.lower() for capital in ascii_uppercase}
_OF_WIDTH: Final = ("<wide>", "<narrow>")


def written(text: str) -> str | None:
    """The address as it is stored: without space around it, NFC, and what was typed in full width
    in its common form; None where it is not exactly one address.
    """
    if len(text) > 4 * _OCTETS_MAX:
        return None  # before any work on it
    email = unicodedata.normalize("NFC", "".join(map(_common_width, text.strip())))
    local, at, domain = email.rpartition("@")
    email = f"{local}{at}{domain.replace(_IDEOGRAPHIC_DOT, '.')}"
    return email if _is_one(email) and _is_one(_folded(email)) else None


def key_of(text: str) -> str | None:
    """What is equal for equal addresses, however they are written; None as for `written`."""
    email = written(text)
    return None if email is None else _folded(email)


def stored_key(email: str) -> str | None:
    """What is stored beside an address, as it was `written`, to find it by; None where its small
    letters are its key.
    """
    key = _folded(email)
    return None if key == email.translate(_SMALL_ASCII) else key


def _folded(text: str) -> str:
    parts = common_width(text).replace("ẞ", "ß").split("ß")
    return common_width("ß".join(part.casefold() for part in parts))


def _common_width(character: str) -> str:
    if unicodedata.decomposition(character).startswith(_OF_WIDTH):
        return common_width(character)
    return character


def _is_one(email: str) -> bool:
    local, _, domain = email.rpartition("@")
    return (
        bool(local)
        and "@" not in local
        and all(domain.split("."))
        and not _SPECIALS.intersection(email)
        and all(is_shown(character) for character in email)
        and len(email.encode()) <= _OCTETS_MAX
    )
