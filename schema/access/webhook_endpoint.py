"""Webhook endpoints: where a partner's system hears of events."""

from __future__ import annotations

from datetime import datetime
from typing import cast
from uuid import UUID

import strawberry

from models.db.record import parse_id
from models.journal.command import run
from models.partners import delivery, endpoint, manage
from models.partners.manage import CreateWebhookEndpoint, EndpointChange, RotateWebhookSecret
from models.partners.resend import ResendWebhooks, SendTestEvent
from schema.access.session import DonePayload
from schema.access.webhook_delivery import PREFIX as DELIVERY
from schema.access.webhook_delivery import WebhookDelivery, WebhookDeliveryPayload
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top, refused_in_payload
from schema.core.ids import id_of
from schema.core.nodes import Node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request
from schema.core.scalars import URL
from schema.engine.event_document import require_event_document
from schema.engine.guard import Schema

PREFIX = endpoint.WebhookEndpoint.PREFIX


@strawberry.type
class WebhookEndpoint(Node):
    """A URL that events are posted to, signed as in Standard Webhooks. It is told of what the API
    key that created it may see, and is disabled when that key ends.
    """

    url: URL
    "Where events are posted."
    events: list[str]
    "The events that it is told of: `invoice.*`, `credit.changed`; `*` is all."
    document: str | None
    "The registered document whose answer is the message's `data`; null if there is none."
    enabled: bool
    "Whether events are delivered to it."
    disabled_reason: str | None
    """Why it is disabled: `REQUESTED`, `FAILING` (nothing could be delivered for three days),
    `GONE` (it answered 410) or `KEY_ENDED` (its API key was revoked or has expired).
    """
    created_at: datetime
    "When it was created."
    record: strawberry.Private[endpoint.WebhookEndpoint]

    @classmethod
    def of(cls, record: endpoint.WebhookEndpoint) -> WebhookEndpoint:
        """Show an endpoint."""
        return cls(
            id=strawberry.ID(record.public_id),
            url=URL(record.url),
            events=record.events,
            document=record.document,
            enabled=record.enabled,
            disabled_reason=record.disabled_reason,
            created_at=record.created_at,
            record=record,
        )

    @strawberry.field
    @refused_at_top
    async def deliveries(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[WebhookDelivery]:
        """What was sent to it or will be, newest first; kept as long as events are."""
        request = page_request(info, first, after, last, before)
        return Connection.of(await delivery.page(self.record, request), WebhookDelivery.of)


@found_by(PREFIX)
async def _endpoint_node(info: Info, id: str) -> WebhookEndpoint | None:
    by, endpoint_id = info.context.signed_in(), parse_id(PREFIX, id)
    load = info.context.loaders.webhook_endpoint.load
    record = await endpoint.find(endpoint_id, by, load)
    return WebhookEndpoint.of(record) if record else None


@strawberry.type
class WebhookQuery:
    """Reading webhook endpoints."""

    @strawberry.field
    @refused_at_top
    async def webhook_endpoints(self, info: Info) -> list[WebhookEndpoint]:
        """Partners (scope `webhooks:manage`): the endpoints that this API key created, newest
        first. Staff: those of all partners, the newest 50.
        """
        found = await endpoint.managed(info.context.signed_in())
        return [WebhookEndpoint.of(one) for one in found]


@strawberry.input
class CreateWebhookEndpointInput:
    """An endpoint to create."""

    url: URL
    """Where events are posted: `https://`, on a host with public addresses, and port 443 or 1024
    and above.
    """
    events: list[str]
    "The events that it is told of, at most 50: `invoice.*`, `credit.changed`; `*` is all."
    document: str | None = None
    """A registered document: a query with `$event: ID!`, whose answer is the message's `data`.
    Omitted: `data` is null.
    """
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class UpdateWebhookEndpointInput:
    """What to change; what is omitted stays as it is."""

    endpoint_id: strawberry.ID
    "The endpoint to change, of this API key."
    url: URL | None = None
    "Where events are posted from now on, those that wait included."
    events: list[str] | None = None
    "The events that it is told of from now on."
    document: str | None = None
    "Another document; empty for none."
    enabled: bool | None = None
    """False: nothing is delivered. True: what waits is delivered; what happened meanwhile isn't,
    unless it is resent.
    """


@strawberry.input
class DeleteWebhookEndpointInput:
    """The endpoint to delete."""

    endpoint_id: strawberry.ID
    "The endpoint to delete. What waits for it isn't delivered."


@strawberry.input
class RotateWebhookSecretInput:
    """The endpoint that gets a new secret."""

    endpoint_id: strawberry.ID
    "The endpoint that gets a new secret."
    old_secret_valid_hours: int = 24
    "How long messages are signed with the old secret as well: 0 to 168 hours."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class ResendWebhooksInput:
    """What to send again: `deliveryId` or `after`."""

    endpoint_id: strawberry.ID
    "The endpoint to send it to."
    delivery_id: strawberry.ID | None = None
    "The delivery to send again."
    after: str | None = None
    """All events after this cursor of `events`, which may be an event's ID, that the endpoint is
    told of: also those that were delivered. At most 10,000 events.
    """
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class SendTestEventInput:
    """The endpoint to test."""

    endpoint_id: strawberry.ID
    "The endpoint to test. It gets a message of type `webhook.test`, once."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class WebhookEndpointPayload(Payload):
    """The result of a change to an endpoint."""

    endpoint: WebhookEndpoint | None = None
    "The endpoint as it is now."
    secret: str | None = None
    """The secret that messages are signed with (Standard Webhooks), `whsec_…`. It is shown once:
    null when the same `idempotencyKey` is sent again.
    """

    @classmethod
    def of(cls, given: manage.GivenEndpoint) -> WebhookEndpointPayload:
        """Show an endpoint with what was given for it."""
        return cls(endpoint=WebhookEndpoint.of(given.endpoint), secret=given.secret)


@strawberry.type
class WebhookMutation:
    """Managing webhook endpoints, and what is sent to them."""

    @strawberry.mutation
    @refused_in_payload
    async def create_webhook_endpoint(
        self, info: Info, input: CreateWebhookEndpointInput
    ) -> WebhookEndpointPayload:
        """Partners (scope `webhooks:manage`): has events posted to a URL."""
        by = info.context.signed_in()
        command = CreateWebhookEndpoint(
            input.url, tuple(input.events), input.document, _check(info), info.context.resolve
        )
        given = await run(command, by, input.idempotency_key)
        return WebhookEndpointPayload.of(given)

    @strawberry.mutation
    @refused_in_payload
    async def update_webhook_endpoint(
        self, info: Info, input: UpdateWebhookEndpointInput
    ) -> WebhookEndpointPayload:
        """Partners (scope `webhooks:manage`) and staff: changes an endpoint, or disables it."""
        by = info.context.signed_in()
        change = EndpointChange(
            url=input.url,
            events=None if input.events is None else tuple(input.events),
            document=input.document,
            enabled=input.enabled,
            check=_check(info),
            resolve=info.context.resolve,
        )
        record = await manage.update(_endpoint_id(input.endpoint_id), change, by)
        return WebhookEndpointPayload(endpoint=WebhookEndpoint.of(record))

    @strawberry.mutation
    @refused_in_payload
    async def delete_webhook_endpoint(
        self, info: Info, input: DeleteWebhookEndpointInput
    ) -> DonePayload:
        """Partners (scope `webhooks:manage`) and staff: deletes an endpoint."""
        by = info.context.signed_in()
        await manage.delete(_endpoint_id(input.endpoint_id), by)
        return DonePayload()

    @strawberry.mutation
    @refused_in_payload
    async def rotate_webhook_secret(
        self, info: Info, input: RotateWebhookSecretInput
    ) -> WebhookEndpointPayload:
        """Partners (scope `webhooks:manage`) and staff: gives an endpoint a new secret."""
        by = info.context.signed_in()
        endpoint_id = _endpoint_id(input.endpoint_id)
        command = RotateWebhookSecret(endpoint_id, input.old_secret_valid_hours)
        given = await run(command, by, input.idempotency_key)
        return WebhookEndpointPayload.of(given)

    @strawberry.mutation
    @refused_in_payload
    async def resend_webhooks(
        self, info: Info, input: ResendWebhooksInput
    ) -> WebhookDeliveryPayload:
        """Partners (scope `webhooks:manage`) and staff: sends a delivery again, or all events since
        one. Each has the same ID and body as before.
        """
        by, one = info.context.signed_in(), input.delivery_id
        command = ResendWebhooks(
            _endpoint_id(input.endpoint_id),
            None if one is None else id_of(DELIVERY, one, "delivery_id"),
            input.after,
        )
        found = await run(command, by, input.idempotency_key)
        return WebhookDeliveryPayload(deliveries=[WebhookDelivery.of(one) for one in found])

    @strawberry.mutation
    @refused_in_payload
    async def send_test_event(
        self, info: Info, input: SendTestEventInput
    ) -> WebhookDeliveryPayload:
        """Partners (scope `webhooks:manage`) and staff: posts a test to an endpoint, once."""
        by = info.context.signed_in()
        command = SendTestEvent(_endpoint_id(input.endpoint_id))
        found = await run(command, by, input.idempotency_key)
        return WebhookDeliveryPayload(deliveries=[WebhookDelivery.of(one) for one in found])


def _endpoint_id(id: strawberry.ID) -> UUID:
    return id_of(PREFIX, id, "endpoint_id")


def _check(info: Info) -> manage.DocumentCheck:
    """What is refused as a document, by this schema."""
    schema = cast("Schema", info.schema)
    return lambda text: require_event_document(text, schema)
