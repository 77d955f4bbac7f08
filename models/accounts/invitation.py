"""Invitations: somebody may use an account from now on, and is told so by mail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models import email as emails
from models.access import one_use_token, rate_limit
from models.access.identity import Actor, MemberRole, Role
from models.access.member import ACCOUNTS_MAX, MEMBERS_MAX, Member, accounts_of
from models.access.one_use_token import Purpose
from models.access.user import User, email_key_sql, new_user
from models.accounts.account import Account, by_ids
from models.accounts.members import (
    AccountMember,
    check_owned,
    lock,
    members_of,
    require_manager,
    set_role,
)
from models.db import sql
from models.errors import EmailTaken, Forbidden, Invalid, NotAllowed, NotFound
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.mail.outgoing import MailKind, mail

_WINDOW_SECONDS: Final = 60 * 60
_PER_ACCOUNT: Final = 20
_PER_USER: Final = 40
#: Mails to one address, whoever sends them.
_PER_EMAIL: Final = 5

_OF_EMAIL: Final = "SELECT * FROM users WHERE email = $1 OR {key} = $2"


@dataclass(frozen=True, slots=True)
class _Address:
    """Where the invitation goes, as it is written and as it is found."""

    written: str
    key: str


@dataclass(frozen=True, slots=True)
class Invited:
    """The account, who has the address (None: nobody yet), and what they are in it already."""

    account: Account
    user: User | None
    member: AccountMember | None
    members: int
    accounts: int


@dataclass(frozen=True, slots=True)
class InviteMember(Command[Invited, AccountMember, _Address]):
    """Let whoever has an e-mail address use an account, in a role. Owners for their own, staff for
    any. Who is new chooses a password first, by the link in the mail; until they have they can be
    invited again.

    Raises Forbidden, StepUpRequired, RateLimited, NotFound at `account_id`, NotAllowed for more
    members or accounts than there may be; at `email` Invalid (malformed, a member already) and
    EmailTaken (of somebody who is no client).
    """

    mutation: ClassVar[str] = "inviteMember"

    account_id: UUID | None
    email: str
    role: MemberRole

    @override
    def require(self, by: Actor) -> None:
        require_manager(by)
        by.account_meant(self.account_id)

    @override
    async def prepare(self, asked: Invocation) -> _Address:
        written, key = emails.written(self.email), emails.key_of(self.email)
        if written is None or key is None:
            raise Invalid("email", problem="email_form")
        account = asked.by.account_meant(self.account_id)
        limits = [
            ("invite:account", account.hex, _PER_ACCOUNT),
            ("invite:user", asked.by.principal, _PER_USER),
            ("invite:email", key, _PER_EMAIL),
        ]
        if not asked.by.is_staff:
            await rate_limit.spend_all(limits, window_seconds=_WINDOW_SECONDS)
        return _Address(written, key)

    @override
    async def read(self, asked: Invocation[_Address], journal: Journal) -> Invited:
        account_id = asked.by.account_meant(self.account_id)
        await lock(account_id)
        account = (await by_ids([account_id])).get(account_id)
        if account is None:
            raise NotFound("account_id")
        members = (await members_of([account_id])).get(account_id, [])
        _check_still_owner(asked.by, members)
        statement = _OF_EMAIL.format(key=email_key_sql())
        users = await sql.records(User, statement, asked.prepared.written, asked.prepared.key)
        user = users[0] if users else None
        member = next((one for one in members if user and one.user_id == user.id), None)
        if member is not None and member.is_invited and member.role is not self.role:
            if self.role is not MemberRole.OWNER:
                check_owned(member, [one for one in members if one is not member], "role")
            await set_role(member, self.role)
        accounts = 0 if user is None else len(await accounts_of(user.id))
        return Invited(account, user, member, len(members), accounts)

    @override
    def decide(
        self, found: Invited, asked: Invocation[_Address], journal: Journal
    ) -> AccountMember:
        self._check(found)
        user = found.user
        if user is None:
            user = new_user(role=Role.CLIENT, email=asked.prepared.written)
            journal.claim(user)
        member = found.member or self._joins(found.account, user, asked, journal)
        assert user.email is not None
        token = None
        if member.is_invited:
            token = one_use_token.new_token(
                Purpose.INVITATION, user.email, user.id, account=found.account.public_id
            )
            journal.add(token)
        facts = {"account": found.account.name, "role": self.role.value}
        token_id = None if token is None else token.id
        kind, locale = MailKind.MEMBER_INVITATION, found.account.locale
        journal.add(mail(kind, user.email, locale, token_id=token_id, **facts))
        journal.log(
            asked.by,
            "member.invite",
            found.account.public_id,
            member=member.public_id,
            role=self.role.value,
        )
        return replace(member, role=self.role)

    def _check(self, found: Invited) -> None:
        user, member = found.user, found.member
        if user is not None and (user.role != Role.CLIENT or user.disabled_at is not None):
            raise EmailTaken("email")
        if member is not None and not member.is_invited:
            raise Invalid("email", problem="member")
        if member is None and found.members >= MEMBERS_MAX:
            raise NotAllowed("email", why="members", maximum=MEMBERS_MAX)
        if member is None and found.accounts >= ACCOUNTS_MAX:
            raise NotAllowed("email", why="accounts", maximum=ACCOUNTS_MAX)

    def _joins(
        self, account: Account, user: User, asked: Invocation[_Address], journal: Journal
    ) -> AccountMember:
        journal.claim(
            Member(
                id=asked.id,
                created_at=journal.at,
                account_id=account.id,
                user_id=user.id,
                role=self.role.value,
            )
        )
        return AccountMember(
            id=asked.id,
            account_id=account.id,
            user_id=user.id,
            email=user.email or "",
            name=user.name,
            role=self.role,
            is_invited=user.password_hash is None,
        )

    @override
    async def recall(self, made: Made, asked: Invocation) -> AccountMember:
        account_id = asked.by.account_meant(self.account_id)
        members = (await members_of([account_id])).get(account_id, [])
        key = emails.key_of(self.email)
        member = next((one for one in members if emails.key_of(one.email) == key), None)
        if member is None:
            raise NotFound("idempotency_key")
        return member


def _check_still_owner(by: Actor, members: list[AccountMember]) -> None:
    """Whoever asks may have lost their role while waiting for the lock."""
    asking = next((one for one in members if one.user_id == by.user_id), None)
    if by.role is Role.CLIENT and (asking is None or not asking.is_owner):
        raise Forbidden(MemberRole.OWNER)
