"""What a verified message refers to: PayPal's IDs and nothing else, since nothing else is signed.

PayPal signs a CRC-32 of the body, and whoever holds one signed message can write another body with
the same CRC. So a message is a hint: what it says is fetched from PayPal (`lookup`).
https://developer.paypal.com/api/rest/webhooks/event-names/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from api.gateways.paypal.events import capture_of
from api.gateways.paypal.reading import Json, child, text
from models.gateway import EventKind, GatewayEvent, MessageRefused

_APPROVED: Final = "CHECKOUT.ORDER.APPROVED"
_UNAPPROVED: Final = "CHECKOUT.PAYMENT-APPROVAL.REVERSED"
_CAPTURES: Final = frozenset(
    f"PAYMENT.CAPTURE.{state}" for state in ("COMPLETED", "DECLINED", "DENIED", "PENDING")
)
_REFUNDS: Final = frozenset(
    {
        "PAYMENT.CAPTURE.REFUNDED",
        "PAYMENT.CAPTURE.REVERSED",
        *(f"PAYMENT.REFUND.{state}" for state in ("CANCELLED", "COMPLETED", "FAILED", "PENDING")),
    }
)
_DISPUTES: Final = frozenset(
    f"CUSTOMER.DISPUTE.{state}" for state in ("CREATED", "RESOLVED", "UPDATED")
)
#: After these what they are about does not wait any more.
_ENDS: Final = frozenset(
    {
        *(f"PAYMENT.CAPTURE.{state}" for state in ("COMPLETED", "DECLINED", "DENIED")),
        *(f"PAYMENT.REFUND.{state}" for state in ("CANCELLED", "COMPLETED", "FAILED")),
        "CUSTOMER.DISPUTE.RESOLVED",
    }
)
#: An id goes into the path of a question, so it is no more than an id.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hint:
    """What PayPal is to be asked about, by its own ids; empty where the message names none.

    `ends` is whether it says that a capture, refund or dispute has come to its end.
    """

    order: str = ""
    capture: str = ""
    refund: str = ""
    dispute: str = ""
    ends: bool = False


def name_of(message: Json) -> dict[str, str]:
    """The message's own id and type, for people. Raises MessageRefused where it has none."""
    id, type = text(message, "id"), text(message, "event_type")
    if not id or not type:
        raise MessageRefused("it isn't a PayPal message")
    return {"message": id, "type": type}


def hint_of(message: Json) -> Hint | None:
    """What to ask about; None for types that tell us nothing. Raises MessageRefused."""
    type, resource = name_of(message)["type"], child(message, "resource")
    ends = type in _ENDS
    if type in _CAPTURES:
        return Hint(capture=_id(resource, "id"), ends=ends)
    if type in _REFUNDS:
        return Hint(refund=_id(resource, "id"), capture=capture_of(resource), ends=ends)
    if type in _DISPUTES:
        return Hint(dispute=_id(resource, "dispute_id"), ends=ends)
    if type == _APPROVED:
        return Hint(order=_id(resource, "id"))
    if type == _UNAPPROVED:
        return Hint(order=_id(resource, "order_id"))
    return None


def _id(resource: Json, key: str) -> str:
    id = text(resource, key)
    if not _ID.fullmatch(id):
        raise MessageRefused(f"{key} is missing or malformed")
    return id


def ignored(transmission_id: str, name: dict[str, str]) -> GatewayEvent:
    """That a message was not about anything of ours. Its event id is the signed one: with that of
    the body a forger could take the id of what is still to come.
    """
    return GatewayEvent(f"message:{transmission_id}", EventKind.IGNORED, "", raw=dict(name))
