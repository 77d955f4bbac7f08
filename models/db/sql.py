"""Queries: SQL of our own, the same text on both databases.

Placeholders are `$1`, `$2` …; inside `transaction()` a statement runs on its connection. Column
names carry their type: `id` and `…_id` are UUIDs, `…_at` are moments in UTC (SQLite keeps both as
text).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.connection import get_connection
from tortoise.models import Model

M = TypeVar("M", bound=Model)
T = TypeVar("T")
Row = dict[str, Any]

#: A statement's list of ids: SQLite takes at most 32,766 parameters.
_PART = 500

_PLACEHOLDER = re.compile(r"\$(\d+)")


async def fetch(statement: str, *args: object) -> list[Row]:
    """All rows of a SELECT, or of an INSERT or UPDATE with RETURNING."""
    connection = get_connection("default")
    if connection.capabilities.dialect != "sqlite":
        return await connection.execute_query_dict(statement, list(args))
    rows = await connection.execute_query_dict(_for_sqlite(statement), bound(args))
    return _decoded(rows)


async def fetch_in_parts(statement: str, ids: Sequence[object], *args: object) -> list[Row]:
    """All rows of a SELECT with `IN ({ids})`, of any number of ids: a statement for each 500, and
    none for none. `args` are its first placeholders.
    """
    rows: list[Row] = []
    for start in range(0, len(ids), _PART):
        places, given = in_list(ids[start : start + _PART], len(args) + 1)
        rows += await fetch(statement.format(ids=places), *args, *given)
    return rows


async def fetch_one(statement: str, *args: object) -> Row | None:
    """The first row, or None."""
    rows = await fetch(statement, *args)
    return rows[0] if rows else None


async def execute(statement: str, *args: object) -> int:
    """Run an UPDATE or DELETE; how many rows it changed."""
    connection = get_connection("default")
    if connection.capabilities.dialect != "sqlite":
        changed, _ = await connection.execute_query(statement, list(args))
    else:
        changed, _ = await connection.execute_query(_for_sqlite(statement), bound(args))
    return changed


async def insert(table: str, rows: Sequence[Row], *, ignore_conflicts: bool = False) -> int:
    """Insert `rows` (all with the same columns) in one statement; how many it inserted. For what
    has no record: see `models.db.changes`.
    """
    columns = tuple(rows[0])
    statement = _insert(table, columns, len(rows), ignore_conflicts)
    args = [row[column] for row in rows for column in columns]
    return len(await fetch(statement, *args))


async def add(*records: Model) -> None:
    """Insert records of one model, in one statement."""
    await insert(table_of(type(records[0])), [row_of(record) for record in records])


async def add_new(*records: Model) -> int:
    """Insert those records of one model that none is like (a UNIQUE key), in one statement; how
    many.
    """
    rows = [row_of(record) for record in records]
    return await insert(table_of(type(records[0])), rows, ignore_conflicts=True)


async def records(model: type[M], statement: str, *args: object) -> list[M]:
    """Rows of a `SELECT *`, or of `SELECT {columns(…)}`, as records of `model`."""
    return [record_of(model, row) for row in await fetch(statement, *args)]


async def by_ids(model: type[M], ids: Sequence[UUID]) -> dict[UUID, M]:
    """The records with these ids, by id, in one statement; unknown ids are left out."""
    if not ids:
        return {}
    statement = f"SELECT * FROM {table_of(model)} WHERE {any_of('id', 1)}"
    return {record.pk: record for record in await records(model, statement, list(ids))}


async def of_each(
    model: type[M], column: str, ids: Sequence[UUID], order: str = "id"
) -> dict[UUID, list[M]]:
    """The records that have one of these ids in `column`, by that id, in one statement; those of
    each in this `order`. Ids that none has are left out.
    """
    found: defaultdict[UUID, list[M]] = defaultdict(list)
    if ids:
        where = f"{any_of(column, 1)} ORDER BY {order}"
        statement = f"SELECT * FROM {table_of(model)} WHERE {where}"
        for record in await records(model, statement, list(ids)):
            found[getattr(record, column)].append(record)
    return dict(found)


@lru_cache(maxsize=256)
def columns(
    model: type[Model], *, only: frozenset[str] | None = None, without: str | None = None
) -> str:
    """Some of a model's columns, for a SELECT: `only` these or else all of them, `without` one. Its
    records lack the other attributes: who reads one gets an AttributeError.
    """
    names = model._meta.db_fields if only is None else only  # noqa: SLF001 - as below
    return ", ".join(f'"{name}"' for name in sorted(names) if name != without)


def record_of(model: type[M], row: Row) -> M:
    """A row with the model's columns, and no others, as a record."""
    record = model.__new__(model)
    # What Tortoise's own `_init_from_db` leaves behind, at a third of its cost: `fetch` has given
    # the values their types already, but for those that look like others in SQL.
    record.__dict__.update(
        row, _partial=False, _saved_in_db=True, _custom_generated_pk=True, _await_when_save={}
    )
    for name, read in _ambiguous(model):
        if name in row:
            record.__dict__[name] = read(row[name])
    return record


@lru_cache(maxsize=64)
def _ambiguous(model: type[Model]) -> list[tuple[str, Callable[[Any], Any]]]:
    """The columns that are no text or number although SQL says so: JSON, and SQLite's booleans."""
    return [
        (name, field.to_python_value)
        for name, field in model._meta.fields_map.items()  # noqa: SLF001 - as `row_of`
        if isinstance(field, fields.JSONField | fields.BooleanField)
    ]


def copy_of(record: M) -> M:
    """The same record anew: a transaction may run again, and what it puts down then is not to be
    there already.
    """
    return record_of(type(record), row_of(record))


