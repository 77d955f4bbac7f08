"""Settlements: each movement of money at a gateway, once; and what they come to together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from tortoise import fields

from models.db import sql
from models.db.record import Record
from models.db.together import find_one
from models.gateway import EventKind, GatewayEvent

#: The kind of what moves nothing: the gateway's own word of a capture that staff have recorded.
CONFIRMED: Final = "CONFIRMED"


class Settlement(Record):
    """One movement of money at a gateway. UNIQUE (gateway, kind, reference).

    A capture that staff have recorded has its payment's own id as its reference. What the gateway
    calls the same capture, when it tells of it later, is kept as CONFIRMED.
    """

    gateway = fields.CharField(max_length=64)
    kind = fields.CharField(max_length=16)
    reference = fields.CharField(max_length=255)
    payment_id = fields.UUIDField()
    amount = fields.BigIntField()

    class Meta:
        table = "settlement"


async def payment_of(gateway: str, kind: EventKind, reference: str) -> UUID | None:
    """The payment that a capture, say, was for; None while we do not know it."""
    row = await sql.fetch_one(
        "SELECT payment_id FROM settlement WHERE gateway = $1 AND kind IN ($2, $3)"
        " AND reference = $4",
        gateway,
        *_kinds(kind),
        reference,
    )
    return row["payment_id"] if row else None


#: A payment, and a gateway, kind and reference.
_Key = tuple[UUID, str, EventKind, str]


async def read_for(payment_id: UUID, gateway: str, told: GatewayEvent) -> list[Settlement]:
    """A payment's settlements, and those of any payment that have the reported name."""
    key = (payment_id, gateway, told.kind, told.reference)
    return list(await find_one(_read_for, key) or [])


async def _read_for(keys: Sequence[_Key]) -> dict[_Key, list[Settlement]]:
    told = [
        {"payment_id": str(id), "gateway": gateway, "kind": kind, "reference": reference}
        for id, gateway, of, reference in keys
        for kind in set(_kinds(of))
    ]
    names = sql.given("g", 1, payment_id="uuid", gateway="text", kind="text", reference="text")
    rows = await sql.records(
        Settlement,
        f"SELECT s.* FROM {names} JOIN settlement s ON s.payment_id = g.payment_id"
        f" UNION SELECT s.* FROM {names} JOIN settlement s"
        " ON s.gateway = g.gateway AND s.kind = g.kind AND s.reference = g.reference",
        sql.json(told),
    )
    return {
        (id, gateway, kind, reference): [
            one
            for one in rows
            if one.payment_id == id
            or (one.gateway == gateway and one.kind in _kinds(kind) and one.reference == reference)
        ]
        for id, gateway, kind, reference in keys
    }


def _kinds(kind: EventKind) -> tuple[str, str]:
    return kind.value, CONFIRMED if kind is EventKind.CAPTURED else kind.value


def named(known: Iterable[Settlement], told: GatewayEvent) -> list[Settlement]:
    """Those that have the reported name."""
    kinds = _kinds(told.kind)
    return [one for one in known if one.kind in kinds and one.reference == told.reference]


def confirms(told: GatewayEvent, known: Sequence[Settlement], own_id: str) -> bool:
    """Whether it is the capture that staff have recorded: the first that the gateway tells of."""
    if told.kind != EventKind.CAPTURED or told.reference == own_id:
        return False
    confirmed = [one.reference for one in known if one.kind == CONFIRMED]
    recorded = any(one.reference == own_id for one in known if one.kind == EventKind.CAPTURED)
    return recorded and (not confirmed or told.reference in confirmed)


def returned(known: Sequence[Settlement]) -> int:
    """What the gateway has taken back: refunds that have not failed, disputes that are not won."""
    won = {one.reference for one in known if one.kind == EventKind.DISPUTE_WON}
    disputes: dict[str, int] = {
        one.reference: one.amount
        for kind in (EventKind.DISPUTED, EventKind.DISPUTE_LOST)  # the outcome has the last word
        for one in known
        if one.kind == kind and one.reference not in won
    }
    failed = {one.reference for one in known if one.kind == EventKind.REFUND_FAILED}
    refunds: int = sum(
        one.amount
        for one in known
        if one.kind == EventKind.REFUNDED and one.reference not in failed
    )
    return refunds + sum(disputes.values())


def is_disputed(known: Sequence[Settlement]) -> bool:
    """Whether a dispute has begun and is not settled."""
    opened = {one.reference for one in known if one.kind == EventKind.DISPUTED}
    ended = {
        one.reference
        for one in known
        if one.kind in (EventKind.DISPUTE_WON, EventKind.DISPUTE_LOST)
    }
    return bool(opened - ended)
