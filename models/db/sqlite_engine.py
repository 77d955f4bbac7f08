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
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Protocol, TypeVar, cast, runtime_checkable

import aiosqlite
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionWrapper,
    translate_exceptions,
)
from tortoise.connection import get_connections

from models.db.fair_queue import STILL_SECONDS_MAX, FairQueue
from models.db.sqlite_copy import fixed_address, is_fixed
from models.db.sqlite_thread import (
    Inside,
    SqlBatch,
    begin,
    in_thread,
    locked_is_try_again,
    run_all,
    run_through,
)

R = TypeVar("R")
B = TypeVar("B")
T = TypeVar("T")

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


@runtime_checkable
class RunsAll(Protocol):
    """A transaction that runs statements for many rows."""

    async def run_all(self, statements: SqlBatch) -> list[int]:
        """Run each statement once for each of its rows; how many rows each has changed."""
        ...


class Transaction(SqliteTransactionWrapper):
    """A transaction on the process's one connection that writes."""

    @translate_exceptions
    async def run_all(self, statements: SqlBatch) -> list[int]:
        """As `RunsAll` has it, in one visit to the connection's thread."""
        async with self.acquire_connection() as connection:
            return await in_thread(connection, run_all, statements)


class Readers:
    """The connections that read, and turns at them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.turns = FairQueue(_READERS, bounded=False, patience_seconds=_READING_SECONDS_MAX)
        self.connections: list[aiosqlite.Connection] = []
        self._idle: list[aiosqlite.Connection] = []
        self._opening: set[asyncio.Task[aiosqlite.Connection]] = set()

    async def rows(self, query: str, values: Sequence[Any] | None) -> list[sqlite3.Row]:
        """What a SELECT gives."""
        async with self.turns.turn():
            connection = self._idle.pop() if self._idle else await self._one_more()
            try:
                with locked_is_try_again():
                    return list(await connection.execute_fetchall(query, values or ()))
            except asyncio.CancelledError:
                await connection.interrupt()  # at once, whatever its thread is at
                raise
            finally:
                if connection in self.connections:  # they may have been closed meanwhile
                    self._idle.append(connection)

    async def _one_more(self) -> aiosqlite.Connection:
        """It is opened to the end, for the next one where nobody waits for it any more: its thread
        would else tell a loop that may have gone.
        """
        opening = asyncio.create_task(self._open())
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._leave)
            raise

    async def _open(self) -> aiosqlite.Connection:
        connections = self.connections
        connection = await self.client.reader()
        if connections is not self.connections:
            await connection.close()
            raise ValueError("the database was closed meanwhile")
        connections.append(connection)
        return connection

    def _leave(self, opened: asyncio.Task[aiosqlite.Connection]) -> None:
        if not opened.cancelled() and opened.exception() is None:
            self._idle.append(opened.result())

    async def close(self) -> None:
        """Close them all."""
        opening = (one for one in self._opening if one is not asyncio.current_task())
        await asyncio.gather(*opening, return_exceptions=True)
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
        self._writing = asyncio.Lock()

    async def create_connection(self, with_db: bool) -> None:  # noqa: FBT001 - as Tortoise has it
        """Open the connection that writes, with all of its settings or not at all."""
        try:
            await super().create_connection(with_db)
        except BaseException:
            if self._connection is not None:
                opened, self._connection = self._connection, None
                await opened.close()
            raise

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
            fixed_address(self.filename) if fixed else self.filename,
            uri=fixed,
            isolation_level=None,
        )
        connection.row_factory = sqlite3.Row
        pragmas = {**_READING_PRAGMAS, "busy_timeout": self._busy_timeout}
        try:
            for pragma, value in pragmas.items():
                await connection.execute_fetchall(f"PRAGMA {pragma}={value}")
        except BaseException:
            await connection.close()  # its thread would keep the process from ending
            raise
        return connection

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[None]:
        """Statements of this task read as of one moment in here, on a connection of their own."""
        connection = await self.reader()
        reading = SqliteTransactionWrapper(self)
        reading._connection = connection  # noqa: SLF001 - it takes the client's own
        try:
            await connection.execute_fetchall(f"PRAGMA temp_store={_room_to_sort()}")
            await connection.execute_fetchall("BEGIN")
            with self._used(reading):
                yield
        finally:
            await connection.interrupt()  # where the caller was canceled
            await connection.close()

    async def close(self) -> None:
        """Close all connections; the one that writes is last, and leaves one file."""
        await self.readers.close()
        await super().close()

    @asynccontextmanager
    async def acquire_connection(self) -> AsyncIterator[aiosqlite.Connection]:  # type: ignore[override] # only entered
        """The connection that writes, in turn."""
        async with self.turns.turn():
            connection = await self.writer()
            async with self._writing:
                yield connection

    @asynccontextmanager
    async def _in_transaction(self) -> AsyncIterator[Transaction]:  # type: ignore[override] # as above
        """A transaction, from its turn until it has ended."""
        async with self.acquire_connection() as connection:
            try:
                # A BEGIN that is given up may still be queued in the connection's thread; what
                # undoes it is queued behind it.
                with locked_is_try_again():
                    await in_thread(connection, begin, self.lock_seconds_max)
                with self._used(Transaction(self)) as inside:
                    yield inside
                with locked_is_try_again():
                    await connection.commit()
            except BaseException:
                await asyncio.shield(asyncio.ensure_future(connection.rollback()))
                raise

    async def in_one_go(
        self, take: Callable[[], B], work: Callable[[B], Coroutine[Any, Any, R]]
    ) -> R:
        """One transaction, in one visit to the connection's thread: `work` on what `take` gives
        when its turn has come. Raises Suspended where `work` waits for anything else.
        """
        async with self.acquire_connection() as connection:
            run: Any = partial(self._run_alone, work, take())
            return await in_thread(connection, partial(copy_context().run, run))

    def _run_alone(
        self,
        work: Callable[[B], Coroutine[Any, Any, R]],
        taken: B,
        connection: sqlite3.Connection,
    ) -> R:
        with locked_is_try_again():
            begin(connection, self.lock_seconds_max)
        try:
            with self._used(Inside(connection)):
                done = run_through(work(taken))
            with locked_is_try_again():
                connection.commit()
        except BaseException:
            connection.rollback()
            raise
        return done

    @contextmanager
    def _used(self, inside: T) -> Iterator[T]:
        """Statements of this task run there."""
        connections: Any = get_connections()  # `Inside` is as much of a client as is needed
        token = connections.set(self.connection_name, inside)
        try:
            yield inside
        finally:
            connections.reset(token)

    async def execute_query(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[int, Sequence[dict[str, Any]]]:
        """Run one statement: what reads beside the writer, what changes something in turn."""
        if is_reading(query):
            rows = await self._read(query, values)
            return len(rows), cast("list[dict[str, Any]]", rows)  # Tortoise's own has rows, too
        if _is_change(query):
            async with self._in_transaction() as inside:
                done = await inside.execute_query(query, values)
        else:
            done = await super().execute_query(query, values)
        return cast("tuple[int, list[dict[str, Any]]]", done)

    async def execute_query_dict(
        self, query: str, values: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        """As `execute_query`, the rows alone."""
        if is_reading(query):
            return [dict(row) for row in await self._read(query, values)]
        if _is_change(query):
            async with self._in_transaction() as inside:
                rows = await inside.execute_query_dict(query, values)
        else:
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


def _room_to_sort() -> str:
    """Where a long reading keeps what it sorts, which may be as much as the ledger: in files,
    unless this machine has no place for them.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return "MEMORY"
    return "FILE"


def is_reading(statement: str) -> bool:
    """Whether a statement only reads. Ours that begin WITH and change something are all inside
    transactions, which do not ask.
    """
    return statement.lstrip()[:6].upper().startswith(("SELECT", "WITH"))


def _is_change(statement: str) -> bool:
    return statement.lstrip()[:7].upper().startswith(("INSERT", "UPDATE", "DELETE", "REPLACE"))


client_class = Client
