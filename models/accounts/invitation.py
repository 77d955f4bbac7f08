"""Inviting: somebody may use an account as soon as they come in, and is told so by mail.

Who invites is answered alike for every address, at the same cost: nothing here looks for a user.
Who has the address is looked up when the mail is sent (models.accounts.mail_delivery) and when
somebody comes in: a new user chooses a password by the link, others sign in and choose the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models import email as emails
from models.access import one_use_token, rate_limit, session
from models.access.identity import Actor, MemberRole, Role
from models.access.invitation import Invitation, open_to
from models.access.member import ACCOUNTS_MAX, MEMBERS_MAX, Member, accounts_of
from models.access.one_use_token import OneUseToken, Purpose
from models.access.user import User, holder_of_email, new_user
from models.accounts import person
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
from models.db.record import public_id
from models.errors import Forbidden, Invalid, NotAllowed, NotFound, TokenRefused
from models.journal import audit_log
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.mail.outgoing import MailKind, mail

_FOLLOW: Final = "DELETE FROM invitation WHERE id = $1 RETURNING role"

_WINDOW_SECONDS: Final = 60 * 60
_PER_ACCOUNT: Final = 20
_PER_USER: Final = 40
#: Mails to one address, whoever sends them.
_PER_EMAIL: Final = 5


@dataclass(frozen=True, slots=True)
class _Address:
    """Where the invitation goes, as it is written and as it is found."""

    written: str
    key: str


@dataclass(frozen=True, slots=True)
class Invited:
    """The account, what the address is in it already, and how many others are."""

    account: Account
    member: AccountMember | None
    members: int


@dataclass(frozen=True, slots=True)
class InviteMember(Command[Invited, AccountMember, _Address]):
    """Let whoever has an e-mail address use an account, in a role. Owners for their own, staff for
    any. Until they have come in they can be invited again.

    Raises Forbidden, StepUpRequired, RateLimited, NotFound at `account_id`, NotAllowed for more
    members than there may be, Invalid at `email` (malformed, a member already).
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
        member = _with_address(members, asked.prepared.key)
        if member is not None and member.is_invited and member.role is not self.role:
            if self.role is not MemberRole.OWNER:
                check_owned(member, [one for one in members if one is not member], "role")
            await set_role(member, self.role)
        return Invited(account, member, len(members))

    @override
    def decide(
        self, found: Invited, asked: Invocation[_Address], journal: Journal
    ) -> AccountMember:
        if found.member is not None and not found.member.is_invited:
            raise Invalid("email", problem="member")
        if found.member is None and found.members >= MEMBERS_MAX:
            raise NotAllowed("email", why="members", maximum=MEMBERS_MAX)
        account, role = found.account, self.role.value
        member = found.member or self._added(account, asked, journal)
        token = one_use_token.new_token(
            Purpose.INVITATION, member.email, member.user_id, invitation=member.id.hex
        )
        facts = {"account": account.name, "role": role}
        kind = MailKind.MEMBER_INVITATION
        journal.add(token, mail(kind, member.email, account.locale, token_id=token.id, **facts))
        subject = account.public_id
        journal.log(asked.by, "member.invite", subject, member=member.public_id, role=role)
        return replace(member, role=self.role)

    def _added(
        self, account: Account, asked: Invocation[_Address], journal: Journal
    ) -> AccountMember:
        address = asked.prepared
        journal.claim(
            Invitation(
                id=asked.id,
                created_at=journal.at,
                account_id=account.id,
                email=address.written,
                email_key=address.key,
                role=self.role.value,
            )
        )
        return AccountMember(
            id=asked.id,
            account_id=account.id,
            user_id=None,
            email=address.written,
            name=address.written,
            role=self.role,
            is_invited=True,
        )

    @override
    async def recall(self, made: Made, asked: Invocation) -> AccountMember:
        account_id = asked.by.account_meant(self.account_id)
        members = (await members_of([account_id])).get(account_id, [])
        member = _with_address(members, emails.key_of(self.email))
        if member is None:
            raise NotFound("idempotency_key")
        return member


def _check_still_owner(by: Actor, members: list[AccountMember]) -> None:
    """Whoever asks may have lost their role while waiting for the lock."""
    asking = next((one for one in members if one.user_id == by.user_id), None)
    if by.role is Role.CLIENT and (asking is None or not asking.is_owner):
        raise Forbidden(MemberRole.OWNER)


def _with_address(members: Sequence[AccountMember], key: str | None) -> AccountMember | None:
    return next((one for one in members if emails.key_of(one.email) == key), None)


# ------------------------------------------------------------------------------- coming in


async def invitation_of(token: OneUseToken) -> Invitation | None:
    """What a token of an invitation leads to; None where it was withdrawn, or followed."""
    found = token.facts.get("invitation")
    return None if found is None else await Invitation.get_or_none(id=UUID(found))


async def guest(token: OneUseToken) -> User:
    """Who follows the link of an invitation, in a transaction: a new user, or one who has no
    password yet. They are in the account from now on.

    Raises TokenRefused where it was withdrawn, or whoever has the address comes in another way.
    """
    invitation = await invitation_of(token)
    if invitation is None:
        raise TokenRefused("token")
    found = await holder_of_email(invitation.email_key)
    if found is None:
        found = new_user(role=Role.CLIENT, email=invitation.email)
        if not await sql.add_new(found):
            raise TokenRefused("token")
    user = await person.locked(found.id)
    if user is None or user.role != Role.CLIENT or user.password_hash is not None:
        raise TokenRefused("token")
    await one_use_token.void_all(user.id)
    if not await _join(invitation, user, user.actor(), "token"):
        raise TokenRefused("token")
    return user


async def come_in(user: User) -> None:
    """Let a client who signs in and has no account follow the first of their invitations, in the
    transaction that opens their session.
    """
    if user.role != Role.CLIENT or user.account_id is not None or await accounts_of(user.id):
        return
    for one in (await open_to(user.id))[:1]:
        await _join(one, user, user.actor(), "account_id")


async def switch_account(account_id: UUID | None, by: Actor) -> Actor:
    """`session.switch_account`; to an account that they are invited to they come in by that.

    Raises also NotAllowed at `account_id` for more accounts than there may be.
    """

    async def follow() -> None:
        for one in await open_to(by.user_id):
            if one.account_id == account_id:
                await _join(one, await User.get(id=by.user_id), by, "account_id")

    return await session.switch_account(account_id, by, follow)


async def _join(invitation: Invitation, user: User, by: Actor, *field: str) -> bool:
    """Make a member of the invitation, in a transaction; whether it was still there."""
    await lock(invitation.account_id)
    row = await sql.fetch_one(_FOLLOW, invitation.id)
    if row is None:
        return False
    theirs = await accounts_of(user.id)
    if invitation.account_id in theirs:
        return True
    if len(theirs) >= ACCOUNTS_MAX:
        raise NotAllowed(*field, why="accounts", maximum=ACCOUNTS_MAX)
    member = Member(
        id=invitation.id, account_id=invitation.account_id, user_id=user.id, role=row["role"]
    )
    await sql.add(member)
    subject = public_id("acc", invitation.account_id)
    facts = {"member": member.public_id, "role": member.role}
    await sql.add(audit_log.entry(by, "member.join", subject, **facts))
    return True
