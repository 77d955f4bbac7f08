"""Tortoise's SQLite client with transactions that are safe for money, and reads beside them.

A process has one connection that writes and a few that read: in WAL mode
(https://www.sqlite.org/wal.html) readers wait for no writer, see what was committed before they
began, and never what was not. A statement inside a transaction runs on its connection; any other
that only reads takes one of the readers'.

Transactions differ from the stock client's in three ways: one begins IMMEDIATE (a deferred one
fails with "database is locked" as soon as two processes read and then write), being canceled while
it begins gives the lock back, and a COMMIT that fails is rolled back (else the next BEGIN would
apply it). They take turns (models.db.fair_queue), and a lock that another process holds for longer
than `busy_timeout` is TryAgain.

The module's name must contain "sqlite": Tortoise's migrations pick their dialect by it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Final, TypeVar, cast

import aiosqlite
from tortoise.backends.base.client import (
    ConnectionWrapper,
    TransactionalDBClient,
    TransactionContext,
)
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
    translate_exceptions,
)
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError

from models.db.fair_queue import STILL_SECONDS_MAX, FairQueue
from models.errors import TryAgain

A = TypeVar("A")

#: How many read at once. Each is a thread, opened when all others are at work.
_READERS: Final = 4
#: How long a read waits while no other ends: queries have a limit of their own.
_READING_SECONDS_MAX: Final = 15.0
#: How long SQLite itself waits for another process's lock, before the writer asks again. Its own
#: pauses grow to a tenth of a second, within which a busy process takes the lock again and again.
_ASKING_MS: Final = 20

_PRAGMAS: Final = {
    "journal_mode": "WAL",
    # FULL syncs the log at every commit: an acknowledged commit survives a power cut.
    "synchronous": "FULL",
    "busy_timeout": int(STILL_SECONDS_MAX * 1000),
    "cache_size": -65_536,
    "temp_store": "MEMORY",
}
_READING_PRAGMAS: Final = {"query_only": "ON", "cache_size": -16_384, "temp_store": "MEMORY"}


class Transaction(SqliteTransactionWrapper):
    """A transaction on the process's one connection that writes."""

    _parent: Client

    async def begin(self) -> None:
        """Take the write lock at once; see the module."""
        connection, seconds_max = self._connection, self._parent.lock_seconds_max
        with _locked_is_try_again():
            await _in_thread(connection, _begin, seconds_max)

    async def commit(self) -> None:
        """Make it last, or roll it back."""
        try:
            with _locked_is_try_again():
                await super().commit()
        except BaseException:
            await self._connection.rollback()
            self._finalized = True
            raise

    @translate_exceptions
    async def run_together(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements whose rows nobody wants, in one visit to the connection's thread."""
        async with self.acquire_connection() as connection:
            await _in_thread(connection, _run_all, statements)


async def _in_thread(
    connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection, A], None], given: A
) -> None:
    """Run `work` in the connection's thread."""
    run: Any = connection._execute  # noqa: SLF001 - aiosqlite has no other way
    await run(work, connection._conn, given)  # noqa: SLF001 - as above


def _begin(connection: sqlite3.Connection, seconds_max: float) -> None:
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


def _run_all(
    connection: sqlite3.Connection, statements: Sequence[tuple[str, Sequence[Any]]]
) -> None:
    for statement, args in statements:
        connection.execute(statement, args).fetchall()


@contextmanager
def _locked_is_try_again() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_locked(error):
            raise TryAgain from error
        raise OperationalError(error) from error


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return "database is locked" in str(error)


class _Context(SqliteTransactionContext):
    """A transaction, from its turn until it has ended."""

    connection: Transaction

    def __init__(self, client: Client) -> None:
        self.parent = client
        super().__init__(Transaction(client), client.write_lock)

    async def __aenter__(self) -> TransactionalDBClient:
        self.caller = await self.parent.turns.take()
        try:
            self.connection._connection = await self.parent.writer()  # noqa: SLF001 - of this package
            await self._begun()
        except BaseException:
            self.parent.turns.give_back(self.caller)
            raise
        self.token = get_connections().set(self.connection_name, self.connection)
        return self.connection

    async def _begun(self) -> None:
        await self._trxlock.acquire()
        try:
            await self.connection.begin()
        except BaseException:
            # BEGIN may still be queued in the connection's thread: undo it there, then unlock.
            await asyncio.shield(asyncio.ensure_future(self._undo()))
            raise

    async def _undo(self) -> None:
        try:
            await self.connection._connection.rollback()  # noqa: SLF001 - its transaction has not begun
        finally:
            self._trxlock.release()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc_val, exc_tb)
        finally:
            self.parent.turns.give_back(self.caller)


class _Writing(ConnectionWrapper[aiosqlite.Connection]):
    """The connection that writes, for one statement outside any transaction."""

    client: Client

    async def __aenter__(self) -> aiosqlite.Connection:
        self.caller = await self.client.turns.take()
        try:
            self.connection = await self.client.writer()
            await self._lock.acquire()
        except BaseException:
            self.client.turns.give_back(self.caller)
            raise
        return self.connection

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
        self.client.turns.give_back(self.caller)


