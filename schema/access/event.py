"""Events: what has happened, for whoever would rather ask than be called."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from models.db.record import parse_id
from models.journal import feed, outbox
from schema.account import Account
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.ids import account_named, existing_account
from schema.core.nodes import Node, find_node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request


@strawberry.type
class Event(Node):
    """A fact: something happened to an account. Its ID is also that of the webhooks that tell of
    it, and a cursor of `events`.
    """

    type: str
    "What happened, such as `invoice.paid`."
    sequence: int
    "Its place among the events of its account: 1, 2, 3 … without a gap."
    occurred_at: datetime
    "When it happened."
    record: strawberry.Private[outbox.Event]

    @classmethod
    def of(cls, record: outbox.Event) -> Event:
        """Show an event."""
        assert record.sequence is not None, "it is published"
        return cls(
            id=strawberry.ID(record.public_id),
            type=record.kind,
            sequence=record.sequence,
            occurred_at=record.created_at,
            record=record,
        )

    @strawberry.field
    @refused_at_top
    async def account(self, info: Info) -> Account:
        """The client that it happened to. Reading it needs permission to read accounts."""
        return Account.of(await existing_account(info, self.record.account_id))

    @strawberry.field
    async def subject(self, info: Info) -> Node | None:
        """What it is about, as it is now; null if it isn't visible to the caller."""
        return await find_node(info, self.record.subject)


@found_by(outbox.Event.PREFIX)
async def _event_node(info: Info, id: str) -> Event | None:
    by, find = info.context.signed_in(), info.context.loaders.event.load
    record = await feed.visible(parse_id(outbox.Event.PREFIX, id), by, find)
    return Event.of(record) if record else None


@strawberry.type
class EventQuery:
    """Reading events."""

    @strawberry.field
    @refused_at_top
    async def events(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        account_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="Only events of this account. Defaults to all that the caller can see."
            ),
        ] = None,
        types: Annotated[
            list[str] | None,
            strawberry.argument(
                description="Only events of these types: `invoice.paid`, `invoice.*`, `*`. "
                "Defaults to all."
            ),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Event]:
        """What has happened, oldest first: from a cursor on nothing is left out, as far as the
        caller's permissions reach. A cursor older than the events that are kept is refused.
        """
        page = await feed.page(
            page_request(info, first, after, last, before),
            by=info.context.signed_in(),
            account_id=account_named(account_id),
            types=types,
        )
        return Connection.of(page, Event.of)
