"""SQL of our own, the same text on both databases.

Placeholders are `$1`, `$2` …; inside `transaction()` a statement runs on its connection. Column
names carry their type: `id` and `…_id` are UUIDs, `…_at` are moments in UTC (SQLite keeps both as
text).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.connection import get_connection
from tortoise.models import Model

from models.db import sqlite_engine

M = TypeVar("M", bound=Model)
Row = dict[str, Any]
#: A statement and its arguments.
Statement = tuple[str, Sequence[object]]

_PLACEHOLDER = re.compile(r"\$(\d+)")


async def fetch(statement: str, *args: object) -> list[Row]:
    """All rows of a SELECT, or of an INSERT or UPDATE with RETURNING."""
    connection = get_connection("default")
    if connection.capabilities.dialect != "sqlite":
        return await connection.execute_query_dict(statement, list(args))
    rows = await connection.execute_query_dict(_for_sqlite(statement), _bound(args))
    return _decoded(rows)


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
        changed, _ = await connection.execute_query(_for_sqlite(statement), _bound(args))
    return changed


async def insert(table: str, rows: Sequence[Row], *, ignore_conflicts: bool = False) -> list[UUID]:
    """Insert `rows` (all with the same columns, `id` among them) in one statement; the ids that it
    inserted.
    """
    statement, args = insertion(table, rows, ignore_conflicts=ignore_conflicts)
    return [row["id"] for row in await fetch(statement, *args)]


def insertion(table: str, rows: Sequence[Row], *, ignore_conflicts: bool = False) -> Statement:
    """What `insert` runs, for `together`."""
    columns = tuple(rows[0])
    statement = _insert(table, columns, len(rows), ignore_conflicts)
    return statement, [row[column] for row in rows for column in columns]


async def together(statements: Sequence[Statement]) -> None:
    """Run INSERTs and UPDATEs, each of another table, in one trip to the database. Inside a
    transaction only.

    PostgreSQL takes them as one statement, so none sees what another has done.
    """
    connection = get_connection("default")
    if not statements:
        return
    if isinstance(connection, sqlite_engine.Transaction):
        await connection.run_together(
            [(_for_sqlite(text), _bound(args)) for text, args in statements]
        )
    else:
        text = _joined(tuple(statement for statement, _ in statements))
        await connection.execute_query_dict(text, [arg for _, args in statements for arg in args])


async def records(model: type[M], statement: str, *args: object) -> list[M]:
    """Rows of a `SELECT *` as records of `model`."""
    return [record_of(model, row) for row in await fetch(statement, *args)]


def record_of(model: type[M], row: Row) -> M:
    """A row with all of the model's columns, and no others, as a record."""
    record = model.__new__(model)
    # What Tortoise's own `_init_from_db` leaves behind, at a third of its cost: `fetch` has given
    # the values their types already, but for those that look like others in SQL.
    record.__dict__.update(
        row, _partial=False, _saved_in_db=True, _custom_generated_pk=True, _await_when_save={}
    )
    for name, read in _ambiguous(model):
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


def row_of(record: Model) -> Row:
    """A record's columns, as `insert` takes them."""
    return {name: getattr(record, name) for name in record._meta.db_fields}  # noqa: SLF001 - as above


def table_of(model: type[Model]) -> str:
    """The name of the table that keeps the model's records."""
    return model._meta.db_table  # noqa: SLF001 - as above


def for_update(alias: str = "") -> str:
    """The locking clause: SQLite has none and needs none, its transactions begin IMMEDIATE."""
    if get_connection("default").capabilities.dialect == "sqlite":
        return ""
    return f" FOR UPDATE OF {alias}" if alias else " FOR UPDATE"


def placeholders(count: int, start: int = 1) -> str:
    """`$1, $2, $3` for an IN list; for an empty one, which PostgreSQL lacks, what nothing is in."""
    return ", ".join(f"${n}" for n in range(start, start + count)) or "NULL"


def json(value: object) -> str:
    """JSON text for a column; keys sorted, so that equal values are equal texts."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


@lru_cache(maxsize=512)
def _insert(table: str, columns: tuple[str, ...], count: int, ignore_conflicts: bool) -> str:  # noqa: FBT001 - cache key
    width = len(columns)
    values = ", ".join(f"({placeholders(width, 1 + width * n)})" for n in range(count))
    conflict = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    names = ", ".join(f'"{column}"' for column in columns)
    return f'INSERT INTO "{table}" ({names}) VALUES {values}{conflict} RETURNING id'


@lru_cache(maxsize=512)
def _joined(statements: tuple[str, ...]) -> str:
    """`WITH s0 AS (…), s1 AS (…) SELECT 1`, the placeholders counted on."""
    parts, count = [], 0
    for number, statement in enumerate(statements):
        parts.append(f"s{number} AS ({_counted_on(statement, count)})")
        count += max(int(n) for n in _PLACEHOLDER.findall(statement))
    return f"WITH {', '.join(parts)} SELECT 1"


def _counted_on(statement: str, count: int) -> str:
    return _PLACEHOLDER.sub(lambda found: f"${int(found[1]) + count}", statement)


@lru_cache(maxsize=1024)
def _for_sqlite(statement: str) -> str:
    return _PLACEHOLDER.sub(r"?\1", statement)


def _bound(args: Sequence[object]) -> list[object]:
    return [str(arg) if isinstance(arg, UUID) else arg for arg in args]


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


@lru_cache(maxsize=512)
def _reader(column: str) -> Callable[[str], object] | None:
    if column.endswith("_at"):
        return datetime.fromisoformat
    if column == "id" or column.endswith("_id"):
        return UUID
    return None