class Readers:
    """The connections that read, and turns at them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.turns = FairQueue(_READERS, bounded=False, patience_seconds=_READING_SECONDS_MAX)
        self.connections: list[aiosqlite.Connection] = []
        self._idle: list[aiosqlite.Connection] = []

    async def rows(self, query: str, values: Sequence[Any] | None) -> list[sqlite3.Row]:
        """What a SELECT gives."""
        caller = await self.turns.take()
        try:
            connection = self._idle.pop() if self._idle else await self._one_more()
            try:
                with _locked_is_try_again():
                    return list(await connection.execute_fetchall(query, values or ()))
            except asyncio.CancelledError:
                connection._conn.interrupt()  # noqa: SLF001 - at once, whatever its thread is at
                raise
            finally:
                self._idle.append(connection)
        finally:
            self.turns.give_back(caller)

    async def _one_more(self) -> aiosqlite.Connection:
        connection = await self.client.reader()
        self.connections.append(connection)
        return connection

    async def close(self) -> None:
        """Close them all."""
        connections, self.connections, self._idle = self.connections, [], []
        for connection in connections:
            await connection.close()


class Client(SqliteClient):
    """The database of one process; see the module."""

    def __init__(self, file_path: str, **options: Any) -> None:  # noqa: ANN401 - Tortoise's
        super().__init__(file_path, **{**_PRAGMAS, **options})
        self._busy_timeout = self.pragmas["busy_timeout"]
        self.pragmas["busy_timeout"] = _ASKING_MS
        self.lock_seconds_max = int(self._busy_timeout) / 1000
        self.turns = FairQueue(1)
        self.readers = Readers(self)
        self._opening = asyncio.Lock()

    @property
    def write_lock(self) -> asyncio.Lock:
        """Held while the connection that writes is at work; a turn comes before it."""
        return self._lock

    async def writer(self) -> aiosqlite.Connection:
        """The connection that writes."""
        async with self._opening:
            if self._connection is None:
                await self.create_connection(with_db=True)
        assert self._connection is not None
        return self._connection

    async def reader(self) -> aiosqlite.Connection:
        """One more connection, which only reads."""
        fixed = is_fixed(self.filename)
        if not fixed:
            await self.writer()  # it makes the file, and puts it into WAL mode
        connection = await aiosqlite.connect(
            _fixed_address(self.filename) if fixed else self.filename,
            uri=fixed,
            isolation_level=None,
        )
        connection._conn.row_factory = sqlite3.Row  # noqa: SLF001 - as Tortoise does
        pragmas = {**_READING_PRAGMAS, "busy_timeout": self._busy_timeout}
        for pragma, value in pragmas.items():
            await connection.execute_fetchall(f"PRAGMA {pragma}={value}")
        return connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """Statements of this task read as of one moment in here, on a connection of their own."""
        connection = await self.reader()
        reading = SqliteTransactionWrapper(self)
        reading._connection = connection  # noqa: SLF001 - of this package
        token = get_connections().set(self.connection_name, reading)
        try:
            await connection.execute_fetchall("BEGIN")
            yield
        finally:
            get_connections().reset(token)
            connection._conn.interrupt()  # noqa: SLF001 - where the caller was canceled
            await connection.close()

    async def close(self) -> None:
        """Close all connections; the one that writes is last, and leaves one file."""
        await self.readers.close()
        await super().close()

    def acquire_connection(self) -> ConnectionWrapper[aiosqlite.Connection]:
        """The connection that writes, in turn."""
        return _Writing(self._lock, self)

    def _in_transaction(self) -> TransactionContext:
        return _Context(self)

    async def execute_query(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[int, Sequence[dict[str, Any]]]:
        """Run one statement: what reads beside the writer, what changes something in turn."""
        if is_reading(query):
            rows = await self._read(query, values)
            return len(rows), cast("list[dict[str, Any]]", rows)  # Tortoise's own has rows, too
        if _is_change(query):
            async with self._in_transaction() as inside:
                return await inside.execute_query(query, values)
        return cast("tuple[int, list[dict[str, Any]]]", await super().execute_query(query, values))

    async def execute_query_dict(
        self, query: str, values: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        """As `execute_query`, the rows alone."""
        if is_reading(query):
            return [dict(row) for row in await self._read(query, values)]
        if _is_change(query):
            async with self._in_transaction() as inside:
                return await inside.execute_query_dict(query, values)
        rows = await super().execute_query_dict(query, values)
        return cast("list[dict[str, Any]]", rows)

    @translate_exceptions
    async def _read(self, query: str, values: list[Any] | None) -> list[sqlite3.Row]:
        return await self.readers.rows(query.replace("\x00", "'||CHAR(0)||'"), values)

    async def execute_insert(self, query: str, values: list[Any]) -> int:
        """Run an INSERT; the id of its row."""
        async with self._in_transaction() as inside:
            return int(await inside.execute_insert(query, values))

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        """Run a statement for each of `values`."""
        async with self._in_transaction() as inside:
            await inside.execute_many(query, values)


def is_reading(statement: str) -> bool:
    """Whether a statement only reads. Ours that begin WITH and change something are all inside
    transactions, which do not ask.
    """
    return statement.lstrip()[:6].upper().startswith(("SELECT", "WITH"))


def _is_change(statement: str) -> bool:
    return statement.lstrip()[:7].upper().startswith(("INSERT", "UPDATE", "DELETE", "REPLACE"))


class Unreadable(Exception):
    """A copy that cannot be read where it is; a sentence says why."""


def is_fixed(filename: str) -> bool:
    """Whether a database is where nothing can be written: a copy, on a medium or put away."""
    path = Path(filename).absolute()
    return path.is_file() and not (_can_be_written(path) and _can_be_written(path.parent))


def _fixed_address(filename: str) -> str:
    """The URI by which it is read without the files that SQLite keeps beside a database in use.

    Raises Unreadable where such a file came along with it and has what the database lacks.
    """
    path = Path(filename).absolute()
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_size:
            raise Unreadable(
                f"{path} is a copy of a database in use: {beside.name} has changes that can only be"
                " read where files can be written. Copy both to such a place, or make copies with"
                " sqlite3's .backup."
            )
    return f"{path.as_uri()}?immutable=1"


def _can_be_written(path: Path) -> bool:
    # Root may write whatever the mode says, but not on a file system that is mounted read-only.
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o222)


client_class = Client
