"""Accounts: the provider's clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from tortoise import fields
from tortoise.exceptions import IntegrityError

from models import email as emails
from models.access import password
from models.access.identity import Actor, Role
from models.access.user import add_user
from models.accounts.billing import Billing
from models.db import sql
from models.db.page import Page, PageRequest, by_id, fetch_page
from models.db.record import Record, new_id, parse_id, public_id
from models.errors import Forbidden, Invalid, NotFound
from models.journal import audit_log, idempotency, outbox
from models.ledger.book import every_book
from models.locale_tag import language_tag
from models.provider.provider import house
from models.text import clean_text, folded


class Account(Record):
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


async def visible(account_id: UUID, by: Actor) -> Account | None:
    """The account, if it is there and `by` may see it."""
    by.require_scope("accounts:read")
    if not by.sees(account_id):
        return None
    return (await by_ids([account_id])).get(account_id)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Account]:
    """These accounts, by id; one statement."""
    if not ids:
        return {}
    rows = await sql.records(
        Account,
        f"SELECT * FROM account WHERE id IN ({sql.placeholders(len(ids))})",
        *ids,
    )
    return {account.id: account for account in rows}


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
    return await fetch_page(Account, where, args, page, by_id(Account.PREFIX))


_FROZEN = """
SELECT a.id, (a.frozen OR a.open_disputes > 0 OR EXISTS
       (SELECT 1 FROM balance b WHERE b.account_id = a.id AND b.debt > 0)) AS stopped
  FROM account a
"""


async def frozen_of(ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Whether each account's spending is stopped: by staff, a debt, or an open dispute."""
    rows = await sql.fetch(_FROZEN + f" WHERE a.id IN ({sql.placeholders(len(ids))})", *ids)
    return {row["id"]: bool(row["stopped"]) for row in rows}


async def is_frozen(account_id: UUID) -> bool:
    """Whether the account's spending is stopped."""
    return (await frozen_of([account_id])).get(account_id, False)


# ------------------------------------------------------------------------------- changing


async def create(
    *,
    name: str,
    email: str,
    password: str | None,
    currency: str,
    locale: str | None,
    by: Actor,
    key: str,
) -> Account:
    """Open an account, with a user that can sign in where a `password` is given. Staff only.

    Raises Invalid at `name`, `email`, `password` or `locale`, CurrencyNotSupported at `currency`.
    """
    by.require_staff()
    account_id = new_id()
    given = {"name": name, "email": email, "currency": currency, "locale": locale}
    row: dict[str, Any] = {"locale": "en"}
    secret: list[str | None] = [None]

    async def prepare() -> None:
        row["name"] = clean_text(name, "name", maximum=200)
        written, email_key = emails.written(email), emails.key_of(email)
        if written is None or email_key is None:
            raise Invalid("email", problem="email_form")
        row.update(email=written, email_key=email_key)
        if locale is not None:
            row["locale"] = language_tag(locale, "locale")
        house().limits_of(currency, "currency")
        if password is not None:
            secret[0] = await _hashed(password)

    async def work() -> None:
        try:
            await Account.create(id=account_id, currency=currency, **row)
        except IntegrityError as error:
            raise Invalid("email", problem="taken") from error
        await add_user(
            role=Role.CLIENT,
            email=row["email"],
            password_hash=secret[0],
            account_id=account_id,
            name=row["name"],
        )
        await outbox.record([outbox.Fact("account.created", account_id, account_id)])
        await audit_log.record(by, "account.create", public_id(Account.PREFIX, account_id))

    made = {"account": public_id(Account.PREFIX, account_id)}
    done = await idempotency.once(
        by,
        key,
        "createAccount",
        given,
        made,
        admit=idempotency.for_staff(by),
        work=work,
        prepare=prepare,
    )
    return await _made(done["account"])


async def _hashed(text: str) -> str:
    return await password.hashed(text)


async def update(
    account_id: UUID | None, changes: Mapping[str, object], *, by: Actor, key: str
) -> Account:
    """Change an account's settings: clients their own (not `spending_frozen`), staff anybody's.

    `changes` holds those of `name`, `locale`, `auto_apply_credit`, `billing` (whole, as JSON) and
    `spending_frozen` that were given. Raises NotFound at `account_id`, Forbidden, Invalid at the
    setting.
    """
    if by.role is Role.PARTNER or ("spending_frozen" in changes and not by.is_staff):
        raise Forbidden("staff")
    target = account_id or by.own_account()
    given = {"account": target.hex, **changes}

    async def admit(_made: idempotency.Result) -> None:
        if not by.sees(target):
            raise NotFound("account_id")

    async def work() -> None:
        columns = _columns(changes)
        found = (await by_ids([target])).get(target) if by.sees(target) else None
        if found is None:
            raise NotFound("account_id")
        if "name" in columns:
            columns["search_key"] = _search_key(str(columns["name"]), found.email)
        if columns.keys() & _SWITCHES:
            await every_book(target)
        if columns:
            await Account.filter(id=target).update(**columns)
            await outbox.record([outbox.Fact("account.updated", target, target)])
            if by.is_staff:
                subject = public_id(Account.PREFIX, target)
                told = {name: value for name, value in columns.items() if name != "search_key"}
                await audit_log.record(by, "account.update", subject, **told)

    made = {"account": public_id(Account.PREFIX, target)}
    done = await idempotency.once(by, key, "updateAccount", given, made, admit=admit, work=work)
    return await _made(done["account"])


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


async def _made(id: str) -> Account:
    account_id = parse_id(Account.PREFIX, id)
    assert account_id is not None
    return (await by_ids([account_id]))[account_id]
