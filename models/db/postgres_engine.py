"""PostgreSQL: Tortoise's client with connections for reading only, and turns at the others.

Half of a process's connections write and half only read: a read waits for no lock, and for no
transaction that waits for one. A statement inside a transaction runs on its connection; any other
SELECT takes one of the readers'. Who writes takes turns (models.db.fair_queue). A lock that does
not come within `lock_timeout`, and a transaction that PostgreSQL ended because it stood still, are
TryAgain.

The stock client resets a connection after every use (`SELECT pg_advisory_unlock_all(); CLOSE ALL;
UNLISTEN *; RESET ALL`), which costs about a quarter of a small query. We keep no session state in
pooled connections, so there is nothing to reset. Nor does a connection go back to its pool after
each use: that takes a task, and as long as a small query does in this process. It stays with us
until something goes wrong on it.

Behind PgBouncer (`pooled`) a connection is another one of PostgreSQL's for each transaction: no
prepared statement is kept, and what we set on a connection of our own PgBouncer sets on its own.
Readers may write there; they have nothing to write.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, NamedTuple, TypeVar, cast

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.connection import get_connections

from models.db.fair_queue import FairQueue
from models.db.sqlite_engine import is_reading
from models.errors import TryAgain

B = TypeVar("B")
R = TypeVar("R")

#: How long a read waits while no other ends; `statement_timeout` ends each of them.
_READING_SECONDS_MAX: Final = 15.0
_STANDS_STILL: Final = (
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_UNHURRIED: Final = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0
"""
#: What a statement says on a connection that PostgreSQL has closed.
_ENDED: Final = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """How a connection is reset between two uses: see the module."""


@contextmanager
def _stillness_is_try_again() -> Iterator[None]:
    try:
        yield
    except _STANDS_STILL as error:
        raise TryAgain from error


class _Patient(AsyncpgDBClient):
    """What stands still may be tried again."""

    async def _translate_exceptions(
        self,
        func: Callable[..., Any],
        *args: Any,  # noqa: ANN401 - Tortoise's
        **kwargs: Any,  # noqa: ANN401 - Tortoise's
    ) -> Any:  # noqa: ANN401 - whatever `func` answers
        with _stillness_is_try_again():
            return await super()._translate_exceptions(func, *args, **kwargs)


class _Transaction(TransactionWrapper, _Patient):
    """A transaction on one connection."""


class _Lent(NamedTuple):
    """A connection of a pool, while we have it."""

    pool: AbstractAsyncContextManager[asyncpg.Connection]
    connection: asyncpg.Connection

    @property
    def is_closed(self) -> bool:
        """Whether PostgreSQL has closed it meanwhile."""
        return _is_closed(self.connection)

    async def give_back(self) -> None:
        """It is the pool's again."""
        await self.pool.__aexit__(None, None, None)


class _InTurn(_Patient):
    """A turn comes before a connection."""

    turns: FairQueue

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Tortoise's
        super().__init__(**options)
        self._idle: list[_Lent] = []

    @asynccontextmanager
    async def acquire_connection(self) -> AsyncIterator[asyncpg.Connection]:  # type: ignore[override] # only entered
        """One of the connections, in turn."""
        async with self.turns.turn():
            lent = await self._lent()
            try:
                yield lent.connection
            except BaseException:
                await lent.give_back()  # the pool knows what to do with it
                raise
            if lent.is_closed or lent.connection.is_in_transaction():
                await lent.give_back()
            else:
                self._idle.append(lent)

    async def _lent(self) -> _Lent:
        while self._idle:
            lent = self._idle.pop()
            if not lent.is_closed:
                return lent
            await lent.give_back()
        pool = super().acquire_connection()
        return _Lent(pool, await pool.__aenter__())

    async def close(self) -> None:
        """Close all connections."""
        while self._idle:
            await self._idle.pop().give_back()
        await super().close()

    @asynccontextmanager
    async def _in_transaction(self) -> AsyncIterator[_Transaction]:  # type: ignore[override] # as above
        """A transaction, from its turn until it has ended."""
        async with self.acquire_connection() as connection:
            inside = _Transaction(self)
            inside._connection = connection  # noqa: SLF001 - it takes the client's own
            await inside.begin()  # asyncpg rolls back what is given up here
            token = get_connections().set(self.connection_name, inside)
            try:
                async with _ended(inside, connection):
                    yield inside
            finally:
                get_connections().reset(token)


@asynccontextmanager
async def _ended(inside: _Transaction, connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Commit what is done in here, or roll it back. Raises TryAgain where PostgreSQL has ended it:
    then there is nothing to roll back, and nothing that could be committed.
    """
    try:
        yield
    except BaseException as error:
        if not _is_closed(connection):
            with _stillness_is_try_again():
                await inside.rollback()
        elif isinstance(error, _ENDED):
            raise TryAgain from error
        raise
    if _is_closed(connection):
        raise TryAgain
    with _stillness_is_try_again():
        await inside.commit()


def _is_closed(connection: asyncpg.Connection) -> bool:
    """Whether PostgreSQL has closed it. Its pool may know that, and take it back, before we do."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


class _Readers(_InTurn):
    """The connections that read."""

    def __init__(self, size: int, options: Mapping[str, Any]) -> None:
        if "server_settings" in options:
            given = {**options["server_settings"], "default_transaction_read_only": "on"}
            options = {**options, "server_settings": given}
        super().__init__(maxsize=size, **{**options, "reset": _leave_as_it_is})
        self.turns = FairQueue(size, bounded=False, patience_seconds=_READING_SECONDS_MAX)


class Client(_InTurn):
    """The database of one process; see the module. `maxsize` is of all its connections together."""

    def __init__(
        self,
        *,
        maxsize: int | str = 16,
        pooled: bool = False,
        **options: Any,  # noqa: ANN401 - Tortoise's
    ) -> None:
        reading = max(1, int(maxsize) // 2)
        writing = max(1, int(maxsize) - reading)
        super().__init__(maxsize=writing, reset=_leave_as_it_is, **options)
        self.turns = FairQueue(writing, lane_has_place=True)
        self.readers = _Readers(reading, options)
        self._options = options
        #: Whether PgBouncer stands between.
        self.pooled = pooled

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[None]:
        """Statements of this task read as of one moment in here, on a connection of their own and
        for as long as it takes.
        """
        alone = _Readers(1, self._options)
        try:
            async with alone._in_transaction() as reading:  # noqa: SLF001 - Tortoise's name for it
                await reading.execute_script(_UNHURRIED)
                yield
        finally:
            await alone.close()

    async def in_one_go(
        self, take: Callable[[], B], work: Callable[[B], Coroutine[Any, Any, R]]
    ) -> R:
        """One transaction: `work` on what `take` gives when it has begun."""
        async with self._in_transaction():
            return await work(take())

    async def close(self) -> None:
        """Close all connections."""
        await self.readers.close()
        await super().close()

    async def execute_query(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[int, list[dict[str, Any]]]:
        """Run one statement: what only reads on a connection for that."""
        run = self.readers.execute_query if is_reading(query) else super().execute_query
        return cast("tuple[int, list[dict[str, Any]]]", await run(query, values))

    async def execute_query_dict(
        self, query: str, values: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        """As `execute_query`, the rows alone."""
        run = self.readers.execute_query_dict if is_reading(query) else super().execute_query_dict
        return cast("list[dict[str, Any]]", await run(query, values))


client_class = Client
