"""Resending: a delivery once more, all events since one, or a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor
from models.clock import now
from models.db import sql
from models.errors import Invalid, NotAllowed, NotFound
from models.journal import feed
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import Event
from models.partners import delivery as deliveries
from models.partners import endpoint as endpoints
from models.partners import manage, rights
from models.partners.delivery import WebhookDelivery
from models.partners.endpoint import WebhookEndpoint
from models.partners.message import TEST
from models.partners.pattern import matches

#: Events that one request has sent; who is further behind reads the feed, or goes on from a later
#: cursor.
EVENTS_MAX: Final = 10_000
#: Deliveries that are shown of those that are resent.
SHOWN_MAX: Final = 100

_ROWS_MAX: Final = 500

# What is under way is not waited for: its outcome is not written down any more (`claims`).
_AGAIN: Final = """
    state = 'PENDING', next_at = {due}, leased_until_at = NULL, tries = 0,
    claims = webhook_delivery.claims + 1
"""
_ONE: Final = (
    f"UPDATE webhook_delivery SET {_AGAIN.format(due='$3')}"
    " WHERE id = $1 AND endpoint_id = $2 RETURNING *"
)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is sent again."""

    resent: list[WebhookDelivery]


@dataclass(frozen=True, slots=True)
class ResendWebhooks(Command[_Found, list[WebhookDelivery]]):
    """Send a delivery again, or all events after a cursor of `events` that the endpoint is told of:
    those that it has had as well. The answer shows the first.

    Raises Invalid where not exactly one is given, or there are too many; NotFound; NotAllowed where
    the endpoint is disabled.
    """

    mutation: ClassVar[str] = "resendWebhooks"

    endpoint_id: UUID
    delivery_id: UUID | None
    after: str | None

    @override
    def require(self, by: Actor) -> None:
        rights.require_manager(by)

    @override
    async def read(self, asked: Invocation, journal: Journal) -> _Found:
        if (self.delivery_id is None) == (self.after is None):
            raise Invalid("delivery_id", problem="delivery_or_after")
        endpoint = await manage.locked(self.endpoint_id, asked.by)
        if not endpoint.enabled:
            raise NotAllowed("endpoint_id", why="webhook_disabled")
        if self.delivery_id is not None:
            return _Found(await self._one(self.delivery_id))
        return _Found(await self._since(str(self.after), endpoint))

    async def _one(self, delivery_id: UUID) -> list[WebhookDelivery]:
        again = await sql.records(WebhookDelivery, _ONE, delivery_id, self.endpoint_id, now())
        if not again:
            raise NotFound("delivery_id")
        return again

    async def _since(self, after: str, endpoint: WebhookEndpoint) -> list[WebhookDelivery]:
        position = await feed.position_of(after, "after")
        by = await rights.actor_of(endpoint)
        if by is None:
            raise NotAllowed("endpoint_id", why="webhook_disabled")
        kinds = {kind for kind in feed.kinds_in_sight(by) if matches(kind, endpoint.events)}
        events = await feed.since(position, kinds, EVENTS_MAX, by=by)
        if len(events) > EVENTS_MAX:
            raise Invalid("after", problem="too_many_events")
        return await _due_again(self.endpoint_id, events)

    @override
    def decide(self, found: _Found, asked: Invocation, journal: Journal) -> list[WebhookDelivery]:
        journal.log(
            asked.by,
            "webhook_endpoint.resend",
            f"{WebhookEndpoint.PREFIX}_{self.endpoint_id.hex}",
            deliveries=len(found.resent),
        )
        return found.resent[:SHOWN_MAX]

    @override
    async def recall(self, made: Made, asked: Invocation) -> list[WebhookDelivery]:
        """The one; of many none: what is wanted is to be seen in the endpoint's deliveries."""
        if await endpoints.find(self.endpoint_id, asked.by) is None:
            raise NotFound("endpoint_id")
        found = await deliveries.find(self.delivery_id, asked.by)
        return [] if found is None or found.endpoint_id != self.endpoint_id else [found]


async def _due_again(endpoint_id: UUID, events: Sequence[Event]) -> list[WebhookDelivery]:
    """Have them delivered, each by the one delivery that the endpoint has of it."""
    done: list[WebhookDelivery] = []
    columns = tuple(deliveries.row_of(endpoint_id, events[0])) if events else ()
    names = ", ".join(columns)
    for start in range(0, len(events), _ROWS_MAX):
        rows = [deliveries.row_of(endpoint_id, one) for one in events[start : start + _ROWS_MAX]]
        width = len(columns)
        values = ", ".join(
            f"({sql.placeholders(width, 1 + width * number)})" for number in range(len(rows))
        )
        done += await sql.records(
            WebhookDelivery,
            f"INSERT INTO webhook_delivery ({names}) VALUES {values}"
            " ON CONFLICT (endpoint_id, event_id) DO UPDATE SET "
            + _AGAIN.format(due="excluded.next_at")
            + " RETURNING *",
            *(row[name] for row in rows for name in columns),
        )
    return done


@dataclass(frozen=True, slots=True)
class SendTestEvent(Command[None, list[WebhookDelivery]]):
    """Post a test to an endpoint, once. Raises NotFound and NotAllowed as ResendWebhooks."""

    mutation: ClassVar[str] = "sendTestEvent"
    makes: ClassVar[tuple[str, str]] = ("webhook_delivery", WebhookDelivery.PREFIX)

    endpoint_id: UUID

    @override
    def require(self, by: Actor) -> None:
        rights.require_manager(by)

    @override
    async def read(self, asked: Invocation, journal: Journal) -> None:
        if not (await manage.locked(self.endpoint_id, asked.by)).enabled:
            raise NotAllowed("endpoint_id", why="webhook_disabled")

    @override
    def decide(self, found: None, asked: Invocation, journal: Journal) -> list[WebhookDelivery]:
        made = deliveries.new_delivery(self.endpoint_id, TEST, None, asked.id)
        journal.add(made)
        return [made]

    @override
    async def recall(self, made: Made, asked: Invocation) -> list[WebhookDelivery]:
        found = await deliveries.find(made.id, asked.by)
        if found is None:
            raise NotFound("endpoint_id")
        return [found]
