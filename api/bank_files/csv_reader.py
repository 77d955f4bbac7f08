"""A bank's CSV file, by a mapping of its columns: each row is understood whole, or nothing is read.

Cells are texts and nothing else: what looks like a formula is what somebody has written.
"""

from __future__ import annotations

import csv
from contextlib import suppress
from io import StringIO
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from api.bank_files.csv_columns import Place, located
from api.bank_files.csv_rows import Cells, Row, row_of
from api.bank_files.lines import StatementUnreadable, at, clean, keyed
from api.bank_files.texts import marked_encoding
from models.bank.reported import Balance, ReportedStatement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from api.bank_files.csv_columns import Columns

_SEPARATORS: Final = (",", ";", "\t", "|")
#: A cell has at most this many characters.
_CELL_MAX: Final = 10_000


def read(data: bytes, accounts: Collection[str], columns: Columns) -> list[ReportedStatement]:
    """A statement of each account and currency in the file. Raises StatementUnreadable."""
    text = _decoded(data, columns)
    place = _place(text, columns)
    groups: dict[tuple[str, str], list[Row]] = {}
    for number, cells in place.data(_table(text, place.separator)):
        with at(f"row {number}:"):
            row = row_of(number, Cells(cells, place.columns), accounts, columns)
        groups.setdefault((row.line.account, row.line.amount.currency), []).append(row)
    return [_statement(rows) for rows in groups.values()]


def _decoded(data: bytes, columns: Columns) -> str:
    encodings = [columns.encoding or marked_encoding(data) or "utf-8-sig"]
    encodings += [] if columns.encoding else ["cp932"]
    for encoding in encodings:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
    raise StatementUnreadable(
        f"it isn't in {' or '.join(encodings)}; give its encoding with --encoding"
    )


def _place(text: str, columns: Columns) -> Place:
    """Where the columns are, with the separator that has them."""
    csv.field_size_limit(_CELL_MAX)
    for separator in [columns.separator] if columns.separator else _SEPARATORS:
        table = csv.reader(StringIO(text, newline=""), delimiter=separator)
        with suppress(csv.Error):  # by another it is perhaps a table
            found = located(table, separator, columns)
            if found is not None:
                return found
    headings = ", ".join(clean(heading) for _, heading in columns.named)
    raise StatementUnreadable(f"it has no row with the headings {headings}")


def _table(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the number of its last line."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise StatementUnreadable(f"row {reader.line_num}: {error}") from None


def _statement(rows: list[Row]) -> ReportedStatement:
    ordered = _in_order(rows)
    first, last = ordered[0].line, ordered[-1].line
    opening, closing = _balances(ordered)
    reference = f"{first.booked_on} - {last.booked_on}"
    return ReportedStatement(
        form="CSV",
        reference=reference,
        account=first.account,
        currency=first.amount.currency,
        number=None,
        opening=opening,
        closing=closing,
        lines=keyed([row.line for row in ordered], f"CSV {reference} {opening} {closing}"),
    )


# ------------------------------------------------------------------------------- balances


def _in_order(rows: list[Row]) -> list[Row]:
    """The rows from the oldest to the newest; where they tell balances, those lead from one to the
    next. Raises StatementUnreadable where they do in neither order.
    """
    backwards = rows[::-1]
    if rows[0].line.booked_on > rows[-1].line.booked_on:
        rows, backwards = backwards, rows
    wrong = _wrong(rows)
    if wrong is None:
        return rows
    if _wrong(backwards) is None:
        return backwards
    raise StatementUnreadable(
        f"row {wrong.number}: its balance does not follow from the one before"
    )


def _wrong(rows: Sequence[Row]) -> Row | None:
    """The first row whose balance is not that of the one before and what it moved."""
    balance: int | None = None
    for row in rows:
        balance = None if balance is None else balance + row.moved
        if row.balance is not None and balance not in {None, row.balance}:
            return row
        balance = row.balance if row.balance is not None else balance
    return None


def _balances(rows: Sequence[Row]) -> tuple[Balance | None, Balance | None]:
    """The balances before the first row and after the last."""
    sums = list(accumulate(row.moved for row in rows))
    for row, moved in zip(rows, sums, strict=True):
        if row.balance is not None:
            before = row.balance - moved
            first, last = rows[0].line.booked_on, rows[-1].line.booked_on
            return Balance(before, first), Balance(before + sums[-1], last)
    return None, None
