"""What PayPal's captures and refunds tell us.

Each fact has the same event id whether a webhook or an answer tells it, so that it is stored once.
"""

from __future__ import annotations

import re
from typing import Final

from api.gateways.paypal import amounts
from api.gateways.paypal.reading import Json, child, children, kept, links, moment, text
from models.gateway import EventKind, GatewayEvent

_CAPTURE_URL: Final = re.compile(r"/captures/([A-Z0-9]{1,36})$", re.ASCII)
_ORDER_URL: Final = re.compile(r"/orders/([A-Z0-9]{1,36})$", re.ASCII)
#: Our public payment ids begin so.
_PAYMENT: Final = "pay_"

# `status` of a capture (Payments v2). What came in stays captured when it is refunded later.
_CAPTURES: Final = {
    "COMPLETED": EventKind.CAPTURED,
    "DECLINED": EventKind.FAILED,
    "DENIED": EventKind.FAILED,
    "FAILED": EventKind.FAILED,
    "PARTIALLY_REFUNDED": EventKind.CAPTURED,
    "PENDING": EventKind.PROCESSING,
    "REFUNDED": EventKind.CAPTURED,
}
_REFUNDS: Final = {
    "CANCELLED": EventKind.REFUND_FAILED,
    "COMPLETED": EventKind.REFUNDED,
    "FAILED": EventKind.REFUND_FAILED,
    "PENDING": EventKind.REFUND_PENDING,
}


def captures(order: Json) -> list[Json]:
    """The captures of an order; at most one."""
    return _payments(order, "captures")


def refunds(order: Json) -> list[Json]:
    """What went back of an order."""
    return _payments(order, "refunds")


def _payments(order: Json, kind: str) -> list[Json]:
    units = children(order, "purchase_units")
    return [one for unit in units for one in children(child(unit, "payments"), kind)]


def payment_of(order: Json) -> str:
    """Our payment id, as an order carries it."""
    return next((text(unit, "custom_id") for unit in children(order, "purchase_units")), "")


def is_ours(custom_id: str) -> bool:
    """Whether it is a payment id of ours: accounts have other uses, too."""
    return custom_id.startswith(_PAYMENT)


def refund_id(refund: Json) -> str:
    """Our refund id, where we have asked for it.

    Else PayPal shows the `custom_id` of the payment, or none.
    """
    custom_id = text(refund, "custom_id")
    return "" if is_ours(custom_id) else custom_id


def capture_of(refund: Json) -> str:
    """The capture that a refund or reversal is of; empty where it does not say."""
    found = (_CAPTURE_URL.search(href) for href in links(refund, "up"))
    return next((hit[1] for hit in found if hit), "")


def order_id_of(capture: Json) -> str:
    """The order that a capture is of; empty where it does not say."""
    related = text(child(capture, "supplementary_data", "related_ids"), "order_id")
    found = (_ORDER_URL.search(href) for href in links(capture, "up"))
    return related or next((hit[1] for hit in found if hit), "")


def of_capture(capture: Json, payment: str) -> GatewayEvent | None:
    """What a capture says of our `payment`; None for a status that PayPal has not documented.

    Raises BadAmount.
    """
    kind = _CAPTURES.get(text(capture, "status"))
    if kind is None:
        return None
    captured = kind is EventKind.CAPTURED
    return GatewayEvent(
        f"capture:{text(capture, 'id')}:{kind.lower()}",
        kind,
        payment,
        reference=text(capture, "id") if captured else "",
        amount=amounts.read(capture.get("amount")) if captured else None,
        occurred_at=moment(capture, "update_time") or moment(capture, "create_time"),
        failure="declined" if kind is EventKind.FAILED else "",
        raw=kept(capture),
    )


def of_refund(refund: Json, payment: str, capture: str) -> GatewayEvent | None:
    """What a refund, or a reversal, says; None for a status that PayPal has not documented.

    Raises BadAmount.
    """
    kind = _REFUNDS.get(text(refund, "status"))
    if kind is None:
        return None
    return GatewayEvent(
        f"refund:{text(refund, 'id')}:{kind.lower()}",
        kind,
        payment,
        reference=text(refund, "id"),
        capture=capture,
        refund=refund_id(refund),
        amount=amounts.read(refund.get("amount")),
        occurred_at=moment(refund, "update_time") or moment(refund, "create_time"),
        failure="refund_failed" if kind is EventKind.REFUND_FAILED else "",
        raw=kept(refund),
    )
