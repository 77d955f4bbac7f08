"""A charge: a payment as the sandbox, a pretended provider, sees it, and what can become of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from api.gateways.sandbox.messages import Notice, Say, new_ref
from models.clock import now
from models.money import Money

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


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


@dataclass(slots=True, kw_only=True)
class Charge:
    """A payment at the sandbox. `money` is what was asked for, `url_key` its unguessable address.

    `messages` are in the order of delivery; those to come are among them.
    """

    id: UUID
    url_key: str
    payment: str
    money: Money
    invoice_number: str
    return_url: str
    expires_at: datetime
    canceled_at: datetime | None
    messages: list[Notice]

    # ------------------------------------------------------------------------- how it stands

    @property
    def currency(self) -> str:
        """The currency of all its amounts."""
        return self.money.currency

    @property
    def due_at(self) -> datetime | None:
        """When its next message is to be delivered."""
        return min((one.happens_at for one in self.messages if one.waits), default=None)

    def facts(self) -> list[Notice]:
        """What is true now, each once."""
        facts: dict[tuple[str, str], Notice] = {}
        for message in self.messages:
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

    def open_dispute(self) -> Notice | None:
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
    ) -> Notice:
        """Add a message, true after that many seconds."""
        if amount is not None:
            data |= {"amount": f"{amount.amount:f}", "currency": amount.currency}
        message = Notice(
            id=new_ref("msg"),
            type=type,
            data={"payment": self.payment, **data},
            due_at=(now() + timedelta(seconds=after_seconds)).isoformat(),
            lost=lost,
        )
        self.messages.append(message)
        return message

    def repeat(self, message: Notice) -> None:
        """Say it again, under the same id: a duplicate."""
        self.messages.append(replace(message))

    def say_again(self, message: Notice) -> None:
        """Say it again, under a new id."""
        self.messages.append(replace(message, id=new_ref("msg")))

    def processing(self) -> None:
        """It is under way, and not sure yet."""
        self.say(Say.PROCESSING)

    def capture(
        self, amount: Money | None = None, *, after_seconds: int = 0, lost: bool = False
    ) -> Notice:
        """Take `amount`, or what was asked for. Also after a failure: late money is money."""
        return self.say(
            Say.CAPTURED,
            capture=new_ref("cap"),
            amount=amount or self.money,
            after_seconds=after_seconds,
            lost=lost,
        )

    def fail(self, failure: str) -> None:
        """Decline it; `failure` is a short stable code. What was to come does not."""
        self.messages = [message for message in self.messages if message.happened]
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
        for message in self.messages:
            if not message.happened:
                message.due_at = now().isoformat()

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
        ids: dict[str, Any] = {"capture": capture, "refund": new_ref("ref")}
        if request:
            ids["request"] = request
        self.say(Say.REFUNDED, amount=amount, **ids)

    def dispute(self) -> None:
        """The cardholder's bank takes back what is left of the latest capture."""
        capture, left = self._latest_capture()
        self.say(Say.DISPUTED, capture=capture, dispute=new_ref("dsp"), amount=left)

    def close_dispute(self, outcome: Say) -> None:
        """Win or lose the open dispute."""
        dispute = self.open_dispute()
        if dispute is None:
            raise NotPossible("No dispute is open.")
        self.say(
            outcome,
            capture=dispute.data["capture"],
            dispute=dispute.data["dispute"],
            amount=Money(dispute.minor, self.currency),
        )

    def _latest_capture(self) -> tuple[str, Money]:
        for capture, minor in reversed(self.captures().items()):
            if minor > 0:
                return capture, Money(minor, self.currency)
        raise NotPossible("No captured money is left.")
