"""Refunds that staff have asked a gateway for, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.access.identity import Actor, seen
from models.db import sql
from models.db.record import Changing
from models.status import RefundStatus

#: Of one payment, those that its gateway did not give included.
REFUNDS_MAX: Final = 50
#: When a gateway that has not said what became of a refund is asked again, after each time.
CHECKS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))


class Refund(Changing):
    """One request to give `amount` minor units of a payment back.

    `held` of it is credit, kept from being spent until the gateway has said what became of it: as
    much as the refund takes from credit, which what happens to the payment meanwhile may change.
    `capture` is what the money came in with, `reference` the gateway's id of the refund, empty
    while it is not known; `source` the idempotency key that asked for it, UNIQUE for good.
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
    source = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "refund"


async def read(refund_id: UUID) -> Refund | None:
    """The refund, without a check of who asks; None if it does not exist."""
    return (await by_ids([refund_id])).get(refund_id)


async def visible(refund_id: UUID | None, by: Actor) -> Refund | None:
    """The refund, if it is there and `by` may see it. Raises Forbidden."""
    return await seen("invoices:read", refund_id, by, read)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Refund]:
    """The refunds with these ids; one statement. Unknown ids are left out."""
    return await sql.by_ids(Refund, ids)


async def pending(*payment_ids: UUID) -> list[Refund]:
    """The refunds of these payments whose end is not known, oldest first."""
    refunds = await of_payments(payment_ids)
    every = (one for some in refunds.values() for one in some)
    return [one for one in every if one.status == RefundStatus.PENDING]


async def of_payments(ids: Sequence[UUID]) -> dict[UUID, list[Refund]]:
    """The refunds of these payments, oldest first; one statement."""
    return await sql.of_each(Refund, "payment_id", ids)
