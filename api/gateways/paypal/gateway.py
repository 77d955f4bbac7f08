"""PayPal as a gateway: the port of `models.gateway`, on PayPal's orders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from api.gateways.base import OwnGateway
from api.gateways.fee import Fee
from api.gateways.paypal import amounts
from api.gateways.paypal.checkout import Checkout
from api.gateways.paypal.client import PayPalClient
from api.gateways.paypal.events import captures
from api.gateways.paypal.lookup import Lookup
from api.gateways.paypal.merchant import Merchant
from api.gateways.paypal.messages import hint_of, ignored, name_of
from api.gateways.paypal.order import APPROVAL_TIME, CAPTURE_TIME, approval_url, is_approved
from api.gateways.paypal.reading import Json, text
from api.gateways.paypal.refunds import Refunds
from api.gateways.paypal.signature import Signature
from api.gateways.paypal.webhooks import Webhooks
from models.clock import now
from models.gateway import (
    EventKind,
    GatewayDeclined,
    GatewayEvent,
    GatewayKind,
    MessageRefused,
    PaymentOrder,
    Redirect,
    RefundOrder,
    Started,
)
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx


class PayPalGateway(OwnGateway):
    """Sends the payer to PayPal to approve an order, and captures it when that is done.

    A payer whose card or bank refuses may go back to PayPal and choose another: the payment stays
    open, and its redirect is still good.
    """

    code = "paypal"
    kind = GatewayKind.PAYPAL
    currencies = amounts.CURRENCIES
    refunds = True

    def __init__(
        self,
        merchant: Merchant,
        brand: str = "",
        fee: Fee | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`brand` is what PayPal's pages call us. `transport` replaces the network."""
        super().__init__(fee or Fee())
        self._client = PayPalClient(merchant, transport)
        self._checkout = Checkout(self._client, brand)
        self._refunds = Refunds(self._client)
        self._lookup = Lookup(self._client, self._refunds)
        self._webhooks = Webhooks(merchant, self._client)

    async def close(self) -> None:
        """Close the connections of this event loop."""
        await self._client.aclose()

    # --------------------------------------------------------------------------- terms

    def minimum(self, currency: str) -> Money | None:
        """The least amount that PayPal can say: 0.01, or 1 where it takes no decimals. The most
        depends on the payer's account (`payment_limit_exceeded`).
        """
        return Money(amounts.step(currency), currency)

    def fee(self, amount: Money) -> Money:
        """GATEWAY_FEES, or nothing; rounded up to what PayPal can say."""
        return amounts.round_up(super().fee(amount))

    # --------------------------------------------------------------------------- the port

    async def start(self, order: PaymentOrder) -> Started:
        """Create an order; the payer approves it at PayPal."""
        created = await self._checkout.create(order)
        expires_at = order.created_at + APPROVAL_TIME
        return Started(text(created, "id"), Redirect(approval_url(created), expires_at), expires_at)

    def transmission_id(self, headers: Mapping[str, str]) -> str:
        """The id that PayPal signs; the body is bound to it by `models.payments.transmission`."""
        return Signature.of(headers).transmission_id

    async def parse_message(self, headers: Mapping[str, str], body: bytes) -> list[GatewayEvent]:
        """What PayPal says, when asked, of what a webhook is about.

        Raises MessageRefused, or GatewayProblem where PayPal cannot be asked: it tells the message
        again for three days.
        """
        signature, message = await self._webhooks.verified(headers, body)
        name = name_of(message)
        try:
            hint = hint_of(message)
            id = signature.transmission_id
            events = await self._lookup.events(hint, id) if hint else []
        except MessageRefused:
            self._webhooks.refuse(signature)
            raise
        told = [replace(event, raw={**name, **event.raw}) for event in events]
        return told or [ignored(id, name)]

    async def fetch(self, order: PaymentOrder) -> list[GatewayEvent]:
        """All that is true of a payment; an approved one is captured first, where it is open."""
        tried = False
        try:
            found = await self._checkout.find(order)
            if found and order.is_open and is_approved(found):
                found, tried = await self._checkout.capture(order, found), True
        except GatewayDeclined as declined:
            return [_end(order, EventKind.FAILED, declined.failure)]
        if found and captures(found):
            return await self._refunds.all_of(order.id, found)
        if _is_late(order, found):
            return [_end(order, EventKind.EXPIRED)]
        return [_try_again(order, found)] if found and tried else []

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        """Leave the order to lapse. It is captured by `fetch` alone, and no more after this.

        Without `gateway_ref` the payer has not been sent to PayPal, so nothing can come of it.
        """
        found = await self._checkout.read(order) if order.gateway_ref else None
        if found and captures(found):
            return await self._refunds.all_of(order.id, found)
        return [_end(order, EventKind.CANCELED)]

    async def refund(self, order: RefundOrder) -> list[GatewayEvent]:
        """Give money back, unless that has been done already."""
        return [await self._refunds.give(order)]


def _is_late(order: PaymentOrder, found: Json | None) -> bool:
    """Whether an order that is not captured will not be any more."""
    approved = found is not None and is_approved(found)
    wait = APPROVAL_TIME + CAPTURE_TIME if approved else APPROVAL_TIME
    return now() >= order.created_at + wait


def _try_again(order: PaymentOrder, found: Json) -> GatewayEvent:
    """PayPal did not take the payer's card: they may choose another, and approve again."""
    event_id = f"{order.id}:declined:{text(found, 'update_time')}"
    return GatewayEvent(
        event_id, EventKind.DECLINED, order.id, occurred_at=now(), failure="card_declined"
    )


def _end(order: PaymentOrder, kind: EventKind, failure: str = "") -> GatewayEvent:
    """An end that PayPal does not tell of by an id of its own."""
    event_id = f"{order.id}:{kind.lower()}"
    return GatewayEvent(event_id, kind, order.id, occurred_at=now(), failure=failure)
