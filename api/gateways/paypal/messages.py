"""What a verified webhook tells us by itself, and when PayPal must be asked for the rest.

https://developer.paypal.com/api/rest/webhooks/event-names/
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from api.gateways.paypal.amounts import BadAmount
from api.gateways.paypal.disputes import captures_of, kind_of, noted_as_reversal, of_dispute
from api.gateways.paypal.events import (
    capture_of,
    is_ours,
    of_capture,
    of_refund,
    payment_of,
    refund_id,
)
from api.gateways.paypal.reading import Json, child, moment, text
from models.gateway import EventKind, GatewayEvent, MessageRefused

_APPROVED: Final = "CHECKOUT.ORDER.APPROVED"
_UNAPPROVED: Final = "CHECKOUT.PAYMENT-APPROVAL.REVERSED"
_REVERSED: Final = "PAYMENT.CAPTURE.REVERSED"
_CAPTURES: Final = frozenset(
    f"PAYMENT.CAPTURE.{state}" for state in ("COMPLETED", "DECLINED", "DENIED", "PENDING")
)
_REFUNDS: Final = frozenset(
    {
        "PAYMENT.CAPTURE.REFUNDED",
        _REVERSED,
        *(f"PAYMENT.REFUND.{state}" for state in ("CANCELLED", "COMPLETED", "FAILED", "PENDING")),
    }
)
_DISPUTES: Final = frozenset(
    f"CUSTOMER.DISPUTE.{state}" for state in ("CREATED", "RESOLVED", "UPDATED")
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a message says.

    `ask_about` are captures of which money went back without our asking: only PayPal knows which
    of its disputes that belongs to. `refund` is what the message has of it.
    """

    events: list[GatewayEvent]
    ask_about: tuple[str, ...] = ()
    refund: Json | None = None


def told(message: Json) -> Told:
    """What `message` says; nothing where it is not about us. Raises MessageRefused."""
    id, type = text(message, "id"), text(message, "event_type")
    if not id or not type:
        raise MessageRefused("it is no message of PayPal's")
    try:
        said = _told(id, type, child(message, "resource"))
    except BadAmount as problem:
        raise MessageRefused(f"{type} cannot be read: {problem}") from None
    raw = {"message": id, "type": type}
    events = [replace(event, raw={**raw, **event.raw}) for event in said.events]
    return replace(said, events=events)


def ignored(message: Json) -> GatewayEvent:
    """That a message was not about anything of ours."""
    raw = {"message": text(message, "id"), "type": text(message, "event_type")}
    return GatewayEvent(text(message, "id"), EventKind.IGNORED, "", raw=raw)


def _told(id: str, type: str, resource: Json) -> Told:
    if type in _CAPTURES:
        return Told(_captured(resource))
    if type in _REFUNDS:
        return _gone_back(resource, reversed=type == _REVERSED)
    if type in _DISPUTES:
        return _disputed(resource)
    if type in {_APPROVED, _UNAPPROVED} and is_ours(payment := payment_of(resource)):
        kind = EventKind.APPROVED if type == _APPROVED else EventKind.EXPIRED
        return Told([GatewayEvent(id, kind, payment, occurred_at=moment(resource, "update_time"))])
    return Told([])


def _captured(capture: Json) -> list[GatewayEvent]:
    payment = text(capture, "custom_id")
    event = of_capture(capture, payment) if is_ours(payment) else None
    return [event] if event else []


def _gone_back(refund: Json, *, reversed: bool) -> Told:
    capture = capture_of(refund)
    if refund_id(refund) or not capture:
        custom_id = text(refund, "custom_id")
        event = of_refund(refund, custom_id if is_ours(custom_id) else "", capture)
        return Told([event] if event else [])
    return Told([], (capture,), noted_as_reversal(refund) if reversed else refund)


def _disputed(dispute: Json) -> Told:
    events = [
        event if is_ours(event.payment) else replace(event, payment="")
        for event in of_dispute(dispute)
    ]
    # What the seller gave back while it was open was the dispute's until it was won.
    won = kind_of(dispute) is EventKind.DISPUTE_WON
    return Told(events, tuple(filter(None, captures_of(dispute))) if won else ())
