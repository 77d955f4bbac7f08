"""Pages of a list, newest first unless its key says otherwise, by key: a page costs the same
wherever it is, and however long the list. Of many lists at once they are read together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from tortoise.models import Model

from models.db import sql
from models.db.record import parse_id
from models.errors import Invalid

T = TypeVar("T")
M = TypeVar("M", bound=Model)

SIZE_DEFAULT: Final = 20
SIZE_MAX: Final = 100

#: How many lists a statement reads: SQLite puts no more than 500 SELECTs together, and a list may
#: take a SELECT for each of several values.
_LISTS_MAX: Final = 50
_PLACEHOLDER: Final = re.compile(r"\$(\d+)")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a Relay connection is asked for. Raises Invalid where it makes no sense."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    count: bool = False

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None:
            raise Invalid("first", problem="page_first_and_last")
        for name, size in (("first", self.first), ("last", self.last)):
            if size is not None and not 0 <= size <= SIZE_MAX:
                raise Invalid(name, problem="page_size")

    @property
    def backward(self) -> bool:
        """Whether the page is counted from the end of the list."""
        return self.last is not None

    @property
    def size(self) -> int:
        """How many rows, at the most."""
        size = self.last if self.last is not None else self.first
        return SIZE_DEFAULT if size is None else size


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list. `total` is None where it was not asked for."""

    rows: list[T]
    has_next: bool
    has_previous: bool
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """The column that a list is ordered by, and how a cursor is read back into its value.

    `within` is the condition, on the list's first arguments, that makes it unique.
    """

    column: str
    read: Callable[[str], object]
    within: str = "1 = 1"
    oldest_first: bool = False


def by_id(prefix: str) -> Key:
    """Order of creation; a row's cursor is its public id."""

    def read(cursor: str) -> UUID:
        id = parse_id(prefix, cursor)
        if id is None:
            raise ValueError(cursor)
        return id

    return Key("id", read)


#: A line's cursor is its version.
BY_VERSION: Final = Key("version", int, "account_id = $1 AND currency = $2")


@dataclass(slots=True)
class Rows:
    """The rows of a list: those that `where` (with `$1` … for `args`) selects.

    How they are found is said here and not left to the planner, which does not know how far from
    the list's beginning they are. `few` are found first, by an index of their own, and then put in
    order. `each` is a column and its values, one of which a row must have: an index has each
    value's rows in the list's order. `total` begins a statement, to go on with `where`, that tells
    their number without counting them. `columns` are all, or those of `sql.columns`.
    """

    where: str
    args: list[Any] = field(default_factory=list)
    few: bool = False
    each: tuple[str, Sequence[object]] | None = None
    total: str = ""
    columns: str = "*"

    def arg(self, value: object) -> str:
        """The placeholder of one more argument."""
        self.args.append(value)
        return f"${len(self.args)}"


async def fetch_page(model: type[M], rows: Rows, request: PageRequest, key: Key) -> Page[M]:
    """A part of `rows`, which are of `model`'s table, in the order of `key`. Raises Invalid for a
    cursor.
    """
    table = sql.table_of(model)
    total = await _total(table, rows) if request.count else None
    found = await sql.records(model, _query(table, rows, request, key), *rows.args)
    return _page(found, request, total)


async def fetch_pages(
    model: type[M], lists: Sequence[Rows], request: PageRequest, key: Key
) -> list[Page[M]]:
    """The same part of each of these lists, in their order: a statement for each 50 of them, and
    one more for their totals. `key.column` must be among their columns. Raises as `fetch_page`.
    """
    if len(lists) == 1:
        return [await fetch_page(model, lists[0], request, key)]
    table, pages = sql.table_of(model), list[Page[M]]()
    for start in range(0, len(lists), _LISTS_MAX):
        some = lists[start : start + _LISTS_MAX]
        totals: list[int | None] = [None] * len(some)
        if request.count:
            asked = [_total_query(table, rows) for rows in some]
            for row in await _together(asked):
                totals[row["list_number"]] = int(row["total"])
        found: defaultdict[int, list[M]] = defaultdict(list)
        for row in await _together((_query(table, rows, request, key), rows.args) for rows in some):
            found[row.pop("list_number")].append(sql.record_of(model, row))
        for number, total in enumerate(totals):
            records = sorted(
                found[number],
                key=lambda record: getattr(record, key.column),
                reverse=not request.backward,
            )
            pages.append(_page(records, request, total))
    return pages


