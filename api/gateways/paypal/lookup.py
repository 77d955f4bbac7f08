"""Fetches what a message refers to from PayPal: only that is booked, not the message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from api.gateways.paypal.amounts import BadAmount
from api.gateways.paypal.client import PayPalRefused
from api.gateways.paypal.disputes import captures_of, kind_of, of_dispute
from api.gateways.paypal.events import (
    capture_of,
    is_ours,
    of_capture,
    order_id_of,
    payment_of,
    refunds,
)
from api.gateways.paypal.messages import Hint
from api.gateways.paypal.reading import Json, moment, text
from models.gateway import (
    EventKind,
    GatewayEvent,
    GatewayProblem,
    GatewayUnreachable,
    MessageRefused,
)

if TYPE_CHECKING:
    from api.gateways.paypal.client import PayPalClient
    from api.gateways.paypal.refunds import Refunds

_CAPTURES: Final = "/v2/payments/captures"
# `status` of an order (Orders v2). Others wait for the payer.
_ORDERS: Final = {
    "APPROVED": EventKind.APPROVED,
    "COMPLETED": EventKind.APPROVED,
    "VOIDED": EventKind.EXPIRED,
}


class Lookup:
    """Asks PayPal about hints."""

    def __init__(self, client: PayPalClient, refunds: Refunds) -> None:
        self._client = client
        self._refunds = refunds

    async def events(self, hint: Hint, transmission_id: str) -> list[GatewayEvent]:
        """What is true of it; nothing where that is not about us.

        Raises MessageRefused where PayPal knows nothing of the kind, GatewayProblem where it cannot
        be asked, or has not caught up with its own message: it sends that again.
        """
        try:
            if hint.order:
                return await self._order(hint.order, transmission_id)
            if hint.dispute:
                return await self._dispute(hint)
            return await (self._refund if hint.refund else self._capture)(hint)
        except PayPalRefused as refused:
            raise MessageRefused(f"the object it refers to doesn't exist: {refused}") from None
        except BadAmount as problem:
            raise GatewayProblem(f"the object it refers to can't be read: {problem}") from None

    async def _order(self, order_id: str, transmission_id: str) -> list[GatewayEvent]:
        order = await self._client.get(f"/v2/checkout/orders/{order_id}")
        payment, kind = payment_of(order), _ORDERS.get(text(order, "status"))
        if not is_ours(payment) or kind is None:
            return []
        # The payer may approve again after a refused card, so each approval is an event of its own.
        return [
            GatewayEvent(
                f"order:{order_id}:{kind.lower()}:{transmission_id}",
                kind,
                payment,
                gateway_ref=order_id,
                occurred_at=moment(order, "update_time"),
            )
        ]

    async def _dispute(self, hint: Hint) -> list[GatewayEvent]:
        dispute = await self._client.get(f"/v1/customer/disputes/{hint.dispute}")
        kind = kind_of(dispute)
        _require_news(hint, is_open=kind is EventKind.DISPUTED)
        # Of which payment it is, our own books say, by what was captured.
        told = [replace(event, payment="") for event in of_dispute(dispute)]
        if kind is EventKind.DISPUTE_WON:
            # What the seller gave back while it was open was the dispute's until it was won.
            for capture in filter(None, captures_of(dispute)):
                told += await self._all_of(capture, Hint())
        return told

    async def _capture(self, hint: Hint) -> list[GatewayEvent]:
        capture = await self._client.get(f"{_CAPTURES}/{hint.capture}")
        _require_news(hint, is_open=_pends(capture))
        payment = text(capture, "custom_id")
        if not is_ours(payment):
            return []
        event = of_capture(capture, payment)
        return _of_order([event] if event else [], capture)

    async def _refund(self, hint: Hint) -> list[GatewayEvent]:
        if hint.capture:
            return await self._all_of(hint.capture, hint)
        capture = capture_of(await self._read_refund(hint))
        if not capture:
            raise MessageRefused("PayPal does not say what was refunded")
        return await self._all_of(capture, hint)

    async def _all_of(self, capture_id: str, hint: Hint) -> list[GatewayEvent]:
        """All that is true of the payment of a capture, the refund of `hint` included."""
        capture = await self._client.get(f"{_CAPTURES}/{capture_id}")
        payment = text(capture, "custom_id")
        if not is_ours(payment):
            return []
        known = refunds(await self._refunds.order_of(capture))
        if hint.refund:
            found = next((one for one in known if text(one, "id") == hint.refund), None)
            if found is None:  # reversals need not be listed
                found = await self._read_refund(hint)
                if capture_of(found) != capture_id:
                    raise MessageRefused("the refund belongs to another capture")
                known.append(found)
            _require_news(hint, is_open=_pends(found))
        return _of_order(await self._refunds.facts(payment, [capture], known), capture)

    async def _read_refund(self, hint: Hint) -> Json:
        return await self._client.get(f"/v2/payments/refunds/{hint.refund}")


def _of_order(told: list[GatewayEvent], capture: Json) -> list[GatewayEvent]:
    """Only what is of the very order that the payment began: a client id is enough to make orders
    that name our payment and pay somebody else.

    Where PayPal does not say which order it was, its capture is not news to believe, and the order
    that we know is asked.
    """
    if order_id := order_id_of(capture):
        return [replace(event, gateway_ref=order_id) for event in told]
    ask = f"ask:{text(capture, 'id')}:{text(capture, 'status').lower()}"
    return [
        GatewayEvent(ask, EventKind.APPROVED, text(capture, "custom_id")),
        *(replace(event, payment="") for event in told if event.capture),
    ]


def _pends(thing: Json) -> bool:
    return text(thing, "status") == "PENDING"


def _require_news(hint: Hint, *, is_open: bool) -> None:
    if hint.ends and is_open:
        raise GatewayUnreachable("PayPal's response is older than its message")
