"""Managing endpoints: partners make, change and delete those of their key; staff change any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, TypeAlias
from uuid import UUID

from typing_extensions import override

from models.access import partner
from models.access.identity import Actor
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.edge import registered_query
from models.errors import Invalid, NotAllowed, NotFound
from models.journal import audit_log
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.partners import endpoint as endpoints
from models.partners import rights, signing
from models.partners.address import target_of
from models.partners.endpoint import DisabledReason, WebhookEndpoint
from models.partners.host import Resolve, require_public
from models.partners.pattern import checked_patterns
from models.provider.provider import provider

#: How long the old secret of a rotated pair may go on to sign.
OLD_SECRET_HOURS_MAX = 168

#: Raises Invalid at `document` for a text that is no query of one event.
DocumentCheck: TypeAlias = Callable[[str], None]

#: One whose key has ended is out of its partner's sight, and takes nobody's place.
_COUNT = (
    "SELECT COUNT(*) AS count FROM webhook_endpoint WHERE user_id = $1 AND deleted_at IS NULL"
    f" AND COALESCE(disabled_reason, '') <> '{DisabledReason.KEY_ENDED.value}'"
)


@dataclass(frozen=True, slots=True)
class GivenEndpoint:
    """An endpoint, and its secret: None where it was shown before."""

    endpoint: WebhookEndpoint
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class CreateWebhookEndpoint(Command[None, GivenEndpoint, list[str]]):
    """Have events posted to a URL, with the rights of the key that asks.

    Raises Invalid at `url`, `events` or `document`, NotAllowed where there are enough, and
    RateLimited where too many hosts were refused.
    """

    mutation: ClassVar[str] = "createWebhookEndpoint"
    makes: ClassVar[tuple[str, str]] = ("webhook_endpoint", WebhookEndpoint.PREFIX)

    url: str
    events: tuple[str, ...]
    document: str | None
    check: DocumentCheck = field(compare=False)
    resolve: Resolve = field(compare=False)

    @override
    def require(self, by: Actor) -> None:
        rights.line_of(by)

    @override
    async def prepare(self, asked: Invocation) -> list[str]:
        target_of(self.url)
        patterns = checked_patterns(self.events)
        if self.document is not None:
            await check_document(self.document, self.check)
        # It takes longest.
        await require_public(self.url, self.resolve, asked.by)
        return patterns

    @override
    async def read(self, asked: Invocation[list[str]], journal: Journal) -> None:
        await partner.lock(asked.by.user_id)
        row, maximum = await sql.fetch_one(_COUNT, asked.by.user_id), provider().webhook_endpoints
        if row is not None and row["count"] >= maximum:
            raise NotAllowed(why="webhook_endpoints", maximum=maximum)

    @override
    def decide(self, found: None, asked: Invocation[list[str]], journal: Journal) -> GivenEndpoint:
        secret = signing.new_secret()
        endpoint = WebhookEndpoint(
            id=asked.id,
            created_at=journal.at,
            user_id=asked.by.user_id,
            line_id=rights.line_of(asked.by),
            url=self.url,
            events=asked.prepared,
            document=self.document,
            sealed_secret=signing.sealed(secret, asked.id),
        )
        journal.add(endpoint)
        journal.log(
            asked.by,
            "webhook_endpoint.create",
            endpoint.public_id,
            host=target_of(self.url).authority,  # its path may have a password in it
            events=asked.prepared,
            document=self.document,
        )
        return GivenEndpoint(endpoint, secret)

    @override
    async def recall(self, made: Made, asked: Invocation) -> GivenEndpoint:
        found = await endpoints.find(made.id, asked.by)
        if found is None:
            raise NotFound("idempotency_key")
        return GivenEndpoint(found)


@dataclass(frozen=True, slots=True)
class RotateWebhookSecret(Command[WebhookEndpoint, GivenEndpoint]):
    """Give an endpoint a new secret; the old one signs as well for some hours.

    Raises NotFound at `endpoint_id`, Invalid at `old_secret_valid_hours`.
    """

    mutation: ClassVar[str] = "rotateWebhookSecret"

    endpoint_id: UUID
    old_secret_valid_hours: int

    @override
    def require(self, by: Actor) -> None:
        rights.require_manager(by)

    @override
    async def read(self, asked: Invocation, journal: Journal) -> WebhookEndpoint:
        if not 0 <= self.old_secret_valid_hours <= OLD_SECRET_HOURS_MAX:
            hours = OLD_SECRET_HOURS_MAX
            raise Invalid("old_secret_valid_hours", problem="hours_range", maximum=hours)
        return journal.watch(await locked(self.endpoint_id, asked.by))

    @override
    def decide(self, found: WebhookEndpoint, asked: Invocation, journal: Journal) -> GivenEndpoint:
        secret, hours = signing.new_secret(), self.old_secret_valid_hours
        found.put(
            sealed_old_secret=found.sealed_secret if hours else None,
            old_secret_until_at=journal.at + timedelta(hours=hours) if hours else None,
            sealed_secret=signing.sealed(secret, found.id),
        )
        journal.log(
            asked.by,
            "webhook_endpoint.rotate_secret",
            found.public_id,
            old_secret_valid_hours=hours,
        )
        return GivenEndpoint(found, secret)

    @override
    async def recall(self, made: Made, asked: Invocation) -> GivenEndpoint:
        found = await endpoints.find(self.endpoint_id, asked.by)
        if found is None:
            raise NotFound("endpoint_id")
        return GivenEndpoint(found)


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What is to be changed of an endpoint; None is left as it is. An empty `document` removes it.
    `check` and `resolve` are as in CreateWebhookEndpoint.
    """

    url: str | None
    events: tuple[str, ...] | None
    document: str | None
    enabled: bool | None
    check: DocumentCheck
    resolve: Resolve


