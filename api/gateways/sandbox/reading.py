"""What the sandbox's messages tell, and what is true of a charge, as the port's events."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import orjson

from api.gateways.sandbox.charge import ChargeStatus
from api.gateways.sandbox.messages import Say
from models.errors import Refusal
from models.gateway import MONEY_KINDS, EventKind, GatewayEvent, MessageRefused
from models.money import Money, exponent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from api.gateways.sandbox.charge import Charge

# Where each message carries the id of the capture, refund or dispute that it is about.
_REFERENCE_KEYS: Final = {
    EventKind.CAPTURED: "capture",
    EventKind.REFUNDED: "refund",
    EventKind.DISPUTED: "dispute",
    EventKind.DISPUTE_WON: "dispute",
    EventKind.DISPUTE_LOST: "dispute",
}
_DATA_KEYS: Final = (
    "payment",
    "capture",
    "refund",
    "request",
    "dispute",
    "amount",
    "currency",
    "failure",
)
ID: Final = re.compile(r"[\x21-\x7e]{1,255}")
_AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.([0-9]{1,9}))?")


def read(body: bytes) -> tuple[str, Mapping[str, Any]]:
    """The type and the data of a message. Raises MessageRefused."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MessageRefused("the body isn't JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
        raise MessageRefused("the body isn't a JSON object with data")
    return _text(message, "type"), message["data"]


def event_of(
    event_id: str, type_: str, data: Mapping[str, Any], occurred_at: datetime
) -> GatewayEvent:
    """What a message tells us. Raises MessageRefused."""
    kind = _kind(type_)
    if kind is EventKind.IGNORED:
        raw = {"type": type_}
        payment = data.get("payment")
        named = payment if _is_id(payment) else ""
        return GatewayEvent(event_id, kind, named, occurred_at=occurred_at, raw=raw)
    known = {key: _text(data, key) for key in _DATA_KEYS if data.get(key) is not None}
    moves_money = kind in MONEY_KINDS
    return GatewayEvent(
        event_id,
        kind,
        payment=_text(known, "payment"),
        reference=_text(known, _REFERENCE_KEYS[kind]) if moves_money else "",
        amount=_amount(known) if moves_money else None,
        occurred_at=occurred_at,
        failure=known.get("failure", ""),
        refund=known.get("request", ""),
        raw={"type": type_, "data": known},
    )


def _kind(type_: str) -> EventKind:
    try:
        return EventKind[Say(type_).name]
    except ValueError:
        return EventKind.IGNORED


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not _is_id(value):
        raise MessageRefused(f"{key} is missing or malformed")
    return value


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _amount(data: Mapping[str, str]) -> Money:
    """A positive amount with no more decimals than its currency has. Raises MessageRefused."""
    currency = _text(data, "currency")
    found = _AMOUNT.fullmatch(_text(data, "amount"))
    try:
        if found is None or len(found[1] or "") > exponent(currency):
            raise MessageRefused("amount is malformed")
        money = Money.parse(Decimal(found[0]), currency)
    except Refusal as refusal:
        raise MessageRefused(f"no such amount of money: {refusal.code}") from None
    if not money:
        raise MessageRefused("amount is zero")
    return money


def told_of(charge: Charge) -> list[GatewayEvent]:
    """All that is true of a charge. The ids are the same each time, so that each is stored once."""
    facts = charge.facts()
    if not facts and charge.status in {ChargeStatus.CANCELED, ChargeStatus.EXPIRED}:
        kind = EventKind[charge.status.name]
        event_id = f"fetch:{charge.payment}:{kind.lower()}"
        moment = charge.canceled_at or charge.expires_at
        return [GatewayEvent(event_id, kind, charge.payment, occurred_at=moment)]
    return [
        event_of(f"fetch:{fact.subject}:{fact.type}", fact.type, fact.data, fact.happens_at)
        for fact in facts
    ]
