"""Messages: what is posted of an event. The body is JSON and made once, whatever is signed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

import orjson

from models.access.identity import Actor
from models.db import sql
from models.db.record import public_id
from models.edge import registered_query
from models.journal.outbox import Event
from models.partners import rights
from models.partners.delivery import WebhookDelivery
from models.partners.endpoint import WebhookEndpoint
from models.partners.pattern import scopes_of

#: The type of a test event.
TEST: Final = "webhook.test"


class NotTold(Exception):
    """There is nothing to be posted: `args` say why."""


class Answers(Protocol):
    """Answers GraphQL documents; `api/webhooks` implements it."""

    async def data(self, document: str, event: str, by: Actor) -> object:
        """The data that a document answers for the event with that id, asked by `by`."""
        ...


def id_of(delivery: WebhookDelivery) -> str:
    """What a receiver knows the message by: its event's id, which is the same however often it is
    sent; a test's own.
    """
    if delivery.event_id is None:
        return delivery.public_id
    return public_id(Event.PREFIX, delivery.event_id)


async def check(delivery: WebhookDelivery, to: WebhookEndpoint) -> Event | None:
    """The event that is told; None for a test. Raises NotTold where it may not be told any more."""
    if delivery.event_id is None:
        return None
    event = (await sql.by_ids(Event, [delivery.event_id])).get(delivery.event_id)
    if event is None:
        raise NotTold("The event isn't kept any more.")
    if not await rights.sees(to, scopes_of(event.kind), event.account_id):
        raise NotTold("The API key doesn't reach this any more.")
    return event


async def body_of(delivery: WebhookDelivery, to: WebhookEndpoint, answers: Answers) -> str:
    """The body of a delivery. Raises NotTold."""
    event = await check(delivery, to)
    if event is None:
        return _json(id_of(delivery), TEST, delivery.created_at)
    return _json(
        event.public_id,
        event.kind,
        event.created_at,
        accountId=public_id("acc", event.account_id),
        externalId=await _external_id(event.account_id, to.user_id),
        sequence=event.sequence,
        subjectId=event.subject,
        data=await _data(event, to, answers),
    )


async def _external_id(account_id: UUID, partner_id: UUID) -> str | None:
    """What this partner calls the account; what others do is theirs."""
    row = await sql.fetch_one(
        "SELECT external_id FROM account WHERE id = $1 AND partner_id = $2", account_id, partner_id
    )
    return None if row is None else row["external_id"]


async def _data(event: Event, to: WebhookEndpoint, answers: Answers) -> object:
    if to.document is None:
        return None
    text, by = await registered_query.find(to.document), await rights.actor_of(to)
    if text is None or by is None:
        return None
    return await answers.data(text, event.public_id, by)


_EMPTY: Final = {
    "accountId": None,
    "externalId": None,
    "sequence": None,
    "subjectId": None,
    "data": None,
}


def _json(id: str, type: str, at: datetime, **more: object) -> str:
    timestamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"id": id, "type": type, "timestamp": timestamp, **_EMPTY, **more}
    return orjson.dumps(told, default=str).decode()
