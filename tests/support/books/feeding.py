"""A process that writes facts down, or one that publishes them; each is killed at any moment.

python -m tests.support.books.feeding write|publish DATABASE_URL …
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import patch
from uuid import UUID

import pytest

from models import clock
from models.access.identity import Actor, Role
from models.credit.adjustment import AdjustCredit
from models.db import connection, record, sql
from models.journal import feed, outbox
from models.journal.command import run
from tests.support.providers import key, wire_provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.journal.outbox import Event

#: What publishing puts down beside: the events that somebody is told of.
TOLD = "CREATE TABLE told (id VARCHAR(36) NOT NULL PRIMARY KEY)"
_FEW = 3


async def enqueue(events: Sequence[Event]) -> None:
    """Tell of them."""
    await sql.insert("told", [{"id": str(event.id)} for event in events])


async def write(hours: int, *accounts: UUID) -> None:
    """Change these accounts' credit in turn, on a host whose clock is wrong, until it is killed."""

    def read() -> datetime:
        return datetime.now(UTC) + timedelta(hours=hours)

    def new_id() -> UUID:
        moment = int(read().timestamp() * 1000) << 80
        return UUID(int=moment | record.new_id().int & ~(-1 << 80))

    by = Actor(role=Role.STAFF, user_id=new_id())
    with patch.object(clock, "_read", read), patch.object(outbox, "new_id", new_id):
        for account_id in itertools.cycle(accounts):
            await run(AdjustCredit(account_id, Decimal(1), "USD", "a gift"), by, key())
            print("written", flush=True)


async def publish() -> None:
    """Publish a few at a time, until it is killed."""
    while True:
        if await feed.publish(enqueue, _FEW):
            print("published", flush=True)
        else:  # where there is nothing to do it leaves the processor to those who write
            await asyncio.sleep(0.005)


async def _main(what: str, url: str, *more: str) -> None:
    await connection.connect(url)
    if what == "publish":
        await publish()
    hours, *accounts = more
    with pytest.MonkeyPatch.context() as patched:
        wire_provider(patched)
        await write(int(hours), *map(UUID, accounts))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
