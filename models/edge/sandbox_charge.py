"""What a provider would keep for the sandbox gateway: charges, and the messages about them.

This is the adapter's own store, the stand-in for a provider's database. It never touches the
ledger; what it says reaches us the way that every gateway's messages do.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.gateway import PaymentOrder
from models.money import Money

OPEN_HOURS: Final = 24

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32}")


class NotPossible(Exception):
    """The charge is in no state for this; the text says why, in English."""


class ChargeStatus(StrEnum):
    """How a charge stands at the sandbox."""

    OPEN = "OPEN"
    PROCESSING = "PROCESSING"
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"


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
class Message:
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


class SandboxCharge(Record):
    """A payment as the sandbox sees it.

    `token` is its unguessable address, `amount` is in minor units, and `due_at` is when its next
    message is to be delivered.
    """

    token = fields.CharField(max_length=64, unique=True)
    payment = fields.CharField(max_length=64, unique=True)
    amount: fields.Field[int] = fields.BigIntField()
    currency = fields.CharField(max_length=3)
    invoice_number = fields.CharField(max_length=64)
    return_url = fields.TextField()
    messages: fields.Field[list[dict[str, Any]]] = fields.JSONField(default=list)
    due_at = fields.DatetimeField(null=True, db_index=True)
    expires_at = fields.DatetimeField()
    canceled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sandbox_charge"

    @property
    def money(self) -> Money:
        """What was asked for."""
        return Money(self.amount, self.currency)

    # ------------------------------------------------------------------------- how it stands

    def said(self) -> list[Message]:
        """Every message, in the order of delivery; those to come among them."""
        return [Message(**message) for message in self.messages]

    def facts(self) -> list[Message]:
        """What is true now, each once."""
        facts: dict[tuple[str, str], Message] = {}
        for message in self.said():
            if message.happened:
                facts.setdefault((message.type, message.subject), message)
        return list(facts.values())

    @property
    def status(self) -> ChargeStatus:
        """A capture beats all else; otherwise what happened last."""
        types = [fact.type for fact in self.facts()]
        if Say.CAPTURED in types:
            return ChargeStatus.CAPTURED
        if types:
            return ChargeStatus[Say(types[-1]).name]
        if self.canceled_at is not None:
            return ChargeStatus.CANCELED
        return ChargeStatus.EXPIRED if self.expires_at <= now() else ChargeStatus.OPEN

    def captures(self) -> dict[str, int]:
        """What is left of each capture, in minor units, by its id."""
        left: dict[str, int] = {}
        for fact in self.facts():
            capture = fact.data.get("capture", "")
            if fact.type in {Say.CAPTURED, Say.DISPUTE_WON}:
                left[capture] = left.get(capture, 0) + fact.minor
            elif fact.type in {Say.REFUNDED, Say.DISPUTED}:
                left[capture] -= fact.minor
        return left

    def open_dispute(self) -> Message | None:
        """The dispute that is neither won nor lost."""
        disputed = [fact for fact in self.facts() if "dispute" in fact.data]
        last = disputed[-1] if disputed else None
        return last if last is not None and last.type == Say.DISPUTED else None

    # ------------------------------------------------------------------------- what it can do

    def say(
        self,
        type: Say,
        *,
        amount: Money | None = None,
        after_seconds: int = 0,
        lost: bool = False,
        **data: str,
    ) -> Message:
        """Add a message, true after that many seconds."""
        if amount is not None:
            data |= {"amount": f"{amount.amount:f}", "currency": amount.currency}
        message = Message(
            id=_id("msg"),
            type=type,
            data={"payment": self.payment, **data},
            due_at=(now() + timedelta(seconds=after_seconds)).isoformat(),
            lost=lost,
        )
        self.repeat(message)
        return message

    def repeat(self, message: Message) -> None:
        """Add a message as it is: with the same id it is a duplicate."""
        self.messages = [*self.messages, asdict(message)]

    def say_again(self, message: Message) -> None:
        """Add what a message says under a new id."""
        self.repeat(replace(message, id=_id("msg")))

    def processing(self) -> None:
        """It is under way, and not sure yet."""
        self.say(Say.PROCESSING)

    def capture(
        self, amount: Money | None = None, *, after_seconds: int = 0, lost: bool = False
    ) -> Message:
        """Take `amount`, or what was asked for. Also after a failure: late money is money."""
        return self.say(
            Say.CAPTURED,
            capture=_id("cap"),
            amount=amount or self.money,
            after_seconds=after_seconds,
            lost=lost,
        )

    def fail(self, failure: str) -> None:
        """Decline it; `failure` is a short stable code. What was to come does not."""
        self.messages = [asdict(message) for message in self.said() if message.happened]
        self.say(Say.FAILED, failure=failure)

    def expire(self) -> None:
        """The payer took too long."""
        self.say(Say.EXPIRED)

    def cancel(self) -> None:
        """Give it up where nothing has happened; otherwise nothing changes."""
        if self.status is ChargeStatus.OPEN:
            self.canceled_at = now()

    def bring_forward(self) -> None:
        """What was to come happens now."""
        messages = self.said()
        for message in messages:
            if not message.happened:
                message.due_at = now().isoformat()
        self.messages = [asdict(message) for message in messages]

    def refund(self, amount: Money | None = None, request: str = "") -> None:
        """Give `amount` back, or all that is left of the latest capture that has something left;
        once for each `request`, the shop's id of the refund.
        """
        if request and any(fact.data.get("request") == request for fact in self.facts()):
            return
        capture, left = self._latest_capture()
        amount = amount or left
        if amount.minor > left.minor:
            raise NotPossible(f"At most {left.amount:f} {left.currency} can be refunded.")
        ids: dict[str, Any] = {"capture": capture, "refund": _id("ref")}
        if request:
            ids["request"] = request
        self.say(Say.REFUNDED, amount=amount, **ids)

    def dispute(self) -> None:
        """The cardholder's bank takes back what is left of the latest capture."""
        capture, left = self._latest_capture()
        self.say(Say.DISPUTED, capture=capture, dispute=_id("dsp"), amount=left)

    def close_dispute(self, outcome: Say) -> None:
        """Win or lose the open dispute."""
        dispute = self.open_dispute()
        if dispute is None:
            raise NotPossible("No dispute is open.")
        amount = Money(dispute.minor, self.currency)
        self.say(
            outcome,
            capture=dispute.data["capture"],
            dispute=dispute.data["dispute"],
            amount=amount,
        )

    def _latest_capture(self) -> tuple[str, Money]:
        for capture, minor in reversed(self.captures().items()):
            if minor > 0:
                return capture, Money(minor, self.currency)
        raise NotPossible("Nothing that was captured is left.")


