"""The feed: events in the one order in which partners hear of them.

A fact is written down in the transaction that makes it true, by whichever process; only afterwards
it is published, by one publisher at a time: it gets the next `position` of all events and the next
`sequence` of its account's. What was made true one after the other is published in that order, and
whoever reads by position from where they were misses nothing: what is committed later comes later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, TypeAlias
from uuid import UUID

from tortoise import fields

from models.access.identity import Actor, Role
from models.clock import now
from models.db import sql
from models.db.changes import Changes
from models.db.connection import dialect
from models.db.page import SIZE_MAX, Key, Page, PageRequest, Rows, fetch_page
from models.db.record import Table, parse_id
from models.db.transactions import transaction
from models.errors import Forbidden, Invalid, NotFound
from models.journal.outbox import Event, FactKind
from models.provider.provider import provider

#: What is done with events in the transaction that publishes them, whole or not at all.
Enqueue: TypeAlias = Callable[[Sequence[Event]], Awaitable[None]]

_IS_ANY: Final = "SELECT 1 AS one FROM event WHERE position IS NULL LIMIT 1"
_ARRIVAL: Final = {"sqlite": "rowid", "postgres": "ordinal NULLS FIRST, id"}
_LOCK: Final = "SELECT position FROM event_feed WHERE id = 1"
_NEXT: Final = "SELECT * FROM event WHERE position IS NULL ORDER BY {arrival} LIMIT $1"
_COUNTED: Final = "SELECT account_id, sequence FROM event_count WHERE "
_COUNT: Final = """
    INSERT INTO event_count (account_id, sequence) SELECT account_id, sequence FROM {given}
    WHERE 1 = 1 ON CONFLICT (account_id) DO UPDATE SET sequence = EXCLUDED.sequence
