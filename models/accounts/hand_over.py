"""Handing over: an existing portal's own server signs its client in here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models.access import client_link, session
from models.access.client_link import ClientLink
from models.access.identity import Actor
from models.access.session import Session
from models.accounts import external
from models.accounts.account import read as read_account
from models.db.record import public_id
from models.errors import Invalid, NotAllowed, NotFound
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.provider.provider import origin_of, provider

SECONDS_MAX: Final = 900

_PATH: Final = "/hand-over"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What signs the client in, which is shown only now: a `url` for their browser, once, and a
    `token` for a page's script until `expires_at`. Both are None for a key that was used before.
    """

    expires_at: datetime
    url: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What is added, once it is decided on."""

    account_id: UUID
    link: ClientLink
    link_token: str
    session: Session
    session_token: str


@dataclass(frozen=True, slots=True)
class CreateClientSession(Command[_Found, HandedOver]):
    """Sign an account's own user in, in their browser and for a script of a page.

    The account is named by `account_id` or `external_id`. Raises NotFound at the one that is given,
    Invalid at `external_id`, `partner`, `expires_in_seconds` or `return_url`, NotAllowed where the
    account's user is disabled.
    """

    mutation: ClassVar[str] = "createClientSession"
    makes: ClassVar[tuple[str, str]] = ("client_link", ClientLink.PREFIX)

    account_id: UUID | None = None
    external_id: str | None = None
    partner: str | None = None
    expires_in_seconds: int = 300
    return_url: str | None = None

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("sessions:create")

    @override
    async def read(self, asked: Invocation, journal: Journal) -> _Found:
        self._check()
        account_id = await self._account(asked.by)
        user_id = await client_link.user_of(account_id)
        if user_id is None:
            raise NotAllowed(self._named, why="no_user")
        link, link_token = client_link.new_link(
            asked.id, user_id, account_id, self.return_url or ""
        )
        opened, token = session.new_session(
            user_id, lifetime=timedelta(seconds=self.expires_in_seconds), address=asked.by.address
        )
        opened.confirmed_at, opened.seen_at = session.NOT_PROVEN, session.NEVER_SEEN
        link.key_id = opened.key_id = asked.by.key_id
        return _Found(account_id, link, link_token, opened, token)

    def _check(self) -> None:
        if (self.account_id is None) == (self.external_id is None):
            raise Invalid("account_id", problem="account_id_or_external_id")
        if not 1 <= self.expires_in_seconds <= SECONDS_MAX:
            raise Invalid("expires_in_seconds", problem="seconds_range")
        url = self.return_url
        if url is not None and origin_of(url) not in provider().return_origins:
            raise Invalid("return_url", problem="return_origin")

    @property
    def _named(self) -> str:
        return "external_id" if self.account_id is None else "account_id"

    async def _account(self, by: Actor) -> UUID:
        found = self.account_id
        if self.external_id is not None:
            found = await external.find_for(by, self.external_id, self.partner)
        if found is None or not by.sees(found) or await read_account(found) is None:
            raise NotFound(self._named)
        return found

    @override
    def decide(self, found: _Found, asked: Invocation, journal: Journal) -> HandedOver:
        journal.add(found.link)
        journal.add(found.session)
        journal.log(
            asked.by,
            "account.hand_over",
            public_id("acc", found.account_id),
            user=public_id("usr", found.session.user_id),
            link=found.link.public_id,
            session=found.session.public_id,
        )
        url = f"{provider().public_url}{_PATH}?token={found.link_token}"
        return HandedOver(found.session.expires_at, url, found.session_token)

    @override
    async def recall(self, made: Made, asked: Invocation) -> HandedOver:
        await self._account(asked.by)
        return HandedOver(made.at + timedelta(seconds=self.expires_in_seconds))
