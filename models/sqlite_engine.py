"""Tortoise's SQLite client with transactions that are safe for money.

Three things differ from the stock client: a transaction begins IMMEDIATE (a deferred one fails with
"database is locked" as soon as two processes read and then write), being canceled while it begins
gives the lock back, and a COMMIT that fails is rolled back (else the next BEGIN would apply it).
The module's name must contain "sqlite": Tortoise's migrations pick their dialect by it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any

from tortoise.backends.base.client import TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
    translate_exceptions,
)
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError

_PRAGMAS = {
    "journal_mode": "WAL",
    # FULL syncs the log at every commit: an acknowledged commit survives a power cut.
    "synchronous": "FULL",
    "busy_timeout": 10_000,
    "cache_size": -65_536,
    "temp_store": "MEMORY",
}


class Transaction(SqliteTransactionWrapper):
    """A transaction on the process's one connection."""

    async def begin(self) -> None:
        """Take the write lock at once; see the module."""
        try:
            await self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error

    async def commit(self) -> None:
        """Make it last, or roll it back."""
        try:
            await super().commit()
        except BaseException as error:
            await self._connection.rollback()
            self._finalized = True
            if isinstance(error, sqlite3.OperationalError):
                raise OperationalError(error) from error
            raise

    @translate_exceptions
    async def run_together(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements whose rows nobody wants, in one visit to the connection's thread."""
        async with self.acquire_connection() as connection:
            await connection._execute(_run_all, connection._conn, statements)  # noqa: SLF001 - aiosqlite has no other way


def _run_all(
    connection: sqlite3.Connection, statements: Sequence[tuple[str, Sequence[Any]]]
) -> None:
    for statement, args in statements:
        connection.execute(statement, args).fetchall()


class _Context(SqliteTransactionContext):
    async def __aenter__(self) -> TransactionalDBClient:
        await self._trxlock.acquire()
        try:
            await self.ensure_connection()
            await self.connection.begin()
        except BaseException:
            # BEGIN may still be queued in the connection's thread: undo it there, then unlock.
            await asyncio.shield(asyncio.ensure_future(self._undo()))
            raise
        self.token = get_connections().set(self.connection_name, self.connection)
        transaction: TransactionalDBClient = self.connection
        return transaction

    async def _undo(self) -> None:
        try:
            connection = self.connection._connection  # noqa: SLF001 - its transaction has not begun
            if connection is not None:
                await connection.rollback()
        finally:
            self._trxlock.release()


class Client(SqliteClient):
    """One connection a process; see the module."""

    def __init__(self, file_path: str, **options: Any) -> None:  # noqa: ANN401 - Tortoise's
        super().__init__(file_path, **{**_PRAGMAS, **options})

    def _in_transaction(self) -> TransactionContext:
        return _Context(Transaction(self), self._lock)


client_class = Client