async def _together(queries: Iterable[tuple[str, Sequence[object]]]) -> list[sql.Row]:
    """The rows of all these queries in one statement; `list_number` says which one's."""
    parts, args = list[str](), list[object]()
    for number, (query, own) in enumerate(queries):
        text = _PLACEHOLDER.sub(partial(_later, by=len(args)), query)
        parts.append(f"SELECT {number} AS list_number, q{number}.* FROM ({text}) q{number}")
        args += own
    return await sql.fetch(" UNION ALL ".join(parts), *args)


def _later(placeholder: re.Match[str], by: int) -> str:
    return f"${int(placeholder[1]) + by}"


def _page(found: list[M], request: PageRequest, total: int | None) -> Page[M]:
    more = len(found) > request.size
    found = found[: request.size]
    if request.backward:
        found.reverse()
    return Page(
        found,
        has_next=request.before is not None if request.backward else more,
        has_previous=more if request.backward else request.after is not None,
        total=total,
    )


def _query(table: str, rows: Rows, request: PageRequest, key: Key) -> str:
    """The query for a page, and of one row more; adds its arguments to those of `rows`."""
    where = rows.where
    later, sooner = (">", "<") if key.oldest_first else ("<", ">")
    for name, cursor, sign in (("after", request.after, later), ("before", request.before, sooner)):
        if cursor is not None:
            where += f" AND {key.column} {sign} {rows.arg(_read(key, cursor, name))}"
    order = f"ORDER BY {key.column} {'ASC' if request.backward is not key.oldest_first else 'DESC'}"
    end = f"{order} LIMIT {request.size + 1}"
    if rows.few:
        return (
            f"WITH few AS MATERIALIZED (SELECT {key.column} FROM {table} WHERE {where})"
            f" SELECT {rows.columns} FROM {table} WHERE {key.within}"
            f" AND {key.column} IN (SELECT {key.column} FROM few {end}) {order}"
        )
    if rows.each is None:
        return f"SELECT {rows.columns} FROM {table} WHERE {where} {end}"
    column, values = rows.each
    parts = " UNION ALL ".join(
        f"SELECT * FROM (SELECT {key.column} FROM {table} WHERE {where}"
        f" AND {column} = {rows.arg(value)} {end}) part{n}"
        for n, value in enumerate(values)
    )
    return (
        f"SELECT {rows.columns} FROM {table} WHERE {key.within} AND {key.column} IN ({parts}) {end}"
    )


async def _total(table: str, rows: Rows) -> int:
    statement, args = _total_query(table, rows)
    row = await sql.fetch_one(statement, *args)
    assert row is not None
    return int(row["total"])


def _total_query(table: str, rows: Rows) -> tuple[str, list[object]]:
    statement = rows.total or f"SELECT COUNT(*) AS total FROM {table}"
    where, args = rows.where, [*rows.args]
    if rows.each is not None:
        column, values = rows.each
        where += f" AND {column} IN ({sql.placeholders(len(values), len(args) + 1)})"
        args += values
    return f"{statement} WHERE {where}", args


def _read(key: Key, cursor: str, name: str) -> object:
    try:
        value = key.read(cursor)
    except ValueError:
        raise Invalid(name, problem="cursor") from None
    if isinstance(value, int) and not -(2**62) < value < 2**62:
        raise Invalid(name, problem="cursor")
    return value
