"""The audit log, as staff and partners read it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import orjson
import strawberry

from models.db.record import parse_id
from models.journal import audit_log
from models.text import clean_text
from schema.account import Account, MetadataEntry
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.ids import account_named, existing_account
from schema.core.nodes import Node, find_node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request

PREFIX = audit_log.AuditEntry.PREFIX


@strawberry.type
class AuditEntry(Node):
    """A change that staff or a partner made, or one of several people in an account."""

    at: datetime
    "When it was made."
    action: str
    "What was done: `invoice.void`."
    details: list[MetadataEntry]
    "What else there is to say, by key; what isn't text is written as JSON."
    record: strawberry.Private[audit_log.AuditEntry]

    @classmethod
    def of(cls, record: audit_log.AuditEntry) -> AuditEntry:
        """Show an entry."""
        details = {name: _text(value) for name, value in record.details.items()}
        return cls(
            id=strawberry.ID(record.public_id),
            at=record.created_at,
            action=record.action,
            details=MetadataEntry.of(details),
            record=record,
        )

    @strawberry.field
    async def actor(self, info: Info) -> str:
        """Who made it: a person's e-mail address or a partner's name. Partners are told `staff`,
        `client` or `partner` of others.
        """
        by, find = info.context.signed_in(), info.context.loaders.user.load
        return await audit_log.actor_of(self.record, by, find)

    @strawberry.field
    async def subject(self, info: Info) -> Node | None:
        """What was changed, if it is an object that the caller may see."""
        return await find_node(info, self.record.subject)

    @strawberry.field
    @refused_at_top
    async def account(self, info: Info) -> Account | None:
        """The account that it was made on; null if it is about none."""
        account_id = self.record.account_id
        return None if account_id is None else Account.of(await existing_account(info, account_id))

    @strawberry.field
    def address(self, info: Info) -> str | None:
        """The address that it came from. Partners are told their own only."""
        is_shown = audit_log.is_shown_whole(self.record, info.context.signed_in())
        return self.record.address or None if is_shown else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@found_by(PREFIX)
async def _audit_entry_node(info: Info, id: str) -> AuditEntry | None:
    record = await audit_log.visible(parse_id(PREFIX, id), info.context.signed_in())
    return AuditEntry.of(record) if record else None


@strawberry.type
class AuditQuery:
    """Reading the audit log."""

    @strawberry.field
    @refused_at_top
    async def audit_log(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        account_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Only changes of this account."),
        ] = None,
        actor: Annotated[
            str | None,
            strawberry.argument(description="Only changes that `AuditEntry.actor` calls so."),
        ] = None,
        action: Annotated[
            str | None, strawberry.argument(description="Only changes of this kind.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[AuditEntry]:
        """The audit log, newest first. Staff see all of it; partners (scope `audit:read`) what is
        about the accounts that their key reaches.
        """
        by = info.context.signed_in()
        request = page_request(info, first, after, last, before)
        filter = audit_log.AuditFilter(
            account_named(account_id), _clean(actor, "actor"), _clean(action, "action")
        )
        return Connection.of(await audit_log.page(filter, request, by), AuditEntry.of)


def _clean(text: str | None, field: str) -> str | None:
    return None if text is None else clean_text(text, field, maximum=254, required=False)
