"""What the database is really asked: counted at the driver, below everything of ours."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tortoise.connection import get_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncpg.connection import LoggedQuery

_BEGINS: Final = ("BEGIN", "COMMIT", "ROLLBACK")
#: What it asks once a connection, of a type that it has not met.
_OF_ASYNCPG: Final = ("set_config('jit'", "typeinfo_tree")


@dataclass
class Asked:
    """The statements, in order."""

    all: list[str] = field(default_factory=list)

    def note(self, statement: str) -> None:
        # SQLite tells of a trigger's statements, too, as comments.
        if not statement.startswith("--") and not any(own in statement for own in _OF_ASYNCPG):
            self.all.append(" ".join(statement.split()))

    @property
    def transactions(self) -> int:
        return sum(statement.startswith("BEGIN") for statement in self.all)

    @property
    def statements(self) -> list[str]:
        """Without what begins and ends transactions."""
        return [one for one in self.all if not one.startswith(_BEGINS)]

    @property
    def inside(self) -> list[str]:
        """The statements of transactions, which hold locks meanwhile."""
        found: list[str] = []
        within = False
        for one in self.all:
            if one.startswith(_BEGINS):
                within = one.startswith("BEGIN")
            elif within:
                found.append(one)
        return found


@asynccontextmanager
async def asked() -> AsyncIterator[Asked]:
    """Note all statements meanwhile. For one task at a time: connections are not told apart."""
    noted = Asked()
    client: Any = get_connection("default")
    on_sqlite = client.capabilities.dialect == "sqlite"
    async with client.acquire_connection():
        pass  # it is connected now
    await client.execute_query("SELECT 1")
    async with (_on_sqlite if on_sqlite else _on_postgres)(client, noted):
        yield noted


@asynccontextmanager
async def _on_sqlite(client: Any, noted: Asked) -> AsyncIterator[None]:
    opened = client.reader

    async def one_more() -> Any:
        reader = await opened()
        await reader.set_trace_callback(noted.note)
        return reader

    client.reader = one_more  # those that are opened meanwhile
    await client._connection.set_trace_callback(noted.note)
    for reader in client.readers.connections:
        await reader.set_trace_callback(noted.note)
    yield
    del client.reader
    for connection in (client._connection, *client.readers.connections):
        await connection.set_trace_callback(None)


@asynccontextmanager
async def _on_postgres(client: Any, noted: Asked) -> AsyncIterator[None]:
    connections: list[Any] = []

    def logged(query: LoggedQuery) -> None:
        noted.note(query.query)

    async def watch(connection: Any) -> None:
        connection.add_query_logger(logged)
        connections.append(connection)

    pools = (client._pool, client.readers._pool)
    for pool in pools:
        for holder in pool._holders:
            if holder._con is not None:
                await watch(holder._con)
        pool._init = watch  # those that are opened meanwhile
    yield
    await asyncio.sleep(0)  # asyncpg tells of a statement a tick after its rows
    for pool in pools:
        pool._init = None
    for connection in connections:
        connection.remove_query_logger(logged)