async def update(endpoint_id: UUID, change: EndpointChange, by: Actor) -> WebhookEndpoint:
    """Change an endpoint. Raises NotFound at `endpoint_id`, Invalid at what is malformed,
    NotAllowed where it is to be enabled and its key is not valid any more, Forbidden, and
    RateLimited as CreateWebhookEndpoint.
    """
    rights.require_manager(by)
    columns = await _columns(change)
    known = await endpoints.find(endpoint_id, by)
    if known is None:
        raise NotFound("endpoint_id")
    # Where it stays the same nobody has to be there who answers for its name: to disable it, say.
    if change.url not in {None, known.url}:
        await require_public(str(change.url), change.resolve, by)

    async def write() -> WebhookEndpoint:
        endpoint = await locked(endpoint_id, by)
        columns.update(await _enabling(endpoint, enabled=change.enabled))
        if change.url not in {None, endpoint.url}:
            columns["failing_since_at"] = None
        if columns:
            await endpoint.change(**columns)
        told: dict[str, object] = {"changed": sorted(columns)}
        if change.url is not None:
            told["host"] = target_of(change.url).authority
        await sql.add(audit_log.entry(by, "webhook_endpoint.update", endpoint.public_id, **told))
        return endpoint

    return await transaction(write)


async def _columns(change: EndpointChange) -> dict[str, object]:
    """The columns that are changed whatever the endpoint is. Raises Invalid."""
    columns: dict[str, object] = {}
    if change.url is not None:
        target_of(change.url)
        columns["url"] = change.url
    if change.events is not None:
        columns["events"] = checked_patterns(change.events)
    if change.document is not None:
        if change.document:
            await check_document(change.document, change.check)
        columns["document"] = change.document or None
    return columns


async def _enabling(endpoint: WebhookEndpoint, *, enabled: bool | None) -> dict[str, object]:
    if enabled is None or enabled == endpoint.enabled:
        return {}
    if not enabled:
        return {"disabled_at": now(), "disabled_reason": DisabledReason.REQUESTED.value}
    if await rights.actor_of(endpoint) is None:
        raise NotAllowed("enabled", why="webhook_key_ended")
    return {"disabled_at": None, "disabled_reason": None, "failing_since_at": None}


async def delete(endpoint_id: UUID, by: Actor) -> None:
    """Delete an endpoint, with what waits for it. Raises NotFound at `endpoint_id`, Forbidden."""
    rights.require_manager(by)

    async def write() -> None:
        endpoint = await locked(endpoint_id, by)
        await endpoint.change(deleted_at=now())
        await sql.add(audit_log.entry(by, "webhook_endpoint.delete", endpoint.public_id))

    await transaction(write)


async def locked(endpoint_id: UUID, by: Actor) -> WebhookEndpoint:
    """The endpoint, under lock. Raises NotFound at `endpoint_id` where it is out of sight."""
    statement = "SELECT * FROM webhook_endpoint WHERE id = $1 AND deleted_at IS NULL"
    found = await sql.records(WebhookEndpoint, statement + sql.for_update(), endpoint_id)
    if not found or not rights.manages(by, found[0]):
        raise NotFound("endpoint_id")
    return found[0]


async def check_document(document: str, check: DocumentCheck) -> None:
    """Raises Invalid at `document` unless it is registered, and a query of one event."""
    text = await registered_query.find(document) if document.isprintable() else None
    if text is None:
        raise Invalid("document", problem="document_not_registered")
    check(text)
