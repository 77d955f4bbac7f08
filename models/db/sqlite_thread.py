"""What runs in the thread of a connection to SQLite: nothing waits for another thread there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import aiosqlite
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.exceptions import OperationalError

from models.errors import TryAgain

R = TypeVar("R")
#: Each with the arguments of all its rows.
SqlBatch = Sequence[tuple[str, Sequence[Sequence[Any]]]]


class Inside:
    """A transaction that is run in the connection's own thread: nothing waits for another thread.

    It has what `models.db.sql` and `models.db.changes` need, and nothing else.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.capabilities = SqliteClient.capabilities
        self._connection = connection

    def _check_loop(self) -> bool:
        """Whether it belongs to the running loop, which Tortoise asks: there is none here."""
        return True

    async def execute_query(
        self, query: str, values: Sequence[Any] = ()
    ) -> tuple[int, list[sqlite3.Row]]:
        """How many rows it has changed, or found, and those found."""
        before = self._connection.total_changes
        rows = self._connection.execute(query, values).fetchall()
        return self._connection.total_changes - before or len(rows), rows

    async def execute_query_dict(
        self, query: str, values: Sequence[Any] = ()
    ) -> list[dict[str, Any]]:
        """The rows found."""
        return [dict(row) for row in self._connection.execute(query, values).fetchall()]

    async def run_all(self, statements: SqlBatch) -> list[int]:
        """As the function `run_all`."""
        return run_all(self._connection, statements)


class Suspended(Exception):
    """What was to be run in one go waits for something that is not the database."""


async def in_thread(connection: aiosqlite.Connection, work: Callable[..., R], *given: object) -> R:
    """Run `work` in the connection's thread."""
    run: Any = connection._execute  # noqa: SLF001 - aiosqlite has no other way
    done: R = await run(work, connection._conn, *given)  # noqa: SLF001 - as above
    return done


def run_through(work: Coroutine[Any, Any, R]) -> R:
    """What it returns, where it waits for nothing. Raises Suspended."""
    try:
        work.send(None)
    except StopIteration as end:
        done: R = end.value
        return done
    finally:
        work.close()
    raise Suspended


def begin(connection: sqlite3.Connection, seconds_max: float) -> None:
    """Begin, in the connection's thread, as soon as no other process has the lock."""
    until = monotonic() + seconds_max
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or monotonic() >= until:
                raise
        else:
            return


def run_all(connection: sqlite3.Connection, statements: SqlBatch) -> list[int]:
    """Run each statement once for each of its rows; how many rows each has changed."""
    return [connection.executemany(text, rows).rowcount for text, rows in statements]


@contextmanager
def locked_is_try_again() -> Iterator[None]:
    """Another process's lock that stays is TryAgain; other errors are Tortoise's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_locked(error):
            raise TryAgain from error
        raise OperationalError(error) from error


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return "database is locked" in str(error)
