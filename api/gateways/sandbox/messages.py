"""What the sandbox says of a payment, and how that is delivered."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from models.clock import now
from models.money import Money


class Say(StrEnum):
    """The types of the sandbox's messages."""

    PROCESSING = "payment.processing"
    CAPTURED = "payment.captured"
    FAILED = "payment.failed"
    EXPIRED = "payment.expired"
    REFUNDED = "payment.refunded"
    DISPUTED = "payment.disputed"
    DISPUTE_WON = "payment.dispute_won"
    DISPUTE_LOST = "payment.dispute_lost"


@dataclass(slots=True)
class Notice:
    """What the sandbox says (`type`, `data`), and how that is delivered.

    It becomes true at `due_at`, an ISO 8601 moment in UTC, and is delivered then, unless it is to
    be `lost`. A duplicate is a second message with the same id.
    """

    id: str
    type: str
    data: dict[str, str]
    due_at: str
    sent: bool = False
    lost: bool = False

    @property
    def happens_at(self) -> datetime:
        """When it becomes true."""
        return datetime.fromisoformat(self.due_at)

    @property
    def happened(self) -> bool:
        """Whether it is true by now."""
        return self.happens_at <= now()

    @property
    def waits(self) -> bool:
        """Whether it is still to be delivered."""
        return not self.sent and not self.lost

    @property
    def subject(self) -> str:
        """The id of the refund, dispute or capture that it is about, or else of the payment."""
        keys = ("refund", "dispute", "capture", "payment")
        return next(self.data[key] for key in keys if key in self.data)

    @property
    def minor(self) -> int:
        """Its amount in minor units."""
        return Money.parse(Decimal(self.data["amount"]), self.data["currency"]).minor


def new_ref(prefix: str) -> str:
    """A new id as the sandbox gives them: `cap_0c1d…`."""
    return f"{prefix}_{secrets.token_hex(12)}"
