"""Changes: what a transaction writes, gathered by table and written together.

However many rows there are, a statement's text is the same, so it is prepared once. PostgreSQL
takes all statements as one, the rows of each as JSON (asyncpg looks at each value of an array for
longer than it takes to encode it); SQLite runs each once a row.

It takes rows. Whoever has a record gives `sql.row_of` it; but to make a record takes ten times as
long as to make its row, so what every payment writes is rows from the start: the ledger's, events
and idempotency keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

import orjson
from tortoise.connection import get_connection
from tortoise.models import Model

from models.db import sql, sqlite_engine
from models.db.transactions import Conflict


class _Verb(StrEnum):
    INSERT = "insert"
    CLAIM = "claim"
    "Insert, unless one like it is there: that is a conflict."
    ENSURE = "ensure"
    "Insert, unless one like it is there."
    UPDATE = "update"
    "By `id`."
    UPDATE_REVISED = "update revised"
    "By `id`, unless another transaction has written since: `revision` is what was read."
    INCREASE = "increase"
    "By `id`: add to the other columns."


class _RowKind(NamedTuple):
    """What the rows of one statement have in common: the verb, the table and the columns."""

    verb: _Verb
    model: type[Model] | str
    """Or the name of its table, of which only numbers are increased."""
    columns: tuple[str, ...]

    @property
    def table(self) -> str:
        """Its name."""
        return self.model if isinstance(self.model, str) else sql.table_of(self.model)

    def type_of(self, column: str) -> str:
        """What PostgreSQL calls it."""
        if isinstance(self.model, str):
            return "UUID" if column == "id" else "BIGINT"
        return sql.postgres_types(self.model)[column]


_SKIPS: Final = frozenset({_Verb.CLAIM, _Verb.ENSURE})


class Changes:
    """What is to be written. A row is changed once, and never in the same `write` that inserts it:
    on PostgreSQL the statements don't see each other's effects.
    """

    def __init__(self) -> None:
        self._rows: dict[_RowKind, list[sql.Row]] = {}

    @property
    def tables(self) -> list[str]:
        """The tables that are written, in the order in which they were named first."""
        return list(dict.fromkeys(kind.table for kind in self._rows))

    def rows(self, model: type[Model]) -> list[sql.Row]:
        """What is to be written of a model."""
        return [row for kind, rows in self._rows.items() if kind.model is model for row in rows]

    def insert(self, model: type[Model], rows: Iterable[sql.Row]) -> None:
        """Insert these."""
        self._add(_Verb.INSERT, model, rows)

    def claim(self, model: type[Model], rows: Iterable[sql.Row]) -> None:
        """Insert rows with a UNIQUE key; raises Conflict if another transaction was first."""
        self._add(_Verb.CLAIM, model, rows)

    def ensure(self, model: type[Model], rows: Iterable[sql.Row]) -> None:
        """Insert those that are not there."""
        self._add(_Verb.ENSURE, model, rows)

    def update(
        self, model: type[Model], id: UUID, columns: sql.Row, revision: int | None = None
    ) -> None:
        """Change these columns of a row. With a `revision`, which it increments, `write` raises
        Conflict if another transaction has written the row since it was read.
        """
        if revision is None:
            self._add(_Verb.UPDATE, model, [{"id": id, **columns}])
        else:
            self._add(_Verb.UPDATE_REVISED, model, [{"id": id, **columns, "revision": revision}])

    def increase(self, table: str, id: UUID, **columns: int) -> None:
        """Add to these columns of a row."""
        self._add(_Verb.INCREASE, table, [{"id": id, **columns}])

    def _add(self, verb: _Verb, model: type[Model] | str, rows: Iterable[sql.Row]) -> None:
        for row in rows:
            self._rows.setdefault(_RowKind(verb, model, tuple(row)), []).append(row)

    async def write(self) -> None:
        """Write everything, inside a transaction. Raises Conflict."""
        if not self._rows:
            return
        connection = get_connection("default")
        kinds = tuple(self._rows)
        if isinstance(connection, sqlite_engine.RunsAll):
            counts = await connection.run_all(
                [(_for_sqlite(kind), _bound(rows)) for kind, rows in self._rows.items()]
            )
        else:
            args = [orjson.dumps(rows, default=_text).decode() for rows in self._rows.values()]
            [row] = await connection.execute_query_dict(_for_postgres(kinds), args)
            counts = list(row.values())
        for kind, count in zip(kinds, counts, strict=True):
            if count != len(self._rows[kind]) and kind.verb != _Verb.ENSURE:
                raise Conflict


def _bound(rows: Sequence[sql.Row]) -> list[list[object]]:
    return [sql.bound(row.values()) for row in rows]


@lru_cache(maxsize=256)
def _for_sqlite(kind: _RowKind) -> str:
    verb, columns, table = kind.verb, kind.columns, kind.table
    if verb in (_Verb.INSERT, *_SKIPS):
        places = ", ".join("?" for _ in columns)
        skips = " ON CONFLICT DO NOTHING" if verb in _SKIPS else ""
        return f'INSERT INTO "{table}" ({_names(columns)}) VALUES ({places}){skips}'
    numbered = [(name, f"?{n}") for n, name in enumerate(columns, 1)]
    changed = [_changed(verb, name, value, "") for name, value in numbered[1:]]
    where = "id = ?1" + (f" AND revision = ?{len(columns)}" if _is_revised(verb) else "")
    return f'UPDATE "{table}" SET {", ".join(changed)} WHERE {where}'


@lru_cache(maxsize=256)
def _for_postgres(kinds: tuple[_RowKind, ...]) -> str:
    """`WITH s0 AS (…), s1 AS (…) SELECT` how many rows each has written."""
    parts = (f"s{n} AS ({_part(kind, n + 1)})" for n, kind in enumerate(kinds))
    counts = (f"(SELECT count(*) FROM s{n}) AS s{n}" for n in range(len(kinds)))
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"


def _part(kind: _RowKind, number: int) -> str:
    verb, columns, table = kind.verb, kind.columns, kind.table
    typed = ", ".join(f'"{name}" {_plain(kind.type_of(name))}' for name in columns)
    rows = f"FROM json_to_recordset(${number}::json) AS v({typed})"
    if verb in (_Verb.INSERT, *_SKIPS):
        skips = " ON CONFLICT DO NOTHING" if verb in _SKIPS else ""
        values = ", ".join(_value(kind, name) for name in columns)
        return (
            f'INSERT INTO "{table}" ({_names(columns)}) SELECT {values} {rows}{skips} RETURNING 1'
        )
    changed = [_changed(verb, name, _value(kind, name), "t.") for name in columns[1:]]
    where = "t.id = v.id" + (" AND t.revision = v.revision" if _is_revised(verb) else "")
    return f'UPDATE "{table}" AS t SET {", ".join(changed)} {rows} WHERE {where} RETURNING 1'


def _text(value: object) -> str:
    """`orjson` can't serialise asyncpg's UUID type."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value))


def _plain(type_: str) -> str:
    """A JSON column's values are passed as text."""
    return "TEXT" if type_ == "JSONB" else type_


def _value(kind: _RowKind, name: str) -> str:
    is_json = kind.type_of(name) == "JSONB"
    return f'v."{name}"' + ("::jsonb" if is_json else "")


def _changed(verb: _Verb, name: str, value: str, old: str) -> str:
    if _is_revised(verb) and name == "revision":
        return f"revision = {old}revision + 1"
    return (
        f'"{name}" = {old}"{name}" + {value}' if verb == _Verb.INCREASE else f'"{name}" = {value}'
    )


def _is_revised(verb: _Verb) -> bool:
    return verb == _Verb.UPDATE_REVISED


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
