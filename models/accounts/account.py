"""Accounts: the provider's clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

from tortoise import fields

from models.access.identity import Actor, Role
from models.access.invitation import open_to
from models.access.member import ACCOUNTS_MAX, accounts_of
from models.access.session import is_handed_over
from models.accounts.billing import Billing
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_page
from models.db.record import Changing
from models.errors import Forbidden, Invalid, NotFound
from models.ledger.stopped import STOPPED_ANYWHERE
from models.money import exponent
from models.text import folded


class Account(Changing):
    """A client: who owns credit and invoices. `frozen` is the staff's own switch.

    `email` is as it was written, and compared by its key (UNIQUE), as a `User`'s; `search_key` has
    name and address as they are searched. `external_id` is a partner's own id of it, UNIQUE for
    `partner_id`, and `details` what the API calls its metadata.
    """

    PREFIX: ClassVar[str] = "acc"

    name = fields.CharField(max_length=200)
    email = fields.CharField(max_length=254, unique=True)
    email_key = fields.CharField(max_length=254, null=True)
    search_key = fields.TextField(db_default="")
    locale = fields.CharField(max_length=35, default="en")
    currency = fields.CharField(max_length=3)
    auto_apply_credit = fields.BooleanField(default=False)
    frozen = fields.BooleanField(default=False)
    open_disputes = fields.IntField(default=0)
    billing: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    partner_id = fields.UUIDField(null=True)
    external_id = fields.CharField(max_length=200, null=True)
    details: fields.Field[dict[str, str] | None] = fields.JSONField(null=True)

    class Meta:
        table = "account"

    async def save(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as Tortoise has it
        """Write it, with what it is searched by."""
        self.search_key = search_key(self.name, self.email)
        await super().save(*args, **kwargs)

    @property
    def billing_details(self) -> Billing:
        """Where and how invoices are addressed."""
        return Billing.of(self.billing)

    def external_id_for(self, by: Actor) -> str | None:
        """What its partner calls it; other partners are not told."""
        is_other = by.role is Role.PARTNER and by.user_id != self.partner_id
        return None if is_other else self.external_id

    def currency_meant(self, currency: str | None) -> str:
        """The currency that is named, or its own. Raises CurrencyNotSupported."""
        if currency is None:
            return self.currency
        exponent(currency)
        return currency


def search_key(name: str, email: str) -> str:
    """What an account is found by when staff search."""
    return folded(f"{name}\n{email}")


async def read(account_id: UUID) -> Account | None:
    """The account, without a check of who asks; None if it does not exist."""
    return (await by_ids([account_id])).get(account_id)


async def visible(
    account_id: UUID | None, by: Actor, find: Callable[[UUID], Awaitable[Account | None]] = read
) -> Account | None:
    """The account, if it is there and `by` may see it. Raises Forbidden."""
    by.require_scope("accounts:read")
    return await find(account_id) if account_id and by.sees(account_id) else None


async def currency_meant(
    account_id: UUID | None,
    currency: str | None,
    find: Callable[[UUID], Awaitable[Account | None]] = read,
) -> str:
    """The currency that is named, or the account's own.

    Raises CurrencyNotSupported, NotFound, and Invalid where neither of them is named.
    """
    if currency is not None:
        exponent(currency)
        return currency
    if account_id is None:
        raise Invalid("currency", problem="null")
    account = await find(account_id)
    if account is None:
        raise NotFound("account_id")
    return account.currency


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Account]:
    """These accounts, by id; one statement."""
    return await sql.by_ids(Account, ids)


async def of_user(by: Actor) -> list[Account]:
    """The accounts that a client may use, their own first, then those that they are invited to;
    none for others. Of who was handed over, or is vouched for, the one that this was for.
    """
    if by.role is not Role.CLIENT:
        return []
    if is_handed_over(by):
        ids = [by.account_id] if by.account_id else []
    else:
        ids = await accounts_of(by.user_id)
        ids += [one.account_id for one in await open_to(by.user_id)]
    found = await by_ids(ids)
    return [found[id] for id in dict.fromkeys(ids) if id in found][:ACCOUNTS_MAX]


async def search(text: str | None, page: PageRequest, by: Actor) -> Page[Account]:
    """Accounts whose name or e-mail address contains `text`; all where it is None."""
    if by.role is Role.CLIENT:
        raise Forbidden("accounts:read")
    by.require_scope("accounts:read")
    where = "1 = 1"
    args: list[object] = []
    if text:
        pattern = folded(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        args.append(f"%{pattern}%")
        where = "search_key LIKE $1 ESCAPE '\\'"
    if by.accounts is not None and not by.is_staff:
        if not by.accounts:
            return Page([], has_next=False, has_previous=False, total=0 if page.count else None)
        args.append(sorted(by.accounts, key=str))
        where += f" AND {sql.any_of('id', len(args))}"
    return await fetch_page(Account, Rows(where, args), page, by_id(Account.PREFIX))


async def frozen_of(ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Whether each account's spending is stopped: by staff, a debt, or an open dispute."""
    statement = f"SELECT a.id, {STOPPED_ANYWHERE} AS stopped FROM account a WHERE a.id IN"
    rows = await sql.fetch(f"{statement} ({sql.placeholders(len(ids))})", *ids)
    return {row["id"]: bool(row["stopped"]) for row in rows}
