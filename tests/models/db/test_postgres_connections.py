"""Connections to PostgreSQL stay with us between uses, until something goes wrong on one."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest

from models.db import connection, sql
from models.db.transactions import transaction

if TYPE_CHECKING:
    from models.db.postgres_engine import Client

pytestmark = [pytest.mark.postgres_only, pytest.mark.usefixtures("db")]

_PID = "SELECT pg_backend_pid() AS pid"
_END_ALL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def client() -> Client:
    return cast("Client", connection.client())


async def pid() -> int:
    [row] = await sql.fetch(_PID)
    return int(row["pid"])


async def test_one_after_the_other_read_on_the_same_connection() -> None:
    assert len({await pid() for _ in range(20)}) == 1


async def test_a_connection_that_postgresql_has_ended_is_replaced(db: str) -> None:
    async def write() -> int:
        return await pid()

    ended = {await pid(), await transaction(write)}
    other: Any = await asyncpg.connect(re.sub(r"[?&]maxsize=\d+", "", db))
    await other.execute(_END_ALL)
    await other.close()
    idle = [*client()._idle, *client().readers._idle]
    assert len(idle) == 2
    async with asyncio.timeout(10):
        await asyncio.gather(*(_closed(lent) for lent in idle))
    assert ended.isdisjoint({await pid(), await transaction(write)})


async def _closed(lent: Any) -> None:
    while not lent.is_closed:  # noqa: ASYNC110 - asyncpg has no event for it
        await asyncio.sleep(0.001)


async def test_what_fails_takes_no_place_for_good() -> None:
    async def fail() -> None:
        await sql.fetch("SELECT 1 / 0")

    for _ in range(3 * client().turns.places):
        for work in (fail(), transaction(fail)):
            with pytest.raises(Exception, match="division by zero"):
                await work
    assert await pid() > 0
    assert await transaction(pid) > 0


async def test_who_gives_up_a_read_leaves_its_connection_whole() -> None:
    reading = asyncio.create_task(sql.fetch("SELECT pg_sleep(30) AS slept"))
    async with asyncio.timeout(10):
        while client().readers.turns.waiting or client().readers._idle:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
    await pid()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    found = await asyncio.gather(*(pid() for _ in range(client().readers.turns.places)))
    assert all(found)
