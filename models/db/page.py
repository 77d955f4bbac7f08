"""Pages of a list, newest first, by key: a page costs the same wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    """The column that a list is ordered by, and how a cursor is read back into its value."""

    column: str
    read: Callable[[str], object]


def by_id(prefix: str) -> Key:
    """Order of creation; a row's cursor is its public id."""

    def read(cursor: str) -> UUID:
        id = parse_id(prefix, cursor)
        if id is None:
            raise ValueError(cursor)
        return id

    return Key("id", read)


#: A line's cursor is its version.
BY_VERSION: Final = Key("version", int)


async def fetch_page(
    model: type[M], where: str, args: list[Any], request: PageRequest, key: Key
) -> Page[M]:
    """The rows of `model`'s table that `where` (with `$1` … for `args`) selects, newest first."""
    table = sql.table_of(model)
    clauses, values = [where], [*args]
    for name, cursor, sign in (("after", request.after, "<"), ("before", request.before, ">")):
        if cursor is not None:
            values.append(_read(key, cursor, name))
            clauses.append(f"{key.column} {sign} ${len(values)}")
    order = "ASC" if request.backward else "DESC"
    rows = await sql.records(
        model,
        f"SELECT * FROM {table} WHERE {' AND '.join(clauses)}"
        f" ORDER BY {key.column} {order} LIMIT {request.size + 1}",
        *values,
    )
    more = len(rows) > request.size
    rows = rows[: request.size]
    if request.backward:
        rows.reverse()
    return Page(
        rows,
        has_next=request.before is not None if request.backward else more,
        has_previous=more if request.backward else request.after is not None,
        total=await _count(table, where, args) if request.count else None,
    )


async def _count(table: str, where: str, args: list[Any]) -> int:
    row = await sql.fetch_one(f"SELECT count(*) AS total FROM {table} WHERE {where}", *args)
    assert row is not None
    return int(row["total"])


def _read(key: Key, cursor: str, name: str) -> object:
    try:
        value = key.read(cursor)
    except ValueError:
        raise Invalid(name, problem="cursor") from None
    if isinstance(value, int) and not -(2**62) < value < 2**62:
        raise Invalid(name, problem="cursor")
    return value