# ------------------------------------------------------------------------------- the store


async def open_charge(order: PaymentOrder) -> SandboxCharge:
    """The charge of a payment; made when it is asked for the first time."""
    moment = now()
    row = {
        "id": new_id(),
        "created_at": moment,
        "token": secrets.token_urlsafe(24),
        "payment": order.id,
        "amount": order.amount.minor,
        "currency": order.amount.currency,
        "invoice_number": order.invoice_number,
        "return_url": order.return_url,
        "messages": "[]",
        "expires_at": moment + timedelta(hours=OPEN_HOURS),
    }
    await sql.insert("sandbox_charge", [row], ignore_conflicts=True)
    return await SandboxCharge.get(payment=order.id)


async def by_token(token: str) -> SandboxCharge | None:
    """The charge at that address; `token` may be anything."""
    if not _TOKEN.fullmatch(token):
        return None
    return await SandboxCharge.get_or_none(token=token)


async def by_payment(payment: str) -> SandboxCharge | None:
    """The charge of that payment, by its public id."""
    return await SandboxCharge.get_or_none(payment=payment)


async def change(charge: SandboxCharge, verb: Callable[[SandboxCharge], object]) -> SandboxCharge:
    """Let `verb` act on the charge, locked and as it stands now; what became of it.

    Raises what `verb` raises; then nothing has changed.
    """

    async def work() -> SandboxCharge:
        current = await SandboxCharge.select_for_update().get(id=charge.id)
        verb(current)
        current.due_at = min(
            (message.happens_at for message in current.said() if message.waits), default=None
        )
        await current.save(update_fields=["messages", "due_at", "canceled_at"])
        return current

    return await transaction(work)


async def mark_delivered(charge: SandboxCharge, message_id: str, *, lost: bool = False) -> None:
    """One message of that id was delivered, or never will be."""

    def mark(current: SandboxCharge) -> None:
        messages = current.said()
        for message in messages:
            if message.id == message_id and message.waits:
                message.sent, message.lost = not lost, lost
                break
        current.messages = [asdict(message) for message in messages]

    await change(charge, mark)


async def with_waiting_messages(limit: int = 100) -> list[SandboxCharge]:
    """Charges that have something to deliver, now or later, the next one first."""
    return await SandboxCharge.filter(due_at__isnull=False).order_by("due_at").limit(limit)


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
