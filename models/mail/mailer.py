"""The port to whatever sends mail; `api/mail` implements it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from models.mail.outgoing import MailKind


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be told to whom: `token` is that of its link, empty where it has none.

    `id` and `written_at` are the same each time that it is tried.
    """

    id: UUID
    written_at: datetime
    kind: MailKind
    recipient: str
    locale: str
    facts: Mapping[str, str]
    token: str = ""


class Mailer(Protocol):
    """Sends letters; safe to be asked again for one that may have been sent."""

    async def send(self, letter: Letter) -> None:
        """Raises MailRefused where it is of no use to try again, MailDelayed otherwise."""


class MailRefused(Exception):
    """Nobody will ever take this mail: there is no such mailbox, say."""


class MailDelayed(Exception):
    """It could not be handed over now."""
