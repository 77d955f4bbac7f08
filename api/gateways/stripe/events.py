"""Stripe's objects as what they tell us of a payment, whether a message or an answer brought them.

A capture is known by its PaymentIntent's id, whatever told us of it, so that all that Stripe sends
about one payment (two or three messages, each with an id of its own) books it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from api.gateways.stripe.amounts import DECIMALS, from_stripe
from api.gateways.stripe.errors import card_failure
from api.gateways.stripe.requests import PAYMENT_KEY, REFUND_KEY
from models.gateway import EventKind, GatewayEvent
from models.money import Money

Object = Mapping[str, Any]
Reader = Callable[[Object, str], GatewayEvent]

#: What is kept of an object for people to look at. No names, no addresses, no card.
_KEPT: Final = (
    "id object status payment_status payment_intent client_reference_id amount amount_total "
    "amount_received currency reason cancellation_reason failure_reason livemode created"
)
_ID_CHARS_MAX: Final = 255
#: Stripe's own reasons for ending a PaymentIntent, and the one that we give when its time is over.
_TIME_IS_OVER: Final = frozenset({"abandoned", "automatic", "expired"})

_REFUNDS: Final = {
    "succeeded": EventKind.REFUNDED,
    "pending": EventKind.REFUND_PENDING,
    "requires_action": EventKind.REFUND_PENDING,
    "failed": EventKind.REFUND_FAILED,
    "canceled": EventKind.REFUND_FAILED,
}
_REFUND_FAILURES: Final = {
    "charge_for_pending_refund_disputed": "payment_disputed",
    "insufficient_funds": "refund_insufficient_funds",
}
# An inquiry (`warning_…`) moves no money, and one that was prevented was refunded instead.
_DISPUTES: Final = {
    "needs_response": EventKind.DISPUTED,
    "under_review": EventKind.DISPUTED,
    "won": EventKind.DISPUTE_WON,
    "lost": EventKind.DISPUTE_LOST,
}


def of_session(session: Object, event_id: str = "") -> GatewayEvent:
    """What a Checkout Session tells by itself."""
    paid, status = session.get("payment_status") == "paid", session.get("status")
    if paid and session.get("payment_intent") and _ours(session):
        return _captured(
            session,
            event_id,
            reference=name_of(session["payment_intent"]),
            amount=_money(session, "amount_total"),
        )
    if status == "expired":
        return _event(session, event_id, EventKind.EXPIRED)
    return _event(
        session, event_id, EventKind.PROCESSING if status == "complete" else EventKind.IGNORED
    )


def of_failed_session(session: Object, event_id: str, failure: str = "") -> GatewayEvent:
    """The page was left with a payment that takes days, and it has failed: nothing can follow."""
    return _event(session, event_id, EventKind.FAILED, failure=failure or "declined")


def of_intent(intent: Object, event_id: str = "") -> GatewayEvent:
    """What a PaymentIntent tells. A declined card is not its end: the client may try another."""
    match intent.get("status"):
        case "succeeded" if _ours(intent):
            amount = _money(intent, "amount_received")
            return _captured(intent, event_id, reference=name_of(intent), amount=amount)
        case "processing":
            return _event(intent, event_id, EventKind.PROCESSING)
        case "canceled":
            over = intent.get("cancellation_reason") in _TIME_IS_OVER
            return _event(intent, event_id, EventKind.EXPIRED if over else EventKind.CANCELED)
        case _:
            failure = failure_of(intent)
            kind = EventKind.DECLINED if failure else EventKind.IGNORED
            return _event(intent, event_id, kind, failure=failure)


def of_refund(refund: Object, event_id: str = "") -> GatewayEvent:
    """What a refund reports, whether we asked for it or somebody in Stripe's dashboard."""
    kind = _REFUNDS.get(str(refund.get("status")), EventKind.IGNORED)
    return _about_capture(refund, event_id, kind)


def of_dispute(dispute: Object, event_id: str = "") -> GatewayEvent:
    """What a dispute tells."""
    kind = _DISPUTES.get(str(dispute.get("status")), EventKind.IGNORED)
    return _about_capture(dispute, event_id, kind)


def failure_of(intent: Object) -> str:
    """A short stable code for why the last card was not charged; empty where none was tried."""
    error = intent.get("last_payment_error")
    if not isinstance(error, Mapping):
        return ""
    return card_failure(str(error.get("code") or ""), str(error.get("decline_code") or ""))


def name_of(value: object) -> str:
    """The id of an object that is given whole or by its id. Raises ValueError."""
    name = value.get("id") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or not 0 < len(name) <= _ID_CHARS_MAX or not name.isascii():
        raise ValueError("an id is missing or malformed")
    return name


# ------------------------------------------------------------------------------- putting together


def _captured(about: Object, event_id: str, *, reference: str, amount: Money) -> GatewayEvent:
    return GatewayEvent(
        event_id or f"fetch:{reference}:captured",
        EventKind.CAPTURED,
        _ours(about),
        reference=reference,
        amount=amount,
        occurred_at=_moment(about),
        raw=kept(about),
    )


def _event(about: Object, event_id: str, kind: EventKind, *, failure: str = "") -> GatewayEvent:
    """What moves no money; what is not about a payment of ours is ignored."""
    payment = _ours(about)
    kind = kind if payment else EventKind.IGNORED
    return GatewayEvent(
        event_id or f"fetch:{name_of(about)}:{kind.lower()}",
        kind,
        payment,
        occurred_at=_moment(about),
        failure=failure,
        raw=kept(about),
    )


def _about_capture(about: Object, event_id: str, kind: EventKind) -> GatewayEvent:
    """A refund or a dispute: it names what was captured, and our ids only where we gave them."""
    name, intent = name_of(about), about.get("payment_intent")
    foreign = str(about.get("currency")).upper() not in DECIMALS  # another program's, surely
    if foreign or not intent or kind is EventKind.IGNORED:
        return _event(about, event_id, EventKind.IGNORED)
    metadata = _metadata(about)
    return GatewayEvent(
        event_id or f"fetch:{name}:{kind.lower()}",
        kind,
        metadata.get(PAYMENT_KEY, ""),
        reference=name,
        capture=name_of(intent),
        refund=metadata.get(REFUND_KEY, ""),
        amount=_money(about, "amount"),
        occurred_at=_moment(about),
        failure=_refund_failure(about) if kind is EventKind.REFUND_FAILED else "",
        raw=kept(about),
    )


def _refund_failure(refund: Object) -> str:
    return _REFUND_FAILURES.get(str(refund.get("failure_reason")), "refund_failed")


def kept(about: Object) -> dict[str, Any]:
    """What is kept of an object."""
    return {key: about[key] for key in _KEPT.split() if isinstance(about.get(key), str | int)}


def _ours(about: Object) -> str:
    return _metadata(about).get(PAYMENT_KEY, "")


def _metadata(about: Object) -> Mapping[str, str]:
    metadata = about.get("metadata")
    if not isinstance(metadata, Mapping):
        return {}
    return {key: value for key, value in metadata.items() if isinstance(value, str)}


def _money(about: Object, key: str) -> Money:
    units, currency = about.get(key), about.get("currency")
    if type(units) is not int or units <= 0 or not isinstance(currency, str):
        raise ValueError(f"{key} is missing or malformed")
    return from_stripe(units, currency)


def _moment(about: Object) -> datetime | None:
    created = about.get("created")
    return datetime.fromtimestamp(created, UTC) if type(created) is int else None
