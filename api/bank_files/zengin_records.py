"""The records of a Zengin file: where each has its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from api.bank_files.lines import StatementUnreadable, at, clean
from models.text import common_width

_LENGTH: Final = 200
#: JIS X 0201: a character is a byte, and so a field is where its layout says.
_HALF_WIDTH: Final = re.compile("[\\s\x20-\x7e\u00a5\u203e\uff61-\uff9f]*")
Layout = dict[str, slice]


def _layout(**widths: int) -> Layout:
    ends = list(accumulate(widths.values()))
    return {
        name: slice(end - width, end)
        for (name, width), end in zip(widths.items(), ends, strict=True)
    }


_HEADER: Final = {
    "kind": 1,
    "of": 2,
    "code": 1,
    "made": 6,
    "begin": 6,
    "end": 6,
    "bank": 4,
    "bank_name": 15,
    "branch": 3,
    "branch_name": 15,
}
_TRANSFER: Final = {"payer_code": 10, "payer": 48, "payer_bank": 15, "payer_branch": 15}
_DATA_01: Final = {
    "kind": 1,
    "query": 6,
    "day": 6,
    "value": 6,
    "amount": 10,
    "cheques": 10,
    **_TRANSFER,
    "cancelled": 1,
}
#: By what the file is of and by the kind of record; 01B is of amounts with more than ten digits.
_LAYOUTS: Final[dict[tuple[str, str], Layout]] = {
    ("03", "1"): _layout(
        **_HEADER, filler=3, type=1, number=10, name=40, sign=1, book=1, balance=14
    ),
    ("03", "2"): _layout(
        kind=1,
        query=8,
        day=6,
        value=6,
        direction=1,
        reason=2,
        amount=12,
        cheques=12,
        presented=6,
        returned=6,
        paper=1,
        **{"paper_number": 7, "office": 3, **_TRANSFER, "summary": 20, "edi": 20},
    ),
    ("03", "8"): _layout(
        kind=1,
        credits=6,
        credited=13,
        debits=6,
        debited=13,
        sign=1,
        balance=14,
        records=7,
    ),
    ("03", "9"): _layout(kind=1, records=10, accounts=5),
    ("01", "1"): _layout(**_HEADER, type=1, number=7, name=40),
    ("01", "2"): _layout(**_DATA_01, edi=20),
    ("01B", "2"): _layout(**_DATA_01, large_amount=12, large_cheques=12, edi=20),
    ("01", "8"): _layout(kind=1, credits=6, credited=12, cancels=6, cancelled=12),
    ("01", "9"): _layout(kind=1),
}
#: Where 01B has two amounts, and 01 text.
_LARGE: Final = slice(128, 152)


@dataclass(frozen=True, slots=True)
class Record:
    """`number` is its place in the file, from 1; `of` is 01 or 03."""

    number: int
    of: str
    characters: str
    layout: Layout

    @property
    def kind(self) -> str:
        """1, 2, 8 or 9."""
        return self.characters[0]

    def has(self, field: str) -> bool:
        """Whether it has such a field."""
        return field in self.layout

    def text(self, field: str) -> str:
        """A text, in letters of full width where they are Japanese."""
        return clean(common_width(self.characters[self.layout[field]]))

    def digits(self, field: str) -> int | None:
        """A number; None where it is blank. Raises StatementUnreadable."""
        written = self.characters[self.layout[field]]
        if not written.strip(" "):
            return None
        if not re.fullmatch(r"[0-9]+", written, re.ASCII):
            raise StatementUnreadable(f"{field}: {clean(written)!r} isn't a number")
        return int(written)


def records(data: bytes) -> list[Record]:
    """All records. Raises StatementUnreadable."""
    lines = _split(data)
    of = lines[0][1:3]
    return [_record(number, of, characters) for number, characters in enumerate(lines, 1)]


def _record(number: int, of: str, characters: str) -> Record:
    kind = characters[:1]
    large = kind == "2" and of == "01" and re.fullmatch("[0-9]{24}", characters[_LARGE], re.ASCII)
    layout = _LAYOUTS.get(("01B" if large else of, kind))
    with at(f"record {number}:"):
        if layout is None:
            raise StatementUnreadable(f"the record type {clean(kind)!r} isn't known")
        # Spaces at its end, where no field is, may have been cut off.
        if not max(field.stop for field in layout.values()) <= len(characters) <= _LENGTH:
            raise StatementUnreadable(f"it has {len(characters)} characters instead of {_LENGTH}")
        if kind == "1" and characters[1:4] != f"{of}0":
            raise StatementUnreadable("it is in EBCDIC, or doesn't belong to the first header")
    return Record(number, of, characters.ljust(_LENGTH), layout)


def _split(data: bytes) -> list[str]:
    """The records' characters, in JIS X 0201 as part of Shift_JIS, or in UTF-8."""
    for encoding in ("cp932", "utf-8-sig"):
        try:
            text = data.decode(encoding).rstrip("\r\n\0\x1a")
        except UnicodeDecodeError:
            continue
        if not _HALF_WIDTH.fullmatch(text):
            continue
        lines = re.split(r"\r\n|\r|\n", text)
        if len(lines) > 1:
            return lines
        return [text[start : start + _LENGTH] for start in range(0, len(text), _LENGTH)]
    raise StatementUnreadable("it has characters that aren't half-width (JIS X 0201)")
