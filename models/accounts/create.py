"""New accounts, with a user that can sign in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from models import email as emails
from models.access import api_key, password
from models.access.identity import Actor, Role
from models.access.user import User, email_key_sql, new_user
from models.accounts.account import Account, by_ids, search_key
from models.accounts.external import External, belonging
from models.db import sql
from models.errors import Invalid, NotFound
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.locale_tag import language_tag
from models.provider.provider import provider
from models.text import clean_text


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is asked for, as it will be written down."""

    name: str
    email: str
    email_key: str
    locale: str
    password_hash: str | None
    external: External


@dataclass(frozen=True, slots=True)
class _Found:
    """Whether somebody has this address, and what it is called by whom (`External.columns`).
    `by_name`: the key that asks reaches accounts that are named for it.
    """

    taken: bool
    external: dict[str, object]
    by_name: bool


def _taken() -> str:
    has_it = f"email = $1 OR {email_key_sql()} = $2"
    return (
        f"SELECT id FROM account WHERE {has_it}"
        f" UNION ALL SELECT id FROM users WHERE {has_it} LIMIT 1"
    )


@dataclass(frozen=True, slots=True)
class CreateAccount(Command[_Found, Account, _Checked]):
    """Open an account, with a user that can sign in where a `password` is given. For staff, and for
    partners with `accounts:write`, whose client it is from then on.

    Raises Invalid at `name`, `email`, `password` or `locale`, or what `External` raises it at;
    CurrencyNotSupported at `currency`, and NotFound at `partner`.
    """

    mutation: ClassVar[str] = "createAccount"
    makes: ClassVar[tuple[str, str]] = ("account", "acc")

    name: str
    email: str
    currency: str
    locale: str | None = None
    # Not in the fingerprint: of a password not even a plain hash may be kept.
    password: str | None = field(default=None, compare=False, repr=False)
    external: External = field(default_factory=External)

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("accounts:write")

    @override
    async def prepare(self, asked: Invocation) -> _Checked:
        name = clean_text(self.name, "name", maximum=200)
        written, email_key = emails.written(self.email), emails.key_of(self.email)
        if written is None or email_key is None:
            raise Invalid("email", problem="email_form")
        locale = "en" if self.locale is None else language_tag(self.locale, "locale")
        provider().limits_of(self.currency, "currency")
        # A hash takes too long for a transaction.
        external = self.external.checked()
        hashed = None if self.password is None else await password.hashed(self.password)
        return _Checked(name, written, email_key, locale, hashed, external)

    @override
    async def read(self, asked: Invocation[_Checked], journal: Journal) -> _Found:
        told, by = asked.prepared, asked.by
        external = await told.external.columns(by, belonging(asked.id))
        if by.role is Role.PARTNER:
            external["partner_id"] = by.user_id
        by_name = by.key_id is not None and await api_key.names_accounts(by.key_id)
        taken = bool(await sql.fetch(_taken(), told.email, told.email_key))
        return _Found(taken, external, by_name)

    @override
    def decide(self, found: _Found, asked: Invocation[_Checked], journal: Journal) -> Account:
        if found.taken:
            raise Invalid("email", problem="taken")
        told, by = asked.prepared, asked.by
        account = Account(
            id=asked.id,
            created_at=journal.at,
            name=told.name,
            email=told.email,
            email_key=emails.stored_key(told.email),
            currency=self.currency,
            locale=told.locale,
            search_key=search_key(told.name, told.email),
            **found.external,
        )
        journal.claim(account)
        journal.claim(_user_of(account, told))
        if found.by_name and by.key_id is not None:
            journal.add(api_key.reaching(by.key_id, account.id))
        journal.tell(FactKind.ACCOUNT_CREATED, account.id, account.id)
        journal.log(by, "account.create", account.public_id)
        return account

    @override
    async def recall(self, made: Made, asked: Invocation) -> Account:
        assert made.id is not None
        if not asked.by.sees(made.id):
            raise NotFound
        return (await by_ids([made.id]))[made.id]


def _user_of(account: Account, told: _Checked) -> User:
    return new_user(
        role=Role.CLIENT,
        email=told.email,
        password_hash=told.password_hash,
        account_id=account.id,
        name=told.name,
    )
