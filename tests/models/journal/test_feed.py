"""Events are published: once each, in one order, and whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from models.db import sql
from models.journal import feed
from models.journal.outbox import Event
from tests.support.factories import a_client

if TYPE_CHECKING:
    from collections.abc import Sequence


pytestmark = pytest.mark.usefixtures("provider")


async def published(account_id: object) -> list[Event]:
    """What is published of an account, oldest first."""
    statement = "SELECT * FROM event WHERE account_id = $1 AND position > 0 ORDER BY position"
    return await sql.records(Event, statement, account_id)


async def test_what_happened_is_published_in_its_order() -> None:
    client = await a_client()
    await client.given(5000)
    told: list[Event] = []

    async def enqueue(events: Sequence[Event]) -> None:
        told.extend(events)

    while await feed.publish(enqueue, 2):
        pass
    rows = await published(client.id)
    assert [row.kind for row in rows] == ["credit.changed"]
    assert [row.sequence for row in rows] == [1]
    assert [row.id for row in told] == [row.id for row in rows]
