"""XML as the readers look at it: by local names, one value at a place, and nothing cut short."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from api.bank_files.lines import StatementUnreadable, clean

_DECLARED: Final = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9_.-]+)["']""")
#: The parser knows encodings of one byte, and Unicode's.
_JAPANESE: Final = {
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "cp932": "cp932",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp",
}


def parsed(data: bytes) -> Element:
    """The root of a document without document type or entities. Raises StatementUnreadable."""
    try:
        root: Element = fromstring(_of_one_byte(data), forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        # ValueError has defusedxml's refusals under it: a document type, entities.
        raise StatementUnreadable(f"its XML isn't accepted ({clean(str(error))[:80]})") from None
    return root


def _of_one_byte(data: bytes) -> bytes | str:
    declared = _DECLARED.match(data[:200])
    encoding = _JAPANESE.get(declared[1].decode().lower()) if declared else None
    if declared is None or encoding is None:
        return data
    text = data.decode(encoding)
    return text[text.index("?>") + 2 :]


# ------------------------------------------------------------------------------- elements


def name_of(element: Element) -> str:
    """Its local name, without the namespace that has the version."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element, name: str) -> list[Element]:
    """Its children of this name."""
    return [child for child in element if name_of(child) == name]


def all_at(element: Element, *names: str) -> list[Element]:
    """The elements at a path."""
    found = [element]
    for name in names:
        found = [child for one in found for child in children(one, name)]
    return found


def one_at(element: Element, *names: str) -> Element | None:
    """The only element at a path; None if there is none. Raises StatementUnreadable."""
    found = all_at(element, *names)
    if len(found) > 1:
        raise StatementUnreadable(f"there are {len(found)} {'/'.join(names)} where one belongs")
    return found[0] if found else None


def value_at(element: Element, *names: str) -> str:
    """The only value at a path; empty if there is none. Raises StatementUnreadable."""
    found = one_at(element, *names)
    if found is None:
        return ""
    if len(found):
        raise StatementUnreadable(f"{'/'.join(names)} has elements where a value belongs")
    return (found.text or "").strip()


def count_at(element: Element, *names: str) -> int | None:
    """A count. Raises StatementUnreadable if it is not a number."""
    said = value_at(element, *names)
    if not said:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", said, re.ASCII):
        raise StatementUnreadable(f"{'/'.join(names)}: {clean(said)[:30]!r} isn't a number")
    return int(said)


# ------------------------------------------------------------------------------- texts


def first_text(element: Element, *names: str) -> str:
    """The first text at a path; empty if there is none."""
    return next((text for found in all_at(element, *names) for text in _text_of(found)), "")


def texts_below(element: Element, name: str) -> list[str]:
    """Every text below that an element of this name has."""
    return [text for one in element.iter() if name_of(one) == name for text in _text_of(one)]


def _text_of(element: Element) -> list[str]:
    text = (element.text or "").strip()
    return [text] if text else []
