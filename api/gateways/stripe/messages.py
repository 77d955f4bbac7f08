"""Stripe's messages (webhooks): who sent them, and what they tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
import stripe

from api.gateways.stripe.events import (
    Object,
    Reader,
    name_of,
    of_dispute,
    of_failed_session,
    of_intent,
    of_refund,
    of_session,
)
from models.gateway import EventKind, GatewayEvent, MessageRefused, SignatureRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.gateways.stripe.keys import StripeKeys

TOLERANCE_SECONDS: Final = 300

#: Every type that tells us something; the README lists them for the endpoint in the dashboard.
#: `charge.refunded` is not among them: the messages about the refund itself say more.
READERS: Final[Mapping[str, Reader]] = {
    "checkout.session.completed": of_session,
    "checkout.session.async_payment_succeeded": of_session,
    "checkout.session.async_payment_failed": of_failed_session,
    "checkout.session.expired": of_session,
    "payment_intent.succeeded": of_intent,
    "payment_intent.processing": of_intent,
    "payment_intent.payment_failed": of_intent,
    "payment_intent.canceled": of_intent,
    "refund.created": of_refund,
    "refund.updated": of_refund,
    "refund.failed": of_refund,
    "charge.dispute.created": of_dispute,
    "charge.dispute.updated": of_dispute,
    "charge.dispute.closed": of_dispute,
    "charge.dispute.funds_withdrawn": of_dispute,
    "charge.dispute.funds_reinstated": of_dispute,
}


def read_message(keys: StripeKeys, header: str, body: bytes) -> GatewayEvent:
    """The one event that a message tells. Raises MessageRefused."""
    _verify(keys.webhook_secrets, header, body)
    message = _parsed(body)
    if message.get("livemode") is not keys.live:
        # It would book money that does not exist, or miss some that does.
        raise MessageRefused("a test mode message in live mode, or the reverse")
    try:
        return _event(message)
    except (ValueError, OverflowError) as problem:
        raise MessageRefused(f"the message cannot be read: {problem}") from None


def _verify(secrets: tuple[str, ...], header: str, body: bytes) -> None:
    if not header.isascii():
        raise SignatureRefused("the signature is malformed")
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
        except stripe.SignatureVerificationError:
            continue
        except UnicodeDecodeError:
            raise MessageRefused("the body isn't UTF-8") from None
        return
    raise SignatureRefused("no signature matches, or the message is too old")


def _parsed(body: bytes) -> Object:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MessageRefused("the body isn't JSON") from None
    # Thin events (`v2.core.event`) carry no object; the endpoint must be of the other kind.
    if not isinstance(message, dict) or message.get("object") != "event":
        raise MessageRefused("the body isn't an event of Stripe's API v1")
    return message


def _event(message: Object) -> GatewayEvent:
    event_id, type_ = name_of(message), message.get("type")
    data = message.get("data")
    about: Any = data.get("object") if isinstance(data, dict) else None
    if not isinstance(type_, str) or not isinstance(about, dict):
        raise ValueError("it has no type or no object")  # noqa: TRY004 - of the message, not of us
    reader = READERS.get(type_)
    if reader is None:
        return GatewayEvent(event_id, EventKind.IGNORED, "", raw={"type": type_})
    told = reader(about, event_id)
    created = message.get("created")
    moment = datetime.fromtimestamp(created, UTC) if type(created) is int else told.occurred_at
    return replace(told, occurred_at=moment, raw={"type": type_, "object": dict(told.raw)})