"""


class Feed(Table):
    """How far events are published. There is one row, and whoever has locked it publishes."""

    id = fields.IntField(primary_key=True, generated=False)
    position = fields.BigIntField()

    class Meta:
        table = "event_feed"


class EventCount(Table):
    """The `sequence` of the last event of an account that was published."""

    account_id = fields.UUIDField(primary_key=True)
    sequence = fields.IntField()

    class Meta:
        table = "event_count"


# ------------------------------------------------------------------------------- publishing


async def publish(enqueue: Enqueue | None = None, limit: int = 200) -> int:
    """Publish what is committed and not published yet, oldest first and at most `limit`; how many.
    0 where another publisher is at it.
    """
    # It is asked every second: where there is nothing nobody waits for the writer.
    if await sql.fetch_one(_IS_ANY) is None:
        return 0
    return await transaction(lambda: _publish(enqueue, limit))


async def _publish(enqueue: Enqueue | None, limit: int) -> int:
    feed = await sql.fetch_one(_LOCK + sql.skip_locked())
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


# ------------------------------------------------------------------------------- reading

#: Any one of them is enough to hear of events of each noun: those that what they are about is read
#: with.
SCOPES_OF: Final = {
    "account": ("accounts:read",),
    "credit": ("credit:read",),
    "grant": ("credit:read",),
    "hold": ("credit:hold", "credit:read"),
    "invoice": ("invoices:read",),
    "payment": ("invoices:read",),
    "voucher": ("credit:read",),
}
#: How many types, or groups of them, are named at once.
PATTERNS_MAX: Final = 50
_BY_POSITION: Final = Key("position", int, oldest_first=True)
#: So many accounts are read one by one, each by its index; of more, all events are looked through.
_EACH_MAX: Final = 100


def kinds_in_sight(by: Actor) -> frozenset[FactKind]:
    """What `by` may hear of, on accounts that they see."""
    return frozenset(kind for kind in FactKind if any(map(by.may, SCOPES_OF[_noun(kind)])))


def kinds_of(patterns: Sequence[str], *field: str) -> frozenset[FactKind]:
    """What is meant: `invoice.paid`, `invoice.*` or `*`. Raises Invalid at the one of `field` that
    means nothing, and there where there are more than `PATTERNS_MAX`.
    """
    if len(patterns) > PATTERNS_MAX:  # before any work on them
        raise Invalid(*field, problem="too_many_patterns")
    found: set[FactKind] = set()
    for number, pattern in enumerate(patterns):
        noun, _, verb = pattern.partition(".")
        if verb == "*":
            meant = {kind for kind in FactKind if _noun(kind) == noun}
        else:
            meant = {kind for kind in FactKind if pattern in {"*", kind.value}}
        if not meant:
            raise Invalid(*field, str(number), problem="event_type")
        found |= meant
    return frozenset(found)


def _noun(kind: str) -> str:
    return kind.partition(".")[0]


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Event]:
    """These events, as far as they are published; one statement."""
    found = await sql.by_ids(Event, ids)
    return {id: event for id, event in found.items() if event.position is not None}


async def visible(
    event_id: UUID | None, by: Actor, find: Callable[[UUID], Awaitable[Event | None]]
) -> Event | None:
    """The event, if it is published and `by` may hear of it."""
    event = None if event_id is None else await find(event_id)
    return event if event is not None and _hears(by, event) else None


def _hears(by: Actor, event: Event) -> bool:
    return by.sees(event.account_id) and event.kind in kinds_in_sight(by)


async def page(
    request: PageRequest,
    *,
    by: Actor,
    account_id: UUID | None = None,
    types: Sequence[str] | None = None,
) -> Page[Event]:
    """What happened to an account, or to all in sight where it is None: oldest first, and complete
    from a cursor on. Of `types`, see `kinds_of`, and of these what `by` may hear of.

    Raises Forbidden, NotFound at `account_id`, and Invalid at `types` and the cursors.
    """
    kinds = kinds_in_sight(by)
    if not kinds:
        raise Forbidden("accounts:read")
    if types is not None:
        kinds &= kinds_of(types, "types")
    rows = _in_sight(by, account_id)
    if not kinds:
        return Page([], has_next=False, has_previous=False, total=0)
    return await fetch_page(Event, _of(kinds, rows), await _by_position(request), _BY_POSITION)


async def since(
    position: int, kinds: Collection[FactKind], limit: int, *, by: Actor
) -> list[Event]:
    """What happened after that position of these kinds, to accounts in sight: oldest first, and
    more than `limit` where there are more.
    """
    found = list[Event]()
    more = bool(kinds) and by.accounts != frozenset()
    while more and len(found) <= limit:
        request = PageRequest(first=SIZE_MAX, after=str(position))
        page = await fetch_page(Event, _of(kinds, _in_sight(by, None)), request, _BY_POSITION)
        found += page.rows
        more = page.has_next
        position = int(found[-1].position or 0) if found else position
    return found


def _of(kinds: Collection[FactKind], rows: Rows) -> Rows:
    rows.where += " AND position IS NOT NULL"
    if len(kinds) < len(FactKind):
        rows.where += f" AND kind IN {sql.literals(sorted(kinds))}"
    return rows


def _in_sight(by: Actor, account_id: UUID | None) -> Rows:
    if account_id is None and by.role is Role.CLIENT:
        account_id = by.own_account()
    if account_id is not None:
        if not by.sees(account_id):
            raise NotFound("account_id")
        return Rows("account_id = $1", [account_id])
    if by.is_staff or by.accounts is None:
        return Rows("1 = 1")
    if not by.accounts:
        raise Forbidden("accounts")
    return _of_each(sorted(by.accounts, key=str))


def _of_each(accounts: Collection[UUID]) -> Rows:
    if len(accounts) <= _EACH_MAX:
        return Rows("1 = 1", each=("account_id", list(accounts)))
    return Rows(sql.any_of("account_id", 1), [list(accounts)])


async def _by_position(request: PageRequest) -> PageRequest:
    """The same with positions as cursors: they are nobody's business, so events' ids are shown."""
    after, before = request.after, request.before
    if after is not None:
        after = str(await position_of(after, "after"))
    if before is not None:
        before = str(await position_of(before, "before"))
    return replace(request, after=after, before=before)


async def position_of(cursor: str, *field: str) -> int:
    """The place of the event that is the cursor. Raises Invalid at `field`: for what is no event,
    and for one that is kept no more, since what came after it may be gone as well.
    """
    id = parse_id(Event.PREFIX, cursor)
    if id is None:
        raise Invalid(*field, problem="cursor")
    event = (await by_ids([id])).get(id)
    if event is not None:
        return int(event.position or 0)
    is_old = _moment_of(id) < now() - provider().events_kept
    raise Invalid(*field, problem="cursor_forgotten" if is_old else "cursor")


def _moment_of(id: UUID) -> datetime:
    """When an id was made (UUIDv7, RFC 9562)."""
    return datetime.fromtimestamp(min(id.int >> 80, _LATEST) / 1000, UTC)


#: The year 9999, beyond which nothing is a moment; in milliseconds.
_LATEST: Final = 253_370_764_800_000


# ------------------------------------------------------------------------------- forgetting

_FORGOTTEN_AT_ONCE: Final = 1_000
_OLDEST: Final = (
    "SELECT position, created_at FROM event WHERE position IS NOT NULL ORDER BY position LIMIT $1"
)


async def forget() -> int:
    """Delete what is older than the provider keeps it; how many. The first that is younger keeps
    all after it: whose cursor is there has missed nothing.
    """
    count = forgotten = await transaction(_forget)
    while count == _FORGOTTEN_AT_ONCE:
        count = await transaction(_forget)
        forgotten += count
    return forgotten


async def _forget() -> int:
    old = now() - provider().events_kept
    rows = await sql.fetch(_OLDEST, _FORGOTTEN_AT_ONCE)
    past = [row["position"] for row in takewhile(lambda row: row["created_at"] < old, rows)]
    if not past:
        return 0
    return await sql.execute("DELETE FROM event WHERE position <= $1", past[-1])
