"""Tortoise's asyncpg client with connections of their own for reading, and turns at the others.

Half of a process's connections write and half only read: a read waits for no lock, and for no
transaction that waits for one. A statement inside a transaction runs on its connection; any other
SELECT takes one of the readers'. Who writes takes turns (models.db.fair_queue). A lock that does
not come within `lock_timeout`, and a transaction that PostgreSQL ended because it stood still, are
TryAgain.

The stock client resets a connection after every use (`SELECT pg_advisory_unlock_all(); CLOSE ALL;
UNLISTEN *; RESET ALL`), which costs about a quarter of a small query. We keep no session state in
pooled connections, so there is nothing to reset.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Final, cast

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import (
    PoolConnectionWrapper,
    TransactionalDBClient,
    TransactionContext,
    TransactionContextPooled,
)
from tortoise.connection import get_connections

from models.db.fair_queue import FairQueue
from models.db.sqlite_engine import is_reading
from models.errors import TryAgain

#: How long a read waits while no other ends; `statement_timeout` ends each of them.
_READING_SECONDS_MAX: Final = 15.0
_STANDS_STILL: Final = (
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
#: What a statement says on a connection that PostgreSQL has closed.
_ENDED: Final = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        return ""


@contextmanager
def _stillness_is_try_again() -> Iterator[None]:
    try:
        yield
    except _STANDS_STILL as error:
        raise TryAgain from error


class _Patient(AsyncpgDBClient):
    """What every client of ours has in common."""

    async def create_pool(self, **options: Any) -> asyncpg.Pool[Any]:  # noqa: ANN401 - Tortoise's
        """Tortoise's pool, of connections that are not reset."""
        return await super().create_pool(**{**options, "connection_class": _Connection})

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


class _Context(TransactionContextPooled):
    """A transaction, from its turn until it has ended."""

    def __init__(self, client: Client) -> None:
        self.parent = client
        super().__init__(_Transaction(client), client._pool_init_lock)  # noqa: SLF001 - as Tortoise does

    async def __aenter__(self) -> TransactionalDBClient:
        self.caller = await self.parent.turns.take()
        try:
            await self._begun()
        except BaseException:
            self.parent.turns.give_back(self.caller)
            raise
        return self.client

    async def _begun(self) -> None:
        await self.ensure_connection()
        pool = self.parent._pool  # noqa: SLF001 - of this package
        assert pool is not None
        connection = await pool.acquire()
        self.client._connection = connection  # noqa: SLF001 - as above
        try:
            await self.client.begin()
        except BaseException:
            await pool.release(connection)  # asyncpg rolls back what may have begun
            raise
        self.token = get_connections().set(self.connection_name, self.client)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        ended = self._was_ended()
        # Then there is nothing to roll back, and nothing that could be committed.
        self.client._finalized = self.client._finalized or ended  # noqa: SLF001 - as above
        try:
            with _stillness_is_try_again():
                await super().__aexit__(exc_type, exc_val, exc_tb)
        finally:
            self.parent.turns.give_back(self.caller)
        if ended and (exc_val is None or isinstance(exc_val, _ENDED)):
            raise TryAgain from exc_val

    def _was_ended(self) -> bool:
        """Whether PostgreSQL has closed the connection while the transaction was open."""
        connection = self.client._connection._con  # noqa: SLF001 - None once the pool knows of it
        return connection is None or bool(connection.is_closed())


class _Turn(PoolConnectionWrapper[asyncpg.Connection]):
    """A connection for one statement outside any transaction, in turn."""

    client: Client | _Readers

    async def __aenter__(self) -> asyncpg.Connection:
        self.caller = await self.client.turns.take()
        try:
            return await super().__aenter__()
        except BaseException:
            self.client.turns.give_back(self.caller)
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc_val, exc_tb)
        finally:
            self.client.turns.give_back(self.caller)


class _Readers(_Patient):
    """The connections that read."""

    def __init__(self, size: int, options: Mapping[str, Any], **settings: str) -> None:
        given: dict[str, str] = {
            **options.get("server_settings", {}),
            "default_transaction_read_only": "on",
            **settings,
        }
        super().__init__(maxsize=size, **{**options, "server_settings": given})
        self.turns = FairQueue(size, bounded=False, patience_seconds=_READING_SECONDS_MAX)

    def acquire_connection(self) -> PoolConnectionWrapper[asyncpg.Connection]:
        """A connection that reads, in turn."""
        return _Turn(self, self._pool_init_lock)


class Client(_Patient):
    """The database of one process; see the module. `maxsize` is of all its connections together."""

    def __init__(self, *, maxsize: int | str = 16, **options: Any) -> None:  # noqa: ANN401 - Tortoise's
        reading = max(1, int(maxsize) // 2)
        writing = max(1, int(maxsize) - reading)
        super().__init__(maxsize=writing, **options)
        self.turns = FairQueue(writing)
        self.readers = _Readers(reading, options)
        self._options = options

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """Statements of this task read as of one moment in here, on a connection of their own and
        for as long as it takes.
        """
        unhurried = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
        alone = _Readers(1, self._options, **unhurried)
        try:
            async with alone._in_transaction() as reading:  # noqa: SLF001 - Tortoise's name for it
                await reading.execute_script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                yield
        finally:
            await alone.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.readers.close()
        await super().close()

    def acquire_connection(self) -> PoolConnectionWrapper[asyncpg.Connection]:
        """A connection that writes, in turn."""
        return _Turn(self, self._pool_init_lock)

    def _in_transaction(self) -> TransactionContext:
        return _Context(self)

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
