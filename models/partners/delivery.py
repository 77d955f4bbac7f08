"""Deliveries: an event for an endpoint, until it has been taken or given up.

They are added in the transaction that publishes the events (`enqueue`), one for each endpoint that
may and wants to know: what was published is delivered, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

import orjson
from tortoise import fields

from models.access.identity import Actor
from models.clock import now
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_page
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.journal.outbox import Event
from models.partners import endpoint as endpoints
from models.partners import rights
from models.partners.endpoint import WebhookEndpoint
from models.partners.pattern import matches, scopes_of
from models.provider.provider import provider

_ROWS_MAX: Final = 500

_LISTENING: Final = f"""
    SELECT e.id, e.line_id, e.events, e.created_at, k.scopes, k.all_accounts
    FROM webhook_endpoint e {rights.OF_KEY}
    WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL AND {rights.in_force("$1")}
"""
_FORGET: Final = (
    "DELETE FROM webhook_attempt WHERE created_at < $1",
    "DELETE FROM webhook_delivery WHERE created_at < $1",
    (
        "DELETE FROM webhook_endpoint WHERE deleted_at < $1 AND NOT EXISTS"
        " (SELECT 1 FROM webhook_delivery d WHERE d.endpoint_id = webhook_endpoint.id)"
    ),
)


class DeliveryState(StrEnum):
    """How far a delivery is."""

    PENDING = "PENDING"
    "It hasn't been delivered yet, and is tried again."
    DELIVERED = "DELIVERED"
    "The endpoint has accepted it, with a status of 200 to 299."
    FAILED = "FAILED"
    "It wasn't delivered, and isn't tried again unless it is resent."


class WebhookDelivery(Record):
    """One message to one endpoint; of an event there is one each.

    `body` is empty until the first attempt, and the same in all that follow. `next_at` is when it
    is due while it is PENDING; while one is being made it is leased until then, and `claims` tells
    one attempt from a later one. `tries` are counted since it was sent or resent. Without an event
    it is a test.
    """

    PREFIX: ClassVar[str] = "whd"

    endpoint_id = fields.UUIDField()
    event_id = fields.UUIDField(null=True)
    kind = fields.CharField(max_length=64)
    body = fields.TextField(default="")
    state = fields.CharField(max_length=10)
    next_at = fields.DatetimeField(null=True)
    leased_until_at = fields.DatetimeField(null=True)
    tries = fields.IntField(default=0)
    claims = fields.IntField(default=0)

    class Meta:
        table = "webhook_delivery"


@dataclass(frozen=True, slots=True)
class Listening:
    """An endpoint that may be told of events, and what its key gives."""

    id: UUID
    line_id: UUID
    events: Sequence[str]
    scopes: str
    all_accounts: bool
    since: datetime

    def wants(self, event: Event) -> bool:
        """Whether it is told of such an event, of an account that its key reaches."""
        return matches(event.kind, self.events) and rights.may(self.scopes, scopes_of(event.kind))


async def listening() -> list[Listening]:
    """The endpoints that are told of events now."""
    return [_listening(row) for row in await sql.fetch(_LISTENING, now())]


def _listening(row: sql.Row) -> Listening:
    patterns = row["events"]
    return Listening(
        row["id"],
        row["line_id"],
        orjson.loads(patterns) if isinstance(patterns, str) else patterns,
        row["scopes"],
        bool(row["all_accounts"]),
        row["created_at"],
    )


async def enqueue(events: Sequence[Event]) -> None:
    """Have events delivered to whoever is to know, in the transaction that publishes them. One that
    waits already is not added again.
    """
    if not events or not (found := await listening()):
        return
    # What happened before there was an endpoint may be published after: a version that publishes
    # nothing yet had it.
    new = [pair for pair in await told(found, events) if pair[1].created_at >= pair[0].since]
    rows = [row_of(one.id, event) for one, event in new]
    for start in range(0, len(rows), _ROWS_MAX):
        part = rows[start : start + _ROWS_MAX]
        await sql.insert(sql.table_of(WebhookDelivery), part, ignore_conflicts=True)


async def told(
    found: Sequence[Listening], events: Sequence[Event]
) -> list[tuple[Listening, Event]]:
    """Who of these is told of which of the events, in the order of the events."""
    wanted = [(one, event) for event in events for one in found if one.wants(event)]
    confined = [(one, event) for one, event in wanted if not one.all_accounts]
    reached = await rights.reached(
        {one.line_id for one, _ in confined}, {event.account_id for _, event in confined}
    )
    return [
        (one, event)
        for one, event in wanted
        if one.all_accounts or (one.line_id, event.account_id) in reached
    ]


def row_of(endpoint_id: UUID, event: Event) -> sql.Row:
    """A delivery of that event, which is due."""
    return sql.row_of(new_delivery(endpoint_id, event.kind, event.id))


def new_delivery(
    endpoint_id: UUID, kind: str, event_id: UUID | None, id: UUID | None = None
) -> WebhookDelivery:
    """A delivery to be added, which is due."""
    moment = now()
    return WebhookDelivery(
        id=id or new_id(),
        created_at=moment,
        endpoint_id=endpoint_id,
        event_id=event_id,
        kind=kind,
        state=DeliveryState.PENDING.value,
        next_at=moment,
    )


async def find(delivery_id: UUID | None, by: Actor) -> WebhookDelivery | None:
    """The delivery, if it is there and `by` manages its endpoint. Raises Forbidden without the
    scope.
    """
    rights.require_manager(by)
    if delivery_id is None:
        return None
    found = (await by_ids([delivery_id])).get(delivery_id)
    if found is None or await endpoints.find(found.endpoint_id, by) is None:
        return None
    return found


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, WebhookDelivery]:
    """Deliveries, by id."""
    return await sql.by_ids(WebhookDelivery, ids)


async def page(of: WebhookEndpoint, request: PageRequest) -> Page[WebhookDelivery]:
    """An endpoint's deliveries, newest first."""
    rows = Rows("endpoint_id = $1", [of.id])
    return await fetch_page(WebhookDelivery, rows, request, by_id(WebhookDelivery.PREFIX))


def next_at(delivery: WebhookDelivery, of: WebhookEndpoint) -> datetime | None:
    """When it is tried next; None where it isn't, as long as its endpoint is disabled as well."""
    return delivery.next_at if of.enabled else None


async def forget() -> int:
    """Delete what is older than events are kept, and endpoints that were deleted before; how
    many rows.
    """
    old = now() - provider().events_kept

    async def delete() -> int:
        return sum([await sql.execute(statement, old) for statement in _FORGET])

    return await transaction(delete)
