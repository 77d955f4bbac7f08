"""The feed: events in the one order in which partners hear of them.

A fact is written down in the transaction that makes it true, by whichever process; only afterwards
it is published, by one publisher at a time: it gets the next `position` of all events and the next
`sequence` of its account's. What was made true one after the other is published in that order, and
whoever reads by position from where they were misses nothing: what is committed later comes later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from tortoise import fields

from models.db import sql
from models.db.changes import Changes
from models.db.connection import dialect
from models.db.record import Table
from models.db.transactions import transaction
from models.journal.outbox import Event

#: What is done with events in the transaction that publishes them, whole or not at all.
Enqueue: TypeAlias = Callable[[Sequence[Event]], Awaitable[None]]

_IS_ANY: Final = "SELECT 1 AS one FROM event WHERE position IS NULL LIMIT 1"
_ARRIVAL: Final = {"sqlite": "rowid", "postgres": "ordinal NULLS FIRST, id"}
_NEXT: Final = "SELECT * FROM event WHERE position IS NULL ORDER BY {arrival} LIMIT $1"
_COUNTED: Final = "SELECT account_id, sequence FROM event_count WHERE "
_COUNT: Final = """
    INSERT INTO event_count (account_id, sequence) SELECT account_id, sequence FROM {given}
    WHERE 1 = 1 ON CONFLICT (account_id) DO UPDATE SET sequence = EXCLUDED.sequence
"""


class Feed(Table):
    """How far events are published, and how far they are forgotten again. There is one row, and
    whoever has locked it publishes.
    """

    id = fields.IntField(primary_key=True, generated=False)
    position = fields.BigIntField()
    forgotten = fields.BigIntField()

    class Meta:
        table = "event_feed"


class EventCount(Table):
    """The `sequence` of the last event of an account that was published."""

    account_id = fields.UUIDField(primary_key=True)
    sequence = fields.IntField()

    class Meta:
        table = "event_count"


async def publish(enqueue: Enqueue | None = None, limit: int = 200) -> int:
    """Publish what is committed and not published yet, oldest first and at most `limit`; how many.
    0 where another publisher is at it.
    """
    # It is asked every second: where there is nothing nobody waits for the writer.
    if await sql.fetch_one(_IS_ANY) is None:
        return 0
    return await transaction(lambda: _publish(enqueue, limit))


async def _publish(enqueue: Enqueue | None, limit: int) -> int:
    lock = f"{sql.for_update()} SKIP LOCKED" if sql.for_update() else ""
    feed = await sql.fetch_one(f"SELECT position FROM event_feed WHERE id = 1{lock}")
    if feed is None:
        return 0
    events = await sql.records(Event, _NEXT.format(arrival=_ARRIVAL[dialect()]), limit)
    if not events:
        return 0
    await _number(events, feed["position"])
    if enqueue is not None:
        await enqueue(events)
    return len(events)


async def _number(events: Sequence[Event], position: int) -> None:
    """Give them the positions after that one, and the next sequences of their accounts."""
    accounts = list({event.account_id for event in events})
    rows = await sql.fetch(_COUNTED + sql.any_of("account_id", 1), accounts)
    counts = Counter({row["account_id"]: row["sequence"] for row in rows})
    changes = Changes()
    for event in events:
        counts[event.account_id] += 1
        position += 1
        event.position, event.sequence = position, counts[event.account_id]
        columns = {"position": event.position, "sequence": event.sequence}
        changes.update(Event, event.id, columns)
    await changes.write()
    counted = [{"account_id": str(id), "sequence": counts[id]} for id in accounts]
    given = sql.given("c", 1, account_id="UUID", sequence="INT")
    await sql.execute(_COUNT.format(given=given), sql.json(counted))
    await sql.execute("UPDATE event_feed SET position = $1 WHERE id = 1", position)
