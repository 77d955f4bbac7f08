"""Endpoints: where a partner's system hears of events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.db import sql
from models.db.record import Changing
from models.partners import rights, signing

if TYPE_CHECKING:
    from models.access.identity import Actor


class DisabledReason(StrEnum):
    """Why an endpoint gets nothing."""

    REQUESTED = "REQUESTED"
    "Somebody has disabled it."
    FAILING = "FAILING"
    "Nothing could be delivered for three days."
    GONE = "GONE"
    "It answered 410: it is gone for good."
    KEY_ENDED = "KEY_ENDED"
    "The API key that made it was revoked, or has expired."


class WebhookEndpoint(Changing):
    """A URL that events are posted to, with the rights of the key that made it, or of the one that
    has replaced that: `line_id` is the first of them (models.partners.rights).

    `events` are patterns, `document` the identifier of a registered GraphQL document. The secrets
    are sealed; the old one signs as well until `old_secret_until_at`. `failing_since_at` is when
    the first of the attempts failed after which none has succeeded.
    """

    PREFIX: ClassVar[str] = "whe"

    user_id = fields.UUIDField()
    line_id = fields.UUIDField()
    url = fields.TextField()
    events: fields.Field[list[str]] = fields.JSONField()
    document = fields.CharField(max_length=255, null=True)
    sealed_secret = fields.TextField()
    sealed_old_secret = fields.CharField(max_length=500, null=True)
    old_secret_until_at = fields.DatetimeField(null=True)
    disabled_at = fields.DatetimeField(null=True)
    disabled_reason = fields.CharField(max_length=20, null=True)
    failing_since_at = fields.DatetimeField(null=True)
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "webhook_endpoint"

    @property
    def enabled(self) -> bool:
        """Whether events are delivered to it."""
        return self.disabled_at is None and self.deleted_at is None

    def secrets(self, at: datetime) -> list[str]:
        """The secrets that sign at that moment, the newest first; none where SECRET_KEY has
        changed.
        """
        until = self.old_secret_until_at
        stored = [self.sealed_secret]
        if self.sealed_old_secret is not None and until is not None and at < until:
            stored.append(self.sealed_old_secret)
        found = [signing.opened(one, self.id) for one in stored]
        return [secret for secret in found if secret is not None]


async def find(
    endpoint_id: UUID | None,
    by: Actor,
    read: Callable[[UUID], Awaitable[WebhookEndpoint | None]] | None = None,
) -> WebhookEndpoint | None:
    """The endpoint, if it is there and `by` manages it; `read` finds it, where it is not this.
    Raises Forbidden without the scope.
    """
    rights.require_manager(by)
    if endpoint_id is None:
        return None
    found = await (read or _by_id)(endpoint_id)
    return found if found is not None and rights.manages(by, found) else None


async def _by_id(id: UUID) -> WebhookEndpoint | None:
    return (await by_ids([id])).get(id)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, WebhookEndpoint]:
    """Those of them that are not deleted, by id."""
    found = await sql.by_ids(WebhookEndpoint, ids)
    return {id: one for id, one in found.items() if one.deleted_at is None}


#: As many as staff are shown, newest first; a partner has fewer (`Provider.webhook_endpoints`).
SHOWN_MAX: Final = 50


async def managed(by: Actor) -> list[WebhookEndpoint]:
    """The endpoints that `by` manages, newest first; staff all partners'. Raises Forbidden without
    the scope.
    """
    rights.require_manager(by)
    where, args = ("", []) if by.is_staff else (" AND line_id = $2", [by.line_id])
    return await sql.records(
        WebhookEndpoint,
        f"SELECT * FROM webhook_endpoint WHERE deleted_at IS NULL{where} ORDER BY id DESC LIMIT $1",
        SHOWN_MAX,
        *args,
    )
