"""Disputes: PayPal's cases about a capture, and which of the money that goes back is theirs.

From the day a dispute is opened PayPal holds the disputed amount, so DISPUTED takes it back from
the client at once, whatever its stage. When PayPal moves the money in the end, it says so a second
time, by PAYMENT.CAPTURE.REVERSED (or .REFUNDED, where the seller accepts the claim). That is no
more money: while a dispute speaks for a refund or reversal, the dispute alone is reported
(`speaks_for`). Reversals without a dispute, such as of a bank that takes back what it had paid, are
refunds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api.gateways.paypal import amounts
from api.gateways.paypal.reading import Json, child, children, kept, moment, text
from models.gateway import EventKind, GatewayEvent

if TYPE_CHECKING:
    from datetime import datetime

# `outcome_code` (Customer Disputes v1). With a payout PayPal itself compensates the buyer; NONE
# closes a case in favour of another one about the same capture, which then takes its own.
_OUTCOMES: Final = {
    "ACCEPTED": EventKind.DISPUTE_LOST,
    "CANCELED_BY_BUYER": EventKind.DISPUTE_WON,
    "DENIED": EventKind.DISPUTE_WON,
    "NONE": EventKind.DISPUTE_WON,
    "RESOLVED_BUYER_FAVOUR": EventKind.DISPUTE_LOST,
    "RESOLVED_SELLER_FAVOUR": EventKind.DISPUTE_WON,
    "RESOLVED_WITH_PAYOUT": EventKind.DISPUTE_WON,
}
_IDS: Final = {
    EventKind.DISPUTED: "opened",
    EventKind.DISPUTE_LOST: "lost",
    EventKind.DISPUTE_WON: "won",
}
#: Money that a resolved dispute moves is moved within this time.
_SETTLED_WITHIN: Final = timedelta(days=3)
#: How PayPal notes a reversal among the refunds of an order.
_REVERSED: Final = "Payment reversed"


def kind_of(dispute: Json) -> EventKind:
    """DISPUTED while it is open, then DISPUTE_WON or DISPUTE_LOST.

    A resolved one without an outcome that we know has not been won, so that the money stays away;
    one that gave the buyer nothing back has not been lost. Raises BadAmount.
    """
    if text(dispute, "status") != "RESOLVED":
        return EventKind.DISPUTED
    outcome = child(dispute, "dispute_outcome")
    if "amount_refunded" in outcome and not amounts.read(outcome["amount_refunded"]):
        return EventKind.DISPUTE_WON
    return _OUTCOMES.get(text(outcome, "outcome_code"), EventKind.DISPUTE_LOST)


def of_dispute(dispute: Json) -> list[GatewayEvent]:
    """What a dispute says of each capture that it is about. Raises BadAmount."""
    transactions = children(dispute, "disputed_transactions")
    alone = len(transactions) == 1
    return [_event(dispute, transaction, alone=alone) for transaction in transactions]


def captures_of(dispute: Json) -> list[str]:
    """The captures that a dispute is about."""
    transactions = children(dispute, "disputed_transactions")
    return [text(transaction, "seller_transaction_id") for transaction in transactions]


def _event(dispute: Json, transaction: Json, *, alone: bool) -> GatewayEvent:
    kind = kind_of(dispute)
    capture = text(transaction, "seller_transaction_id")
    reference = text(dispute, "dispute_id") if alone else f"{text(dispute, 'dispute_id')}:{capture}"
    amount = dispute.get("dispute_amount") if alone else transaction.get("gross_amount")
    lost = child(dispute, "dispute_outcome", "amount_refunded")
    if kind is EventKind.DISPUTE_LOST and alone and lost:
        amount = lost
    return GatewayEvent(
        f"dispute:{reference}:{_IDS[kind]}",
        kind,
        text(transaction, "custom"),
        reference=reference,
        capture=capture,
        amount=amounts.read(amount),
        occurred_at=moment(dispute, "update_time") or moment(dispute, "create_time"),
        raw=kept(dispute),
    )


def is_reversal(refund: Json) -> bool:
    """Whether PayPal took it, as opposed to the seller having given it."""
    return text(refund, "note_to_payer") == _REVERSED


def speaks_for(dispute: Json, refund: Json) -> bool:
    """Whether `refund` is the money that `dispute` is about, so that it is not counted twice.
    Raises BadAmount.

    What the seller gives back during a dispute that is then won is a refund like any other.
    """
    opened, went = moment(dispute, "create_time"), moment(refund, "create_time")
    if opened is None or went is None or went < opened:
        return False
    kind = kind_of(dispute)
    if kind is EventKind.DISPUTED:
        return True
    in_time = went <= _closed(dispute, opened) + _SETTLED_WITHIN
    return in_time and (kind is EventKind.DISPUTE_LOST or is_reversal(refund))


def _closed(dispute: Json, opened: datetime) -> datetime:
    return moment(dispute, "update_time") or opened
