"""Refunds: those that we request, and what PayPal reports about all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import httpx
import structlog

from api.gateways.paypal import amounts
from api.gateways.paypal.amounts import BadAmount
from api.gateways.paypal.client import PayPalRefused
from api.gateways.paypal.events import captures, of_refund, order_id_of, refunds
from api.gateways.paypal.facts import facts
from api.gateways.paypal.reading import Json, children, text
from api.gateways.paypal.refusals import code_of
from models.gateway import GatewayDeclined, GatewayEvent, GatewayProblem, RefundOrder

if TYPE_CHECKING:
    from api.gateways.paypal.client import PayPalClient

_DISPUTES: Final = "/v1/customer/disputes"
_log = structlog.get_logger()


class Refunds:
    """Asks PayPal for refunds, and about them. All methods raise GatewayProblem."""

    def __init__(self, client: PayPalClient) -> None:
        self._client = client

    async def all_of(self, payment: str, order: Json) -> list[GatewayEvent]:
        """All that is true of a `payment` whose order has been captured."""
        return await self.facts(payment, captures(order), refunds(order))

    async def order_of(self, capture: Json) -> Json:
        """The order that a capture is of; empty where PayPal has none any more."""
        order_id = order_id_of(capture)
        if not order_id:
            return {}
        try:
            return await self._client.get(f"/v2/checkout/orders/{order_id}")
        except PayPalRefused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return {}
            raise

    async def facts(self, payment: str, known: list[Json], gone: list[Json]) -> list[GatewayEvent]:
        """All that is true of these captures and of what is known to have `gone` back of them."""
        disputes = [one for capture in known for one in await self._disputes(text(capture, "id"))]
        try:
            return facts(payment, known, gone, disputes)
        except BadAmount as problem:
            raise GatewayProblem(f"PayPal's order cannot be read: {problem}") from None

    async def give(self, order: RefundOrder) -> GatewayEvent:
        """Give money back once; how it stands. Raises GatewayDeclined, too.

        PayPal forgets a PayPal-Request-Id after 45 days, so we look first.
        """
        done = await self._given(order) or await self._give(order)
        try:
            event = of_refund(done, order.payment.id, order.capture)
        except BadAmount as problem:
            raise GatewayProblem(f"PayPal's refund cannot be read: {problem}") from None
        if event is None:
            raise GatewayProblem("PayPal doesn't report the status of the refund")
        return replace(event, refund=order.id)

    async def _given(self, order: RefundOrder) -> Json | None:
        capture = await self._client.get(f"/v2/payments/captures/{order.capture}")
        known = refunds(await self.order_of(capture))
        names = ("custom_id", "invoice_id")
        return next((one for one in known if order.id in {text(one, n) for n in names}), None)

    async def _give(self, order: RefundOrder) -> Json:
        path = f"/v2/payments/captures/{order.capture}/refund"
        body = {
            "amount": amounts.written(order.amount),
            "custom_id": order.id,
            "invoice_id": order.id,  # PayPal makes no second refund with the same one
        }
        try:
            return await self._client.post(path, body, f"{order.id}-refund")
        except PayPalRefused as refused:
            if not refused.is_final:
                raise
            # Another process may have been faster.
            if done := await self._given(order):
                return done
            _log.warning("paypal.refund_declined", refund=order.id, said=str(refused))
            raise GatewayDeclined(code_of(refused.issue)) from None

    async def _disputes(self, capture_id: str) -> list[Json]:
        """The disputes about a capture; none where our app may not see them, which is logged."""
        try:
            listed = await self._client.get(_DISPUTES, disputed_transaction_id=capture_id)
            ids = [text(one, "dispute_id") for one in children(listed, "items")]
            return [await self._client.get(f"{_DISPUTES}/{id}") for id in ids]
        except PayPalRefused as refused:
            if refused.status == httpx.codes.FORBIDDEN:
                return []
            raise
