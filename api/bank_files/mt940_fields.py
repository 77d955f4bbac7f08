"""The fields of an MT940 file and their line numbers: what is a field, and of which statement.

After SWIFT's "Category 9 - Cash Management and Customer Status", MT 940. A field begins with its
tag in colons and goes on until the next; banks wrap lines anywhere, leave the envelope out or write
lines of their own around a statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.bank_files.lines import StatementUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAG: Final = re.compile(r"\s*:([0-9]{2}[A-Z]?|NS):(.*)", re.ASCII)
_HEADER: Final = frozenset({"20", "21", "25", "28"})
_BODY: Final = frozenset({"60", "61", "62", "64", "65", "86", "NS"})
#: Fields after which lines are a text that goes on.
_TEXTS: Final = frozenset({"61", "86", "NS"})
#: What is said once in a statement.
_ONCE: Final = frozenset({"20", "25", "28", "60", "62"})
#: A wrapped time of day in a text: `… T16` and, on the next line, `:20:37`.
_SECONDS: Final = re.compile(r"[0-5][0-9](?![0-9])", re.ASCII)
#: The envelope: basic, application and user header.
_BLOCKS: Final = re.compile(r"\{1:[^{}]*\}(?:\s*\{[23]:(?:[^{}]|\{[^{}]*\})*\})*\s*\{4:")
#: What transmission leaves around lines: byte order marks, NUL, STX, ETX, SUB.
_STRAY: Final = "\ufeff\0\1\2\3\x1a"


@dataclass(slots=True)
class Field:
    """`tag` is its number, `letter` what may follow it, `text` all its lines, and `line` the number
    of the first in the file.
    """

    tag: str
    letter: str
    text: str
    line: int

    @property
    def value(self) -> str:
        """Its text, of which it has one line. Raises StatementUnreadable."""
        first, *more = self.text.split("\n")
        if any(line.strip() for line in more):
            raise self.unreadable("goes on on another line")
        return first.strip()

    @property
    def place(self) -> str:
        """Where it is in the file."""
        return f"line {self.line}, :{self.tag}{self.letter}:"

    def unreadable(self, why: str) -> StatementUnreadable:
        """What to raise, with its place."""
        return StatementUnreadable(f"{self.place} {why}")


def unreadable(line: int, why: str) -> StatementUnreadable:
    """What to raise at a line of the file."""
    return StatementUnreadable(f"line {line}: {why}")


def statements(text: str) -> Iterator[list[Field]]:
    """The fields of each statement, whose opening and closing balances are there, in their order.

    Raises StatementUnreadable where a statement is cut off, or a field stands where it cannot.
    """
    fields: list[Field] = []
    seen: set[str] = set()
    for number, line in enumerate(_lines(text), 1):
        found = _TAG.match(line)
        tag = found[1][:2] if found else ""
        if found is None or _is_text(tag, found[2], fields):
            if _is_end(line, seen):
                yield fields
                fields, seen = [], set()
            elif fields:
                fields[-1].text += f"\n{line}"
            continue
        if tag == "20" and "62" in seen:
            yield fields
            fields, seen = [], set()
        _check(found[1], number, fields, seen)
        fields.append(Field(tag, found[1][2:], found[2], number))
        seen.add(tag)
    if fields:
        _check_whole(fields, seen)
        yield fields


def _lines(text: str) -> list[str]:
    whole = _BLOCKS.sub(lambda blocks: "\n" * blocks[0].count("\n"), text)
    return [line.strip(_STRAY) for line in re.split(r"\r*\n|\r", whole)]


def _is_text(tag: str, value: str, fields: list[Field]) -> bool:
    """Whether it is a line of a text that only looks like a field."""
    if not fields or fields[-1].tag not in _TEXTS or tag in _BODY:
        return False
    return tag not in _HEADER or bool(_SECONDS.match(value))


def _is_end(line: str, seen: set[str]) -> bool:
    """Whether the statement ends with this line. Before its closing balance a dash is text."""
    return "62" in seen and (line.strip() == "-" or line.startswith("-}"))


def _check(name: str, line: int, fields: list[Field], seen: set[str]) -> None:
    tag = name[:2]
    if tag == "20" and fields:
        _check_whole(fields, seen)
    if not fields and tag != "20":
        raise unreadable(line, f":{name}: is outside of any statement")
    if tag in _ONCE and tag in seen:
        raise unreadable(line, f"a second :{name}: in one statement")
    if tag in _HEADER and "60" in seen:
        raise unreadable(line, f":{name}: is after the opening balance")
    if tag in {"61", "62"} and ("60" not in seen or "62" in seen):
        raise unreadable(line, f":{name}: is not between the opening and the closing balance")


def _check_whole(fields: list[Field], seen: set[str]) -> None:
    for tag, name in (("60", "opening"), ("62", "closing")):
        if tag not in seen:
            begin = f"the statement that begins here ends before its {name} balance"
            raise unreadable(fields[0].line, begin)
