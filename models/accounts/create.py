"""New accounts, with a user that can sign in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models import email as emails
from models.access import api_key, password
from models.access.identity import Actor, Role
from models.access.one_use_token import Purpose, new_token
from models.access.user import User, email_key_sql, new_user
from models.accounts.account import Account, by_ids, search_key
from models.accounts.external import External, belonging
from models.db import sql
from models.errors import Forbidden, Invalid, NotFound
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.locale_tag import language_tag
from models.mail.outgoing import MailKind, mail
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
    """Open an account, with a user that can sign in where a `password` is given, or who chooses one
    by the link in the mail of an invitation (`invite`). For staff, and for partners with
    `accounts:write`, whose client it is from then on.

    Raises Invalid at `name`, `email`, `password` or `locale`, or what `External` raises it at;
    WeakPassword at `password`, CurrencyNotSupported at `currency`, and NotFound at `partner`.
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
    invite: bool = False

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("accounts:write")
        if by.role is Role.PARTNER and self.password is not None:
            # They would know the password of an address that nobody has confirmed: `invite` is for
            # that. Members of other accounts are known by their address alone.
            raise Forbidden("staff")

    @override
    async def prepare(self, asked: Invocation) -> _Checked:
        name = clean_text(self.name, "name", maximum=200)
        written, email_key = emails.written(self.email), emails.key_of(self.email)
        if written is None or email_key is None:
            raise Invalid("email", problem="email_form")
        locale = "en" if self.locale is None else language_tag(self.locale, "locale")
        provider().limits_of(self.currency, "currency")
        # A hash takes too long for a transaction.
        external, known = self.external.checked(), [written, name]
        hashed = (
            None if self.password is None else await password.hashed(self.password, known=known)
        )
        return _Checked(name, written, email_key, locale, hashed, external)

    @override
    async def read(self, asked: Invocation[_Checked], journal: Journal) -> _Found:
        told, by = asked.prepared, asked.by
        owner = by.user_id if by.role is Role.PARTNER else None
        external = await told.external.columns(by, belonging(asked.id, owner))
        external.setdefault("partner_id", owner)
        line_id = by.line_id or by.key_id
        by_name = line_id is not None and await api_key.names_accounts(line_id)
        taken = bool(await sql.fetch(_taken(), told.email, told.email_key))
        return _Found(taken, external, by_name)

    @override
    def decide(self, found: _Found, asked: Invocation[_Checked], journal: Journal) -> Account:
        if found.taken:
            raise Invalid("email", problem="taken")
        told, by = asked.prepared, asked.by
        account, user = opened(
            journal,
            asked.id,
            name=told.name,
            email=told.email,
            currency=self.currency,
            locale=told.locale,
            password_hash=told.password_hash,
            external=found.external,
        )
        if self.invite:
            _invite(user, told, journal)
        line_id = by.line_id or by.key_id
        if found.by_name and line_id is not None:
            journal.add(api_key.reaching(line_id, account.id))
        journal.log(by, "account.create", account.public_id)
        return account

    @override
    async def recall(self, made: Made, asked: Invocation) -> Account:
        assert made.id is not None
        if not asked.by.sees(made.id):
            raise NotFound
        return (await by_ids([made.id]))[made.id]


def opened(
    journal: Journal,
    account_id: UUID,
    *,
    currency: str,
    password_hash: str | None,
    external: Mapping[str, object] = MappingProxyType({}),
    **who: str,
) -> tuple[Account, User]:
    """An account and its user, put down in the journal; `who` has `name`, `email` and `locale`."""
    name, email = who["name"], who["email"]
    account = Account(
        id=account_id,
        created_at=journal.at,
        currency=currency,
        email_key=emails.stored_key(email),
        search_key=search_key(name, email),
        **who,
        **external,
    )
    user = new_user(
        role=Role.CLIENT, email=email, password_hash=password_hash, account_id=account_id, name=name
    )
    journal.claim(account)
    journal.claim(user)
    journal.tell(FactKind.ACCOUNT_CREATED, account_id, account_id)
    return account, user


def _invite(user: User, told: _Checked, journal: Journal) -> None:
    token = new_token(Purpose.INVITATION, told.email, user.id)
    journal.add(token)
    journal.add(mail(MailKind.INVITATION, told.email, told.locale, token_id=token.id))
