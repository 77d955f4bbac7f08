"""The hosted page: a Checkout Session, which Stripe expires by itself when its time is over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from api.gateways.stripe.errors import StripeRefused, asking
from api.gateways.stripe.events import Object, failure_of, name_of, of_failed_session, of_session
from api.gateways.stripe.intents import canceled, facts_of, find
from api.gateways.stripe.requests import once, session_params
from models.gateway import EventKind, GatewayEvent, GatewayProblem, Redirect, Started

if TYPE_CHECKING:
    from stripe import StripeClient

    from models.gateway import PaymentOrder


class HostedCheckout:
    """Begin, look at and give up payments on Stripe's own page."""

    prefix: Final = "cs_"

    def __init__(self, client: StripeClient, descriptor_suffix: str) -> None:
        self._client = client
        self._sessions = client.v1.checkout.sessions
        self._descriptor_suffix = descriptor_suffix

    async def begin(self, order: PaymentOrder) -> Started:
        """A page for `order`, the same one each time."""
        params = session_params(order, self._descriptor_suffix)
        with asking():
            session = await self._sessions.create_async(params, once(order.id))
        if not session.url:
            raise GatewayProblem("Stripe returned no URL for its page")
        expires_at = datetime.fromtimestamp(session.expires_at, UTC)
        return Started(session.id, Redirect(session.url, expires_at), expires_at)

    async def look(self, ref: str, order: PaymentOrder) -> list[GatewayEvent]:  # noqa: ARG002 - as CardForm
        """All that is true of it."""
        with asking():
            session = (await self._sessions.retrieve_async(ref)).to_dict()
        if not session.get("payment_intent"):
            return _ended(session)
        intent = await find(self._client, name_of(session["payment_intent"]))
        if intent["status"] in {"succeeded", "processing"}:
            return await facts_of(self._client, intent)
        return _ended(session, failure_of(intent))

    async def give_up(self, ref: str, order: PaymentOrder) -> list[GatewayEvent]:
        """Close the page, if the client has not paid."""
        try:
            with asking():
                await self._sessions.expire_async(ref)
        except StripeRefused:
            pass  # it has ended already, or the client was faster
        facts = await self.look(ref, order)
        return [canceled(told, order) if told.kind is EventKind.EXPIRED else told for told in facts]


def _ended(session: Object, failure: str = "") -> list[GatewayEvent]:
    """How a page ended that brought no money; nothing while it is open."""
    match session["status"]:
        case "open":
            return []
        case "complete":  # a payment that takes days has failed after it
            event_id = f"fetch:{name_of(session)}:failed"
            return [of_failed_session(session, event_id, failure)]
        case _:
            return [of_session(session)]
