"""PaymentIntents: what happens to the money, however it was asked for; and the card form."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from api.gateways.stripe.errors import StripeRefused, asking
from api.gateways.stripe.events import Object, of_dispute, of_intent, of_refund
from api.gateways.stripe.requests import deadline, intent_params, once
from models.clock import now
from models.gateway import ConfirmCard, EventKind, GatewayEvent, GatewayProblem, Started

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stripe import StripeClient

    from models.gateway import PaymentOrder

_PAGE: Final = 100


class CardForm:
    """Begin, look at and give up payments with the card form in the page.

    Stripe does not expire them: the first look after their time is over cancels them.
    """

    prefix: Final = "pi_"

    def __init__(self, client: StripeClient, publishable_key: str, descriptor_suffix: str) -> None:
        self._client = client
        self._publishable_key = publishable_key
        self._descriptor_suffix = descriptor_suffix

    async def begin(self, order: PaymentOrder) -> Started:
        """A PaymentIntent for `order`, the same one each time."""
        params = intent_params(order, self._descriptor_suffix)
        with asking():
            intent = await self._client.v1.payment_intents.create_async(params, once(order.id))
        if not intent.client_secret:
            raise GatewayProblem("Stripe returned no client secret")
        action = ConfirmCard(intent.client_secret, self._publishable_key)
        return Started(intent.id, action, deadline(order))

    async def look(self, ref: str, order: PaymentOrder) -> list[GatewayEvent]:
        """All that is true of it."""
        intent = await find(self._client, ref)
        if waits_for_client(intent) and now() >= deadline(order):
            intent = await self._end(ref, "abandoned")
        return await facts_of(self._client, intent)

    async def give_up(self, ref: str, order: PaymentOrder) -> list[GatewayEvent]:
        """End it, if the client has not paid."""
        intent = await self._end(ref, "requested_by_customer")
        facts = await facts_of(self._client, intent)
        return [canceled(facts[0], order)] if intent["status"] == "canceled" else facts

    async def _end(self, ref: str, reason: str) -> Object:
        try:
            with asking():
                await self._client.v1.payment_intents.cancel_async(
                    ref, {"cancellation_reason": reason}
                )
        except StripeRefused:
            pass  # it has ended already, or the client was faster
        return await find(self._client, ref)


def waits_for_client(intent: Object) -> bool:
    """Whether nothing has happened yet that moves money."""
    return str(intent.get("status")).startswith("requires_")


def canceled(told: GatewayEvent, order: PaymentOrder) -> GatewayEvent:
    """The same as the answer to giving up `order`."""
    return replace(
        told, event_id=f"cancel:{order.id}", kind=EventKind.CANCELED, payment=order.id, failure=""
    )


async def find(client: StripeClient, ref: str) -> Mapping[str, Any]:
    """The PaymentIntent, with its charge and the refunds of that."""
    with asking():
        intent = await client.v1.payment_intents.retrieve_async(
            ref, {"expand": ["latest_charge.refunds"]}
        )
    return intent.to_dict()


async def facts_of(client: StripeClient, intent: Object) -> list[GatewayEvent]:
    """All that is true of the money: that it came in, refunds and disputes."""
    told = of_intent(intent)
    if told.kind is EventKind.IGNORED:
        return []
    charge = intent.get("latest_charge")
    if told.kind is not EventKind.CAPTURED or not isinstance(charge, dict):
        return [told]
    facts = [told]
    facts += [of_refund(refund) for refund in await _refunds(client, told.reference, charge)]
    if charge.get("disputed"):
        facts += [of_dispute(dispute) for dispute in await _disputes(client, told.reference)]
    return [replace(fact, payment=told.payment) for fact in facts]


async def all_refunds(client: StripeClient, capture: str) -> list[Object]:
    """Every refund of a captured payment."""
    with asking():
        found = await client.v1.refunds.list_async({"payment_intent": capture, "limit": _PAGE})
        return [refund.to_dict() async for refund in found.auto_paging_iter()]


async def _refunds(client: StripeClient, capture: str, charge: Object) -> list[Object]:
    shown = charge.get("refunds") or {}
    return await all_refunds(client, capture) if shown.get("has_more") else shown.get("data", [])


async def _disputes(client: StripeClient, capture: str) -> list[Object]:
    with asking():
        found = await client.v1.disputes.list_async({"payment_intent": capture, "limit": _PAGE})
        return [dispute.to_dict() async for dispute in found.auto_paging_iter()]
