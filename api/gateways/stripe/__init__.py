"""Cards through Stripe: on its hosted page (`redirect`), or in a form of our own page (`page`).

The hosted page is a Checkout Session. The card form is a PaymentIntent: of Stripe's two ways to one
it is the one for whoever has invoices, taxes and a checkout of their own, as we do
(https://docs.stripe.com/payments/checkout-sessions-and-payment-intents-comparison). What a payment
was begun with is told by its `gateway_ref` (`cs_…`, `pi_…`), so that STRIPE_FORM may change while
payments are open.

A card that is declined does not end a payment: on the page and in the form the client can try
another one. What ends it is money, its expiry, or giving it up.

Nothing here imports the SDK before it is known that Stripe is configured: that takes long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.gateways.fee import Fee
from api.gateways.stripe.keys import StripeKeys

if TYPE_CHECKING:
    from api.gateways.stripe.gateway import StripeGateway
    from api.settings.settings import Settings


def from_settings(settings: Settings) -> StripeGateway | None:
    """The gateway; None without STRIPE_SECRET_KEY. Raises ValueError, a sentence."""
    keys = StripeKeys.from_settings(settings)
    if keys is None:
        return None
    from api.gateways.stripe.gateway import StripeGateway  # noqa: PLC0415 - see the module

    return StripeGateway(
        keys,
        currencies=frozenset(settings.funds_limits),
        form=settings.stripe_form,
        descriptor_suffix=settings.stripe_descriptor_suffix,
        fee=Fee.from_settings(settings, StripeGateway.code),
    )
