"""People who sign in, and the mails that they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from models.access.identity import Actor, MemberRole, Role
from models.access.member import Member
from models.access.session import open_session
from models.access.user import User, add_user
from models.accounts.account import Account
from models.accounts.create import CreateAccount
from models.accounts.invitation import InviteMember, switch_account
from models.accounts.mail_delivery import Delivery
from models.accounts.members import AccountMember, members_of
from models.db import sql, tasks
from models.db.transactions import transaction
from models.journal.command import run
from tests.support.factories import STAFF
from tests.support.providers import key

if TYPE_CHECKING:
    from models.mail.mailer import Letter, Mailer

PASSWORD: Final = "four kazoos in the attic"
OTHER: Final = "nine harps under a bridge"


class Postbox:
    """A mailer that keeps letters; `trouble` is raised in place of the next ones."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.trouble: Exception | None = None

    async def send(self, letter: Letter) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.letters.append(letter)

    async def fetched(self) -> list[Letter]:
        """What is due is delivered; the letters that came, and the box is empty."""
        await delivered(self, 50)
        letters, self.letters = self.letters, []
        return letters

    async def only(self) -> Letter:
        (letter,) = await self.fetched()
        return letter


async def delivered(mailer: Mailer, places: int) -> None:
    """What is due is sent, as far as there are places, and is over."""
    await Delivery(mailer, places).begin()
    await tasks.drain()


async def a_person(
    email: str = "", *, invite: bool = False, password: str | None = PASSWORD
) -> User:
    """A client with an account and a password."""
    account = await run(
        CreateAccount(
            name="Ada",
            email=email or f"{key()}@example.com",
            currency="USD",
            locale="ja",
            password=None if invite else password,
            invite=invite,
        ),
        STAFF,
        key(),
    )
    return await User.get(account_id=account.id)


async def an_owner(**given: Any) -> User:
    """A client with an account of their own, who has a password."""

    async def add() -> User:
        email = f"{key()}@client.example"
        account = await Account.create(name="Ada", email=email, currency="USD", **given)
        return await add_user(
            role=Role.CLIENT, email=email, password_hash="x", account_id=account.id, name="Ada"
        )

    return await transaction(add)


async def a_member(account_id: UUID | None, role: MemberRole) -> User:
    """Somebody else who uses the account, and has a password."""

    async def add() -> User:
        email = f"{key()}@client.example"
        user = await add_user(role=Role.CLIENT, email=email, password_hash="x")
        await sql.add(Member(account_id=account_id, user_id=user.id, role=role.value))
        return user

    return await transaction(add)


async def signed_in(user: User) -> Actor:
    return (await open_session(user))[0]


async def those_in(account_id: UUID | None) -> dict[UUID, AccountMember]:
    assert account_id is not None
    found = await members_of([account_id])
    return {one.user_id or one.id: one for one in found.get(account_id, [])}


async def accepted(member: AccountMember, user: User) -> Actor:
    """They come in; who they are there."""
    return await switch_account(member.account_id, await signed_in(user))


async def letters(address: str) -> list[Letter]:
    """What has been sent to it meanwhile."""
    return [one for one in await Postbox().fetched() if one.recipient == address]


async def invited(email: str, by: Actor, role: MemberRole = MemberRole.VIEWER) -> AccountMember:
    return await run(InviteMember(None, email, role), by, key())
