"""Several servers on one database, and what is asked of them."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from tortoise.connection import get_connection

from models.db import connection, sql
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server.api_client import Answer, Portal
    from tests.support.servers import Databases

#: `make soak` runs the long form of these tests.
SOAK: Final = os.environ.get("SOAK") == "1"


@contextmanager
def open_demo_servers(
    folder: Path, databases: Databases, count: int, **environment: str
) -> Iterator[list[DemoServer]]:
    """As many servers on one database; in the end its books add up and nothing has broken."""
    with open_demo_server(folder, databases, **environment) as first, ExitStack() as opened:
        others = [DemoServer(folder, first.database_url, environment) for _ in range(count - 1)]
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(DemoServer.start, others))
        for other in others:
            opened.callback(_close, other)
        yield [first, *others]


def _close(server: DemoServer) -> None:
    server.connections.close()
    server.stop()
    server.assert_nothing_broke()


def everywhere(client: Portal, servers: list[DemoServer]) -> list[Portal]:
    """The same client at every server."""
    known = {"token": client.token, "account_id": client.account_id, "currency": client.currency}
    return [server.portal(**known) for server in servers]


def lines(client: Portal) -> list[tuple[str, str]]:
    """The statement's kinds and amounts, oldest first. Each line follows from the one before, and
    what is available is never negative.
    """
    statement = client.statement(first=100)[::-1]
    assert [line["version"] for line in statement] == list(range(1, len(statement) + 1))
    assert all(not line["balanceAfter"].startswith("-") for line in statement), statement
    return [(line["kind"], line["amount"]) for line in statement]


def codes(payloads: list[Answer]) -> list[str]:
    """The codes of all that was refused."""
    return [error["code"] for payload in payloads for error in payload["userErrors"]]


def execute(database_url: str, statement: str) -> None:
    """Run a statement that gives nothing beside the servers."""
    asyncio.run(_execute(database_url, statement))


async def _execute(database_url: str, statement: str) -> None:
    await connection.connect(database_url)
    try:
        await get_connection("default").execute_script(statement)
    finally:
        await connection.disconnect()


def rows(database_url: str, statement: str, *args: object) -> list[dict[str, Any]]:
    """What a statement gives, run beside the servers."""
    return asyncio.run(_rows(database_url, statement, *args))


async def _rows(database_url: str, statement: str, *args: object) -> list[dict[str, Any]]:
    await connection.connect(database_url)
    try:
        return await sql.fetch(statement, *args)
    finally:
        await connection.disconnect()
