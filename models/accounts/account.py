"""Accounts: the provider's clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from uuid import UUID

from tortoise import fields
from typing_extensions import override

from models import email as emails
from models.access import password
from models.access.identity import Actor, Role
from models.access.user import new_user
from models.accounts.billing import Billing
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_page
from models.db.record import Changing
from models.errors import Forbidden, Invalid, NotFound
from models.journal.command import Command, Invocation, StaffCommand
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.opening import every_book
from models.ledger.stopped import STOPPED_ANYWHERE
from models.locale_tag import language_tag
from models.money import exponent
from models.provider.provider import provider
from models.text import clean_text, folded


class Account(Changing):
    """A client: who owns credit and invoices. `frozen` is the staff's own switch.

    `email` is as it was written, `email_key` (UNIQUE) what it is compared by; `search_key` has name
    and address as they are searched.
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

    class Meta:
        table = "account"

    async def save(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as Tortoise has it
        """Write it, with what it is searched by."""
        self.search_key = _search_key(self.name, self.email)
        await super().save(*args, **kwargs)

    @property
    def billing_details(self) -> Billing:
        """Where and how invoices are addressed."""
        return Billing.of(self.billing)


def _search_key(name: str, email: str) -> str:
    return folded(f"{name}\n{email}")


# ------------------------------------------------------------------------------- reading


async def read(account_id: UUID) -> Account | None:
    """The account, without a check of who asks; None if it does not exist."""
    return (await by_ids([account_id])).get(account_id)


async def visible(
    account_id: UUID | None, by: Actor, find: Callable[[UUID], Awaitable[Account | None]] = read
) -> Account | None:
    """The account, if it is there and `by` may see it. Raises Forbidden."""
    by.require_scope("accounts:read")
    return await find(account_id) if account_id and by.sees(account_id) else None


async def currency_meant(account_id: UUID, currency: str | None) -> str:
    """The currency that is named, or the account's own. Raises CurrencyNotSupported, NotFound."""
    if currency is not None:
        exponent(currency)
        return currency
    account = await read(account_id)
    if account is None:
        raise NotFound("account_id")
    return account.currency


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Account]:
    """These accounts, by id; one statement."""
    return await sql.by_ids(Account, ids)


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
        where += f" AND id IN ({sql.placeholders(len(by.accounts), len(args) + 1)})"
        args.extend(sorted(by.accounts, key=str))
    return await fetch_page(Account, Rows(where, args), page, by_id(Account.PREFIX))


