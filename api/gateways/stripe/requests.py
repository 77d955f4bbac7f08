"""What we ask of Stripe, as its API has it. All that begins a payment depends on the order alone:
under one idempotency key Stripe compares every parameter.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from api.gateways.stripe.amounts import to_stripe

if TYPE_CHECKING:
    from stripe import RequestOptions
    from stripe.params import PaymentIntentCreateParams, RefundCreateParams
    from stripe.params.checkout import SessionCreateParams

    from models.gateway import PaymentOrder, RefundOrder

#: Keys of the metadata that Stripe keeps for us. Other programs may use the same Stripe account.
PAYMENT_KEY: Final = "account_credit_payment"
REFUND_KEY: Final = "account_credit_refund"

#: How long a client has to pay. Stripe takes 30 minutes to 24 hours, counted from when it is asked.
OPEN_FOR: Final = timedelta(hours=2)

#: The languages of the hosted page, beside `auto`.
_LOCALES: Final = (
    "bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hr hu id it ja ko lt lv ms mt nb nl pl "
    "pt pt-BR ro ru sk sl sv th tr vi zh zh-HK zh-TW"
)
_OTHER_NAMES: Final = {"no": "nb", "nn": "nb", "tl": "fil", "zh-hant": "zh-TW"}


def deadline(order: PaymentOrder) -> datetime:
    """Until when the client can pay."""
    return (order.created_at + OPEN_FOR).replace(microsecond=0)


def session_params(order: PaymentOrder, descriptor_suffix: str) -> SessionCreateParams:
    """A hosted page for one payment. Raises GatewayDeclined."""
    metadata = {PAYMENT_KEY: order.id}
    params: SessionCreateParams = {
        "mode": "payment",
        "allowed_payment_method_types": ["card"],
        # Else Stripe may offer the client to pay in another currency than the invoice's.
        "adaptive_pricing": {"enabled": False},
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.amount.currency.lower(),
                    "unit_amount": to_stripe(order.amount),
                    "product_data": {"name": order.invoice_number},
                },
            }
        ],
        "client_reference_id": order.id,
        "metadata": metadata,
        "payment_intent_data": {"description": order.invoice_number, "metadata": metadata},
        "locale": stripe_locale(order.locale),
        "expires_at": int(deadline(order).timestamp()),
        "success_url": order.return_url,
        "cancel_url": order.return_url,
    }
    if order.email:
        params["customer_email"] = order.email
    if descriptor_suffix:
        params["payment_intent_data"]["statement_descriptor_suffix"] = descriptor_suffix
    return params


def intent_params(order: PaymentOrder, descriptor_suffix: str) -> PaymentIntentCreateParams:
    """A payment for the card form in the page. Raises GatewayDeclined."""
    params: PaymentIntentCreateParams = {
        "amount": to_stripe(order.amount),
        "currency": order.amount.currency.lower(),
        "allowed_payment_method_types": ["card"],
        "description": order.invoice_number,
        "metadata": {PAYMENT_KEY: order.id},
    }
    if descriptor_suffix:
        params["statement_descriptor_suffix"] = descriptor_suffix
    return params


def refund_params(order: RefundOrder) -> RefundCreateParams:
    """A refund of a captured payment. Raises GatewayDeclined."""
    return {
        "payment_intent": order.capture,
        "amount": to_stripe(order.amount),
        "metadata": {PAYMENT_KEY: order.payment.id, REFUND_KEY: order.id},
    }


def once(key: str) -> RequestOptions:
    """Options that make Stripe do a thing once, however often it is asked (for at least a day)."""
    return {"idempotency_key": key}


def stripe_locale(locale: str) -> str:
    """The language of the hosted page for `locale` (BCP 47); `auto` is the browser's."""
    parts = locale.replace("_", "-").lower().split("-")
    known = {tag.lower(): tag for tag in _LOCALES.split()} | _OTHER_NAMES
    for length in range(len(parts), 0, -1):
        found = known.get("-".join(parts[:length])) or known.get(f"{parts[0]}-{parts[length - 1]}")
        if found:
            return found
    return "auto"
