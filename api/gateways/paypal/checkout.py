"""An order at PayPal: created, found again, captured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
import structlog

from api.gateways.paypal.client import PayPalRefused
from api.gateways.paypal.events import payment_of
from api.gateways.paypal.order import REMEMBERED, request, request_id
from api.gateways.paypal.reading import Json, text
from api.gateways.paypal.refusals import TRY_AGAIN, code_of
from models.clock import now
from models.gateway import GatewayDeclined, GatewayProblem

if TYPE_CHECKING:
    from api.gateways.paypal.client import PayPalClient
    from models.gateway import PaymentOrder

_ORDERS: Final = "/v2/checkout/orders"
_log = structlog.get_logger()


class Checkout:
    """The orders of one app. `brand` is what PayPal's pages call us."""

    def __init__(self, client: PayPalClient, brand: str) -> None:
        self._client = client
        self._brand = brand

    async def create(self, order: PaymentOrder) -> Json:
        """The new order; the same one when asked again. Raises GatewayDeclined, GatewayProblem."""
        body = request(order, self._brand)
        try:
            return await self._client.post(_ORDERS, body, request_id(order, "start"))
        except PayPalRefused as refused:
            raise _final(refused) from None

    async def find(self, order: PaymentOrder) -> Json | None:
        """The order; None if there is none, or none any more. Raises as `create`.

        Where we do not know whether it was created it is created now, which finds it.
        """
        if order.gateway_ref:
            return await self.read(order)
        if order.is_open and now() < order.created_at + REMEMBERED:
            return await self.create(order)
        return None

    async def read(self, order: PaymentOrder) -> Json | None:
        """The order of `gateway_ref`; None if there is none any more. Raises GatewayProblem."""
        try:
            found = await self._client.get(f"{_ORDERS}/{order.gateway_ref}")
        except PayPalRefused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return None
            raise
        if payment_of(found) != order.id:
            raise GatewayProblem("PayPal's order belongs to another payment")
        return found

    async def capture(self, order: PaymentOrder, found: Json) -> Json:
        """Take the money of an approved order; the order as it is then.

        As it was where the payer may try again. Raises GatewayDeclined, GatewayProblem.
        """
        path = f"{_ORDERS}/{text(found, 'id')}/capture"
        # PayPal captures an order once, so each approval may be tried with a key of its own: with
        # an old one it would repeat what it said of the card that the payer has replaced.
        key = request_id(order, "capture", text(found, "update_time"))
        try:
            return await self._client.post(path, {}, key)
        except PayPalRefused as refused:
            if refused.issue == "ORDER_ALREADY_CAPTURED":
                return await self.read(order) or found
            if refused.issue in TRY_AGAIN:
                _log.info("paypal.not_captured_yet", payment=order.id, issue=refused.issue)
                return found
            raise _final(refused) from None


def _final(refused: PayPalRefused) -> GatewayDeclined | PayPalRefused:
    """GatewayDeclined where PayPal understood us, and the answer stays no."""
    if not refused.is_final:
        return refused
    _log.warning("paypal.declined", said=str(refused))
    return GatewayDeclined(code_of(refused.issue))