async def frozen_of(ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Whether each account's spending is stopped: by staff, a debt, or an open dispute."""
    statement = f"SELECT a.id, {STOPPED_ANYWHERE} AS stopped FROM account a WHERE a.id IN"
    rows = await sql.fetch(f"{statement} ({sql.placeholders(len(ids))})", *ids)
    return {row["id"]: bool(row["stopped"]) for row in rows}


# ------------------------------------------------------------------------------- changing


@dataclass(frozen=True, slots=True)
class _Checked:
    """An account that is asked for, as it will be written down."""

    name: str
    email: str
    email_key: str
    locale: str
    password_hash: str | None


_TAKEN: Final = """
SELECT id FROM account WHERE email = $1 OR email_key = $2
 UNION ALL SELECT id FROM users WHERE email = $1 OR email_key = $2 LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class CreateAccount(StaffCommand[bool, Account, _Checked]):
    """Open an account, with a user that can sign in where a `password` is given. Staff only.

    Raises Invalid at `name`, `email`, `password` or `locale`, CurrencyNotSupported at `currency`.
    """

    mutation: ClassVar[str] = "createAccount"
    makes: ClassVar[tuple[str, str]] = ("account", "acc")

    name: str
    email: str
    currency: str
    locale: str | None = None
    # Not in the fingerprint: of a password not even a plain hash may be kept.
    password: str | None = field(default=None, compare=False, repr=False)

    @override
    async def prepare(self, asked: Invocation) -> _Checked:
        name = clean_text(self.name, "name", maximum=200)
        written, email_key = emails.written(self.email), emails.key_of(self.email)
        if written is None or email_key is None:
            raise Invalid("email", problem="email_form")
        locale = "en" if self.locale is None else language_tag(self.locale, "locale")
        provider().limits_of(self.currency, "currency")
        # A hash takes too long for a transaction.
        hashed = None if self.password is None else await password.hashed(self.password)
        return _Checked(name, written, email_key, locale, hashed)

    @override
    async def read(self, asked: Invocation[_Checked], journal: Journal) -> bool:
        """Whether somebody has this address."""
        told = asked.prepared
        return bool(await sql.fetch(_TAKEN, told.email, told.email_key))

    @override
    def decide(self, found: bool, asked: Invocation[_Checked], journal: Journal) -> Account:
        if found:
            raise Invalid("email", problem="taken")
        told = asked.prepared
        account = Account(
            id=asked.id,
            created_at=journal.at,
            name=told.name,
            email=told.email,
            email_key=told.email_key,
            currency=self.currency,
            locale=told.locale,
            search_key=_search_key(told.name, told.email),
        )
        journal.claim(account)
        journal.claim(
            new_user(
                role=Role.CLIENT,
                email=told.email,
                password_hash=told.password_hash,
                account_id=account.id,
                name=told.name,
            )
        )
        journal.tell(FactKind.ACCOUNT_CREATED, account.id, account.id)
        journal.log(asked.by, "account.create", account.public_id)
        return account

    @override
    async def recall(self, made: Made, asked: Invocation) -> Account:
        assert made.id is not None
        return (await by_ids([made.id]))[made.id]


@dataclass(frozen=True, slots=True)
class UpdateAccount(Command[Account, Account, dict[str, object]]):
    """Change an account's settings: clients their own (not `spending_frozen`), staff anybody's.

    `changes` holds those of `name`, `locale`, `auto_apply_credit`, `billing` (whole, as JSON) and
    `spending_frozen` that were given. Raises NotFound at `account_id`, Forbidden, Invalid at the
    setting.
    """

    mutation: ClassVar[str] = "updateAccount"

    account_id: UUID | None
    changes: Mapping[str, object]

    @override
    def require(self, by: Actor) -> None:
        is_for_staff = "spending_frozen" in self.changes and not by.is_staff
        if by.role is Role.PARTNER or is_for_staff:
            raise Forbidden("staff")
        self._target(by)

    def _target(self, by: Actor) -> UUID:
        return self.account_id or by.own_account()

    @override
    async def prepare(self, asked: Invocation) -> dict[str, object]:
        """The columns that change."""
        return _columns(self.changes)

    @override
    async def read(self, asked: Invocation[dict[str, object]], journal: Journal) -> Account:
        found = await self._in_sight(asked.by)
        if asked.prepared.keys() & _SWITCHES:
            await every_book(found.id)
        return journal.watch(found)

    async def _in_sight(self, by: Actor) -> Account:
        target = self._target(by)
        found = (await by_ids([target])).get(target) if by.sees(target) else None
        if found is None:
            raise NotFound("account_id")
        return found

    @override
    def decide(
        self, found: Account, asked: Invocation[dict[str, object]], journal: Journal
    ) -> Account:
        columns = asked.prepared
        if not columns:
            return found
        found.put(**columns)
        if "name" in columns:
            found.put(search_key=_search_key(found.name, found.email))
        journal.tell(FactKind.ACCOUNT_UPDATED, found.id, found.id)
        if asked.by.is_staff:
            journal.log(asked.by, "account.update", found.public_id, **columns)
        return found

    @override
    async def recall(self, made: Made, asked: Invocation) -> Account:
        return await self._in_sight(asked.by)


#: What is decided by under a book's lock, and so changes under it alone.
_SWITCHES: Final = frozenset({"frozen", "auto_apply_credit"})


def _columns(changes: Mapping[str, object]) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name, value in changes.items():
        if value is None:
            raise Invalid(name, problem="null")
        match name:
            case "name":
                columns["name"] = clean_text(str(value), "name", maximum=200)
            case "locale":
                columns["locale"] = language_tag(str(value), "locale")
            case "auto_apply_credit":
                columns["auto_apply_credit"] = bool(value)
            case "billing":
                columns["billing"] = Billing.of(value).checked().json()
            case "spending_frozen":
                columns["frozen"] = bool(value)
            case _:
                raise AssertionError(name)
    return columns
