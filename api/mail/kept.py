"""Demo mode's mailer: nothing leaves, and `/mailbox` shows what would have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.mail.mailer import Letter


class KeptMailer:
    """Takes every letter; its row in the table of mails is all that is kept."""

    async def send(self, letter: Letter) -> None:
        """See Mailer."""
