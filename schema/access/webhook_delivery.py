"""Deliveries to webhook endpoints, and their attempts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from models.db.record import parse_id, public_id
from models.errors import NotFound
from models.journal import feed
from models.partners import attempt, delivery
from models.partners.delivery import DeliveryState
from models.partners.endpoint import WebhookEndpoint as EndpointRecord
from schema.access.event import Event
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top
from schema.core.nodes import Node, find_node, found_by

if TYPE_CHECKING:
    from schema.access.webhook_endpoint import WebhookEndpoint

PREFIX = delivery.WebhookDelivery.PREFIX

strawberry.enum(DeliveryState)


@strawberry.type
class DeliveryAttempt:
    """One attempt to deliver."""

    at: datetime
    "When it was made."
    status: int | None
    "The HTTP status; null if there was no answer."
    milliseconds: int
    "How long it took."
    problem: str | None
    "Why it wasn't delivered, in English; null on success."
    answer: str
    "How the answer began: at most 1 KB."

    @classmethod
    def of(cls, record: attempt.DeliveryAttempt) -> DeliveryAttempt:
        """Show an attempt."""
        return cls(
            at=record.created_at,
            status=record.status,
            milliseconds=record.milliseconds,
            problem=record.problem,
            answer=record.answer,
        )


@strawberry.type
class WebhookDelivery(Node):
    """An event that is delivered to an endpoint."""

    type: str
    "The event's type, such as `invoice.paid`; `webhook.test` for a test."
    state: DeliveryState
    "How far it is."
    record: strawberry.Private[delivery.WebhookDelivery]

    @classmethod
    def of(cls, record: delivery.WebhookDelivery) -> WebhookDelivery:
        """Show a delivery."""
        return cls(
            id=strawberry.ID(record.public_id),
            type=record.kind,
            state=DeliveryState(record.state),
            record=record,
        )

    @strawberry.field
    @refused_at_top
    async def endpoint(
        self, info: Info
    ) -> Annotated[WebhookEndpoint, strawberry.lazy("schema.access.webhook_endpoint")]:
        """Where it goes."""
        id = public_id(EndpointRecord.PREFIX, self.record.endpoint_id)
        found = await find_node(info, id)
        if found is None:
            raise NotFound
        return cast("WebhookEndpoint", found)

    @strawberry.field
    async def event(self, info: Info) -> Event | None:
        """The event; null for a test, and once it isn't kept any more."""
        by, load = info.context.signed_in(), info.context.loaders.event.load
        record = await feed.visible(self.record.event_id, by, load)
        return Event.of(record) if record else None

    @strawberry.field
    async def next_attempt_at(self, info: Info) -> datetime | None:
        """When it is tried next; null if it isn't, or its endpoint is disabled."""
        endpoint = await info.context.loaders.webhook_endpoint.load(self.record.endpoint_id)
        return None if endpoint is None else delivery.next_at(self.record, endpoint)

    @strawberry.field
    async def attempts(self, info: Info) -> list[DeliveryAttempt]:
        """The attempts, oldest first; of more than 20, the last 20."""
        found = await info.context.loaders.delivery_attempts.load(self.record.id)
        return [DeliveryAttempt.of(one) for one in found]


@found_by(PREFIX)
async def _delivery_node(info: Info, id: str) -> WebhookDelivery | None:
    record = await delivery.find(parse_id(PREFIX, id), info.context.signed_in())
    return WebhookDelivery.of(record) if record else None


@strawberry.type
class WebhookDeliveryPayload(Payload):
    """The result of sending something again, or a test."""

    deliveries: list[WebhookDelivery] = strawberry.field(default_factory=list)
    """What is being sent: of many, the first 100. Empty when the same `idempotencyKey` is sent
    again for many.
    """
