"""Refunds that staff have asked a gateway for, and what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields

from models import credit, sql
from models.base import Changing, now, parse_id
from models.case import Case
from models.gateway import EventKind, GatewayEvent

#: Of one payment, those that its gateway did not give included.
REFUNDS_MAX: Final = 50


class RefundStatus(StrEnum):
    """How far a refund has come."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Refund(Changing):
    """One request to give `amount` minor units of a payment back.

    `held` of it is credit, kept from being spent until the gateway has said what became of it.
    `capture` is what the money came in with, `reference` the gateway's id of the refund, empty
    while it is not known.
    """

    PREFIX: ClassVar[str] = "rfd"

    payment_id = fields.UUIDField()
    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    held = fields.BigIntField(default=0)
    reason = fields.CharField(max_length=500)
    status = fields.CharField(max_length=16)
    capture = fields.CharField(max_length=255)
    reference = fields.CharField(max_length=255, default="")
    failure = fields.CharField(max_length=64, null=True)
    next_check_at = fields.DatetimeField(null=True)
    checks = fields.IntField(default=0)
    completed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "refund"


async def settle(case: Case, told: GatewayEvent) -> bool:
    """Apply what a gateway says of a refund that we may have asked for; whether that is news.

    What was held for it is free before its money is taken back, in the same transaction.
    """
    found = await _told_of(case, told)
    if found is None:
        return False
    if told.kind == EventKind.REFUND_PENDING:
        return await _name(found, told.reference)
    ended = RefundStatus.SUCCEEDED if told.kind == EventKind.REFUNDED else RefundStatus.FAILED
    # A refund that has succeeded may still come back; one that has failed stays failed.
    if found.status in (ended, RefundStatus.FAILED):
        return False
    await found.change(
        status=ended.value,
        reference=told.reference,
        failure=(told.failure or "refund_failed") if ended == RefundStatus.FAILED else None,
        next_check_at=None,
        completed_at=now(),
    )
    await credit.release(case.book, found.id)
    return True


async def _name(found: Refund, reference: str) -> bool:
    if found.reference == reference:
        return False
    await found.change(reference=reference)
    return True


async def _told_of(case: Case, told: GatewayEvent) -> Refund | None:
    """The refund that it is about: by our id, by the gateway's, or else the one of that amount that
    we wait to hear of.
    """
    if told.kind not in (EventKind.REFUND_PENDING, EventKind.REFUNDED, EventKind.REFUND_FAILED):
        return None
    refunds = (await of_payments([case.payment.id])).get(case.payment.id, [])
    ours = parse_id(Refund.PREFIX, told.refund)
    for one in refunds:
        if one.id == ours or (told.reference and one.reference == told.reference):
            return one
    amount = told.amount.minor if told.amount else None
    waiting = [one for one in refunds if one.status == RefundStatus.PENDING and not one.reference]
    return next((one for one in waiting if not told.refund and one.amount == amount), None)


# ------------------------------------------------------------------------------- reading


async def read(refund_id: UUID) -> Refund | None:
    """The refund, whoever asks; None where there is none."""
    return (await by_ids([refund_id])).get(refund_id)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Refund]:
    """The refunds with these ids; one statement. An id of none is left out."""
    rows = await sql.records(
        Refund, f"SELECT * FROM refund WHERE id IN ({sql.placeholders(len(ids))})", *ids
    )
    return {refund.id: refund for refund in rows}


async def of_payments(ids: Sequence[UUID]) -> dict[UUID, list[Refund]]:
    """The refunds of these payments, oldest first; one statement."""
    rows = await sql.records(
        Refund,
        f"SELECT * FROM refund WHERE payment_id IN ({sql.placeholders(len(ids))}) ORDER BY id",
        *ids,
    )
    refunds: defaultdict[UUID, list[Refund]] = defaultdict(list)
    for refund in rows:
        refunds[refund.payment_id].append(refund)
    return refunds
