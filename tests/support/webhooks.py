"""Partners that hear of events: their keys, endpoints, and what reaches them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import orjson
from standardwebhooks import Webhook

from models.access.api_key import create_key
from models.access.credential import actor_of_credential
from models.journal import feed
from models.journal.command import run
from models.partners import delivery, sending
from models.partners.attempt import DeliveryAttempt, Outcome
from models.partners.delivery import WebhookDelivery
from models.partners.endpoint import WebhookEndpoint
from models.partners.manage import CreateWebhookEndpoint, GivenEndpoint
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from models.access.identity import Actor
    from models.partners.address import Target

URL: Final = "https://hooks.example.com/in"
SCOPES: Final = ("accounts:read", "credit:read", "invoices:read", "webhooks:manage")
#: Where all names lead to that are not told otherwise.
PUBLIC: Final = "8.8.8.8"
TAKEN: Final = Outcome(7, 200)
BROKEN: Final = Outcome(7, 500, "HTTP 500 Internal Server Error", "oops")


@dataclass
class Message:
    """What was posted, as the receiver has it."""

    headers: Mapping[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = orjson.loads(self.body)
        return told

    def verified(self, secret: str) -> dict[str, Any]:
        """What it tells, if that secret has signed it, and just now."""
        told: dict[str, Any] = Webhook(secret).verify(self.body, dict(self.headers))
        return told


@dataclass
class Receiver:
    """The far side: keeps what is posted, and answers as it is told."""

    answer: Outcome = TAKEN
    messages: list[Message] = field(default_factory=list)
    trouble: BaseException | None = None
    held: asyncio.Event | None = None
    under_way: int = 0
    most_under_way: int = 0

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Outcome:  # noqa: ARG002 - the port's
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            self.messages.append(Message(dict(headers), body.decode()))
            if self.trouble is not None:
                raise self.trouble
            if self.held is not None:
                await self.held.wait()
            return self.answer
        finally:
            self.under_way -= 1

    def fetched(self) -> list[Message]:
        messages, self.messages = self.messages, []
        return messages


@dataclass
class NoAnswers:
    """Answers documents with what it is told to."""

    answer: object = None
    trouble: Exception | None = None
    asked: list[tuple[str, str, Actor]] = field(default_factory=list)

    async def data(self, document: str, event: str, by: Actor) -> object:
        self.asked.append((document, event, by))
        if self.trouble is not None:
            raise self.trouble
        return self.answer


def any_document(_text: str) -> None:
    """Refuses none."""


@dataclass
class Names:
    """A resolver: what names lead to, a public address unless told otherwise. An address leads to
    itself.
    """

    known: dict[str, list[str] | Exception] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    held: asyncio.Event | None = None
    came: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        self.came.put_nowait(host)
        if self.held is not None:
            await self.held.wait()
        found = self.known.get(host, [host if _is_address(host) else PUBLIC])
        if isinstance(found, Exception):
            raise found
        return found


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def a_partner(
    accounts: Iterable[UUID] | None = None, scopes: Iterable[str] = SCOPES, name: str = ""
) -> Actor:
    """A partner's key, as who asks with it."""
    _, token = await create_key(name or key(), scopes, accounts)
    actor = await actor_of_credential(token, "192.0.2.1")
    assert actor is not None
    return actor


async def an_endpoint(by: Actor, *events: str, again: str = "", **wish: Any) -> GivenEndpoint:
    """An endpoint of that key's."""
    ours: dict[str, Any] = {"check": any_document, "resolve": Names()}
    how: dict[str, Any] = {"url": URL, "document": None, **ours, **wish}
    command = CreateWebhookEndpoint(events=events or ("*",), **how)
    return await run(command, by, again or key())


async def published() -> int:
    """Everything that has happened is published; how many events."""
    count = 0
    while done := await feed.publish(delivery.enqueue):
        count += done
    return count


async def sent(given: GivenEndpoint, receiver: Receiver, answers: NoAnswers | None = None) -> int:
    """All that is due for that endpoint is sent; how many attempts that took."""
    count = 0
    while await sending.send_next(given.endpoint.id, receiver, answers or NoAnswers()):
        count += 1
    return count


async def heard(given: GivenEndpoint) -> list[dict[str, Any]]:
    """What reaches the endpoint of what has happened."""
    receiver = Receiver()
    await published()
    await sent(given, receiver)
    return [message.told for message in receiver.messages]


async def deliveries_of(given: GivenEndpoint) -> list[WebhookDelivery]:
    return await WebhookDelivery.filter(endpoint_id=given.endpoint.id).order_by("id")


async def attempts_of(one: WebhookDelivery) -> list[DeliveryAttempt]:
    return await DeliveryAttempt.filter(delivery_id=one.id).order_by("id")


async def as_it_is(given: GivenEndpoint) -> WebhookEndpoint:
    return await WebhookEndpoint.get(id=given.endpoint.id)
