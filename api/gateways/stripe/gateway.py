"""The gateway `card`: Stripe, as the port asks for it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import stripe

from api.gateways.base import OwnGateway
from api.gateways.fee import Fee
from api.gateways.stripe import amounts
from api.gateways.stripe.checkout import HostedCheckout
from api.gateways.stripe.errors import StripeRefused, asking
from api.gateways.stripe.events import of_refund
from api.gateways.stripe.intents import CardForm, all_refunds, canceled
from api.gateways.stripe.messages import read_message
from api.gateways.stripe.requests import REFUND_KEY, deadline, once, refund_params
from models.clock import now
from models.gateway import (
    EventKind,
    GatewayDeclined,
    GatewayEvent,
    GatewayKind,
    GatewayProblem,
    PaymentOrder,
    RefundOrder,
    Started,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from api.gateways.stripe.keys import StripeKeys
    from api.settings.settings import StripeForm
    from models.money import Money

TIMEOUT_SECONDS: Final = 10.0


class StripeGateway(OwnGateway):
    """Cards. Nothing is kept here: Stripe and our payment know everything."""

    code = "card"
    kind = GatewayKind.CARD
    refunds = True

    def __init__(
        self,
        keys: StripeKeys,
        *,
        currencies: frozenset[str],
        form: StripeForm = "redirect",
        descriptor_suffix: str = "",
        fee: Fee | None = None,
        http: stripe.HTTPClient | None = None,
    ) -> None:
        """`currencies` are those that we support; it takes those of them that Stripe has."""
        super().__init__(fee or Fee())
        self.currencies = currencies & amounts.DECIMALS.keys()
        self._keys = keys
        self._http = http or stripe.HTTPXClient(timeout=TIMEOUT_SECONDS)
        self._client = _client(keys, self._http)
        page = HostedCheckout(self._client, descriptor_suffix)
        card_form = CardForm(self._client, keys.publishable, descriptor_suffix)
        self._forms = {one.prefix: one for one in (page, card_form)}
        self._form = page if form == "redirect" else card_form

    async def close(self) -> None:
        """Let go of the connections to Stripe."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    def minimum(self, currency: str) -> Money | None:
        """As Stripe documents it; None where that depends on the provider's own account."""
        return amounts.least(currency) if currency in self.currencies else None

    def maximum(self, currency: str) -> Money | None:
        """As Stripe documents it; None for what it does not take."""
        return amounts.most(currency) if currency in self.currencies else None

    async def start(self, order: PaymentOrder) -> Started:
        """Send the payer to Stripe's page, or hand the card form its secret."""
        if now() >= deadline(order):
            raise GatewayDeclined("expired")
        return await self._begin(order)

    async def parse_message(self, headers: Mapping[str, str], body: bytes) -> list[GatewayEvent]:
        """One event; IGNORED where it tells nothing of ours. Raises MessageRefused."""
        return [read_message(self._keys, headers.get("stripe-signature", ""), body)]

    async def fetch(self, order: PaymentOrder) -> list[GatewayEvent]:
        """All that is true now. A card form whose time is over is given up first."""
        with _translating_errors():
            try:
                ref = await self._ref(order)
            except GatewayDeclined as declined:
                return [_never_began(order, declined.failure)]
            return await self._form_of(ref).look(ref, order)

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        """Give it up, unless the client has paid or is just paying."""
        with _translating_errors():
            try:
                ref = await self._ref(order)
            except GatewayDeclined as declined:
                return [canceled(_never_began(order, declined.failure), order)]
            return await self._form_of(ref).give_up(ref, order)

    async def refund(self, order: RefundOrder) -> list[GatewayEvent]:
        """Give money back, once. Stripe forgets idempotency keys after a day, so it looks first."""
        with _translating_errors():
            for known in await all_refunds(self._client, order.capture):
                if (known.get("metadata") or {}).get(REFUND_KEY) == order.id:
                    return [of_refund(known)]
            try:
                with asking():
                    made = await self._client.v1.refunds.create_async(
                        refund_params(order), once(order.id)
                    )
            except StripeRefused as refused:
                raise GatewayDeclined(refused.log().failure) from None
            return [of_refund(made.to_dict())]

    async def _begin(self, order: PaymentOrder) -> Started:
        try:
            return await self._form.begin(order)
        except StripeRefused as refused:
            raise GatewayDeclined(refused.log().failure) from None

    async def _ref(self, order: PaymentOrder) -> str:
        """Stripe's id of it. Where we do not know whether it began, we begin: under the same key
        that is the same payment, or else one that nobody has seen and nobody pays.
        """
        return order.gateway_ref or (await self._begin(order)).gateway_ref

    def _form_of(self, ref: str) -> HostedCheckout | CardForm:
        try:
            return self._forms[ref[:3]]
        except KeyError:
            raise GatewayProblem("a payment that wasn't started at Stripe") from None


def _client(keys: StripeKeys, http: stripe.HTTPClient) -> stripe.StripeClient:
    # It logs what Stripe says of errors, which quotes what was sent. We log their codes.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    # Our caller retries what failed: the SDK must not do it as well.
    return stripe.StripeClient(
        keys.secret,
        base_addresses={"api": keys.api_url} if keys.api_url else {},
        max_network_retries=0,
        http_client=http,
    )


def _never_began(order: PaymentOrder, failure: str) -> GatewayEvent:
    """Stripe would not begin it, so nothing can have come of it."""
    kind = EventKind.EXPIRED if failure == "expired" else EventKind.FAILED
    return GatewayEvent(f"fetch:{order.id}:never_began", kind, order.id, failure=failure)


@contextmanager
def _translating_errors() -> Iterator[None]:
    try:
        yield
    except StripeRefused as refused:
        raise refused.log() from None
    except (ValueError, KeyError) as error:
        raise GatewayProblem(f"Stripe's answer was not understood: {error}") from None
