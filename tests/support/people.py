"""People who sign in, and the mails that they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.access.user import User
from models.accounts.create import CreateAccount
from models.accounts.mail_delivery import Delivery
from models.db import tasks
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
