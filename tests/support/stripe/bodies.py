"""Stripe's messages: bodies that its SDK's classes describe, signed by its SDK."""

from __future__ import annotations

import json
import time
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import stripe

from api.gateways.stripe.keys import StripeKeys
from api.gateways.stripe.requests import PAYMENT_KEY
from tests.support.stripe.objects import Object, example

if TYPE_CHECKING:
    from models.gateway import PaymentOrder

SECRET: Final = "whsec_4f1c0a7b9d2e5836"
OLD_SECRET: Final = "whsec_9d2e58364f1c0a7b"
KEYS: Final = StripeKeys(
    secret="sk_test_51abc", webhook_secrets=(SECRET, OLD_SECRET), publishable="pk_test_51abc"
)

_ids = count(1)


def message(type_: str, about: Object, **facts: Any) -> Object:
    return {
        "id": f"evt_{next(_ids)}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
        **facts,
    }


def signed(
    body: object, *, secret: str = SECRET, moment: float | None = None
) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a message."""
    raw = body if isinstance(body, bytes) else json.dumps(body, indent=2).encode()
    header = stripe.WebhookSignature.generate_signature_header(
        raw.decode(errors="replace"), secret, int(moment or time.time())
    )
    return {"content-type": "application/json", "stripe-signature": header}, raw


def session(asked: PaymentOrder, **facts: Any) -> Object:
    found = example("checkout.session")
    amount = {"amount_total": asked.amount.minor, "currency": asked.amount.currency.lower()}
    ours = {"client_reference_id": asked.id, "metadata": {PAYMENT_KEY: asked.id}}
    paid = {"status": "complete", "payment_status": "paid", "payment_intent": "pi_1"}
    return found | amount | ours | paid | facts


def intent(asked: PaymentOrder, **facts: Any) -> Object:
    found = example("payment_intent")
    minor = asked.amount.minor
    amount = {"amount": minor, "amount_received": minor, "currency": asked.amount.currency.lower()}
    return found | amount | {"metadata": {PAYMENT_KEY: asked.id}, "status": "succeeded"} | facts


def refund(**facts: Any) -> Object:
    found = example("refund")
    return found | {"payment_intent": "pi_1", "amount": 1000} | facts


def dispute(**facts: Any) -> Object:
    found = example("dispute")
    return found | {"payment_intent": "pi_1"} | facts
