"""The audit log: who did what, when, to what, from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from tortoise import fields

from models import email as emails
from models.access.identity import Actor, Role
from models.access.user import User, email_key_sql
from models.clock import now
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_page
from models.db.record import Record, new_id, parse_id
from models.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

_ADDRESS_LENGTH_MAX: Final = 64
#: Whose subjects are people: what they do with their own sign-in is nobody's account's.
_OF_PEOPLE: Final = "usr_"


class AuditEntry(Record):
    """One change that staff or a partner made, or one of several people in an account. Only ever
    added. `account_id` is the account that it was made on, if it was one's.
    """

    PREFIX: ClassVar[str] = "log"

    user_id = fields.UUIDField()
    role = fields.CharField(max_length=8)
    key_id = fields.UUIDField(null=True)
    action = fields.CharField(max_length=64)
    subject = fields.CharField(max_length=128)
    details: fields.Field[dict[str, object]] = fields.JSONField()
    address = fields.CharField(max_length=_ADDRESS_LENGTH_MAX)
    account_id = fields.UUIDField(null=True)

    class Meta:
        table = "audit_entry"
        indexes = (("user_id", "id"), ("subject", "id"))


def entry(
    by: Actor, action: str, subject: str, account_id: UUID | None = None, /, **details: object
) -> AuditEntry:
    """What `by` has done, for the transaction that does it.

    `action` is a verb of the domain (`invoice.void`), `subject` the public id of what was changed,
    `account_id` the account that this is of: the subject itself or the client's own where it is not
    named. `details` are what JSON can hold, and never a secret.
    """
    if account_id is None and not subject.startswith(_OF_PEOPLE):
        account_id = parse_id("acc", subject) or by.account_id
    return AuditEntry(
        id=new_id(),
        created_at=now(),
        user_id=by.user_id,
        role=by.role.value,
        key_id=by.key_id,
        action=action,
        subject=subject,
        details=details,
        address=by.address[:_ADDRESS_LENGTH_MAX],
        account_id=account_id,
    )


# ------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None means any. `actor` is a name that `actor_of` gives."""

    account_id: UUID | None = None
    actor: str | None = None
    action: str | None = None


async def page(filter: AuditFilter, request: PageRequest, by: Actor) -> Page[AuditEntry]:
    """Entries, newest first: for staff all, for partners with `audit:read` those of the accounts
    that their key reaches. Raises Forbidden for others, and NotFound at `account_id`.
    """
    require_reader(by)
    rows = _in_sight(filter.account_id, by)
    if rows is None:
        return Page([], has_next=False, has_previous=False, total=0 if request.count else None)
    if filter.action is not None:
        rows.where += f" AND action = {rows.arg(filter.action)}"
    if filter.actor is not None:
        rows.where += f" AND {_by_actor(rows, filter.actor, by)}"
    return await fetch_page(AuditEntry, rows, request, by_id(AuditEntry.PREFIX))


def require_reader(by: Actor) -> None:
    """Raises Forbidden for clients, and partners without the scope."""
    by.require_scope("audit:read")


def _in_sight(account_id: UUID | None, by: Actor) -> Rows | None:
    """What `by` may see of it; None where there is nothing."""
    if account_id is not None:
        if not by.sees(account_id):
            raise NotFound("account_id")
        return Rows("account_id = $1", [account_id])
    if by.is_staff:
        return Rows("1 = 1")
    if by.accounts is None:
        return Rows("account_id IS NOT NULL")
    if not by.accounts:
        return None
    return Rows(sql.any_of("account_id", 1), [sorted(by.accounts, key=str)])


def _by_actor(rows: Rows, name: str, by: Actor) -> str:
    """The condition that `actor_of` gives this name."""
    if by.is_staff:
        email = rows.arg(emails.key_of(name) or "")
        return (
            f"user_id IN (SELECT id FROM users WHERE {email_key_sql()} = {email}"
            f" UNION ALL SELECT id FROM users WHERE role = 'PARTNER' AND name = {rows.arg(name)})"
        )
    own = rows.arg(by.user_id)
    named = f"EXISTS (SELECT 1 FROM users WHERE id = {own} AND name = {rows.arg(name)})"
    of_role = f"(user_id <> {own} AND role = {rows.arg(name.upper())})"
    return f"((user_id = {own} AND {named}) OR {of_role})"


def is_shown_whole(entry: AuditEntry, by: Actor) -> bool:
    """Whether `by` is told who it was and from where: partners only of themselves."""
    return by.is_staff or by.user_id == entry.user_id


async def actor_of(
    entry: AuditEntry, by: Actor, find: Callable[[UUID], Awaitable[User | None]]
) -> str:
    """Who it was: the e-mail address of a person, the name of a partner. Partners are told the role
    of others alone: `staff`, `client` or `partner`.
    """
    user = await find(entry.user_id) if is_shown_whole(entry, by) else None
    if user is None:
        return entry.role.lower()
    named: str = user.name if user.role == Role.PARTNER else user.email or user.name
    return named or entry.role.lower()


async def visible(entry_id: UUID | None, by: Actor) -> AuditEntry | None:
    """The entry, if it is there and `by` may see it. Raises Forbidden."""
    require_reader(by)
    found = None if entry_id is None else (await sql.by_ids(AuditEntry, [entry_id])).get(entry_id)
    if found is None or by.is_staff:
        return found
    return found if found.account_id is not None and by.sees(found.account_id) else None
