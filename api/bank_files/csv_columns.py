"""The mapping of a bank's CSV columns: how it is given, and where the columns are."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from api.bank_files.lines import StatementUnreadable, clean
from models.text import common_width

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a column may say. `amount` has a sign, `credit` and `debit` have one direction each.
MEANINGS: Final = (
    *("date", "amount", "credit", "debit", "balance", "payer", "payer_account", "text"),
    *("reference", "account", "currency"),
)
#: Those that may have several columns.
_SEVERAL: Final = frozenset({"payer", "text"})
_DIRECTIVES: Final = re.compile(r"%([a-zA-Z])")
#: Where a heading may be; above it banks say whose account it is.
_HEADING_WITHIN: Final = 50


class ColumnsWrong(Exception):
    """An option that says nothing we know; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Columns:
    """How to read a bank's CSV file.

    `named` are meanings and the headings of their columns, or their numbers from 1 where all are
    numbers; then `heading_rows` are skipped. `date_format` is strptime's; without one the year has
    to come first. `account` and `currency` are those of all rows that do not say their own.
    `separator` and `encoding` are found where they are empty, `decimal` is what stands before the
    decimals of an amount.
    """

    named: tuple[tuple[str, str], ...]
    account: str = ""
    currency: str = ""
    date_format: str = ""
    encoding: str = ""
    separator: str = ""
    decimal: str = ""
    heading_rows: int = 0

    @classmethod
    def parse(cls, columns: str, **options: Any) -> Columns:  # noqa: ANN401 - the fields above
        """What the options of the command line say. Raises ColumnsWrong."""
        separator = options.pop("separator", "")
        found = cls(parse(columns), separator={"tab": "\t"}.get(separator, separator), **options)
        found.check()
        return found

    def check(self) -> None:
        """Raises ColumnsWrong where it says nothing that can be read by."""
        meanings = {meaning for meaning, _ in self.named}
        if "date" not in meanings or not meanings & {"amount", "credit"}:
            raise ColumnsWrong("--columns needs `date`, and `amount` or `credit`.")
        if "amount" in meanings and meanings & {"credit", "debit"}:
            raise ColumnsWrong("--columns needs either `amount` or `credit` and `debit`, not both.")
        for name in ("account", "currency"):
            if bool(getattr(self, name)) == (name in meanings):
                raise ColumnsWrong(f"Name the {name} once: as --{name}, or as a column.")
        if self.decimal not in {"", ".", ","}:
            raise ColumnsWrong("--decimal must be . or ,")
        if len(self.separator) > 1:
            raise ColumnsWrong("--separator must be one character, or `tab`.")
        days = set(_DIRECTIVES.findall(self.date_format))
        if self.date_format and not (days & set("yY") and days & set("mbB") and "d" in days):
            raise ColumnsWrong("--date-format needs a day, a month and a year, as in %d.%m.%Y.")
        if self.encoding and not _is_encoding(self.encoding):
            raise ColumnsWrong(f"--encoding: {self.encoding!r} isn't a known encoding.")

    @property
    def by_number(self) -> bool:
        """Whether the columns are numbered instead of named."""
        return all(heading.isascii() and heading.isdigit() for _, heading in self.named)


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def parse(text: str) -> tuple[tuple[str, str], ...]:
    """`date=取引日,credit=入金金額,payer=摘要`; a name with a comma stands in quotes:
    `"credit=In, EUR"`. Raises ColumnsWrong.
    """
    found: list[tuple[str, str]] = []
    for part in next(csv.reader([text], skipinitialspace=True), []):
        meaning, equals, heading = (piece.strip() for piece in part.partition("="))
        if meaning not in MEANINGS or not equals or not heading:
            raise ColumnsWrong(
                f"--columns: {part!r} must be `meaning=heading`, where a meaning is "
                f"one of {', '.join(MEANINGS)}."
            )
        if meaning not in _SEVERAL and any(meaning == other for other, _ in found):
            raise ColumnsWrong(f"--columns has `{meaning}` twice.")
        found.append((meaning, heading))
    return tuple(found)


def folded(text: str) -> str:
    """A heading as it is compared."""
    return clean(common_width(text)).casefold()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the columns are: after how many rows the data begin, and each column from 0. A row has
    no more than `width` cells with something in them: else it was not separated as it was meant.
    """

    separator: str
    rows: int
    width: int
    columns: list[tuple[str, int]]

    def data(self, table: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
        """The rows with data. Raises StatementUnreadable."""
        width = self.width
        for number, cells in islice(table, self.rows, None):
            filled = max((n for n, cell in enumerate(cells, 1) if cell.strip()), default=0)
            width = width or len(cells)
            if filled > width:
                raise StatementUnreadable(
                    f"row {number}: it has {filled} columns instead of {width}"
                )
            if filled:
                yield number, cells


def located(table: Iterator[list[str]], separator: str, columns: Columns) -> Place | None:
    """Where the columns are; None where their headings are not in one row.

    Raises StatementUnreadable where a heading is there twice.
    """
    if columns.by_number:
        places = [(what, int(number) - 1) for what, number in columns.named]
        return Place(separator or ",", columns.heading_rows, 0, places)
    wanted = [folded(heading) for _, heading in columns.named]
    for number, row in enumerate(islice(table, _HEADING_WITHIN), 1):
        headings = [folded(cell) for cell in row]
        if not all(one in headings for one in wanted):
            continue
        twice = next((one for one in wanted if headings.count(one) > 1), None)
        if twice is not None:
            raise StatementUnreadable(f"row {number}: there are two columns {twice!r}")
        places = [(what, headings.index(folded(one))) for what, one in columns.named]
        return Place(separator, number, len(row), places)
    return None