def row_of(record: Model) -> Row:
    """A record's columns, as `insert` takes them."""
    row = {name: getattr(record, name) for name in record._meta.db_fields}  # noqa: SLF001 - as above
    return encoded(type(record), row)


def encoded(model: type[Model], columns: Row) -> Row:
    """Columns of a model as statements take them: what is JSON as text."""
    is_json = _json_columns(model)
    return {
        name: json(value) if name in is_json and value is not None else value
        for name, value in columns.items()
    }


@lru_cache(maxsize=64)
def _json_columns(model: type[Model]) -> frozenset[str]:
    columns = model._meta.fields_map.items()  # noqa: SLF001 - as above
    return frozenset(name for name, field in columns if isinstance(field, fields.JSONField))


@lru_cache(maxsize=64)
def postgres_types(model: type[Model]) -> dict[str, str]:
    """What PostgreSQL's arrays of the model's columns are of. Text is of any length: a cast would
    cut off what is too long, and the column refuses it.
    """
    fields_map = model._meta.fields_map  # noqa: SLF001 - as above
    types = {
        name: field.get_for_dialect("postgres", "SQL_TYPE") for name, field in fields_map.items()
    }
    return {name: "TEXT" if kind.startswith("VARCHAR") else kind for name, kind in types.items()}


def table_of(model: type[Model]) -> str:
    """The name of the table that keeps the model's records."""
    return model._meta.db_table  # noqa: SLF001 - as above


def for_update(alias: str = "") -> str:
    """The locking clause: SQLite has none and needs none, its transactions begin IMMEDIATE."""
    if get_connection("default").capabilities.dialect == "sqlite":
        return ""
    return f" FOR UPDATE OF {alias}" if alias else " FOR UPDATE"


def skip_locked() -> str:
    """The locking clause that leaves out what others have locked."""
    lock = for_update()
    return f"{lock} SKIP LOCKED" if lock else ""


def lower_ascii(column: str) -> str:
    """The column with ASCII's capitals as small letters and all else as it is: PostgreSQL's own
    `lower` follows the locale of the database.
    """
    if get_connection("default").capabilities.dialect == "sqlite":
        return f"lower({column})"
    return f'lower({column} COLLATE "C")'


def any_of(column: str, number: int) -> str:
    """`column` is in the list that is the argument `$number`: one text, however long it is."""
    if get_connection("default").capabilities.dialect == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(${number}))"
    return f"{column} = ANY(${number})"


def given(alias: str, number: int, **columns: str) -> str:
    """For a FROM: rows of these columns and PostgreSQL types, which are the argument `$number`,
    made by `json`.
    """
    if get_connection("default").capabilities.dialect == "sqlite":
        values = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        return f"(SELECT {values} FROM json_each(${number})) AS {alias}"
    typed = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    return f"jsonb_to_recordset(${number}::jsonb) AS {alias}({typed})"


def placeholders(count: int, start: int = 1) -> str:
    """`$1, $2, $3` for an IN list; for an empty one, which PostgreSQL lacks, what nothing is in."""
    return ", ".join(f"${n}" for n in range(start, start + count)) or "NULL"


def literals(values: Iterable[str]) -> str:
    """`('a', 'b')` in this order, for IN: words that are ours, so they stand in the statement."""
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"


def in_list(values: Sequence[object], start: int = 1) -> tuple[str, Sequence[object]]:
    """The placeholders of an IN list and what stands in them: `values` (one at least), the last
    repeated up to a power of two. So a statement has few lengths, and is prepared for each.
    """
    size = 1 << (len(values) - 1).bit_length()
    return placeholders(size, start), [*values, *[values[-1]] * (size - len(values))]


def json(value: object) -> str:
    """JSON text for a column; keys sorted, so that equal values are equal texts."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


@lru_cache(maxsize=512)
def _insert(table: str, columns: tuple[str, ...], count: int, ignore_conflicts: bool) -> str:  # noqa: FBT001 - cache key
    width = len(columns)
    values = ", ".join(f"({placeholders(width, 1 + width * n)})" for n in range(count))
    conflict = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    names = ", ".join(f'"{column}"' for column in columns)
    return f'INSERT INTO "{table}" ({names}) VALUES {values}{conflict} RETURNING 1 AS added'


@lru_cache(maxsize=1024)
def _for_sqlite(statement: str) -> str:
    return _PLACEHOLDER.sub(r"?\1", statement)


def bound(args: Iterable[object]) -> list[object]:
    """Arguments as SQLite takes them; a list is JSON, see `any_of`."""
    return [_BOUND[type(arg)](arg) if type(arg) in _BOUND else arg for arg in args]


#: asyncpg's UUID type needs no entry: it never reaches SQLite.
_BOUND: Final[dict[type, Callable[[Any], object]]] = {
    UUID: str,
    list: lambda values: orjson.dumps(values).decode(),
}


def _decoded(rows: list[Row]) -> list[Row]:
    if not rows:
        return rows
    plan = [(name, read) for name in rows[0] if (read := _reader(name)) is not None]
    for row in rows:
        for name, read in plan:
            value = row[name]
            if isinstance(value, str):
                row[name] = read(value)
    return rows


#: Ids that others have given.
_NO_UUIDS: Final = frozenset({"credential_id", "external_id"})


@lru_cache(maxsize=512)
def _reader(column: str) -> Callable[[str], object] | None:
    if column.endswith("_at"):
        return datetime.fromisoformat
    if column == "id" or (column.endswith("_id") and column not in _NO_UUIDS):
        return UUID
    return None
