"""Refunds that staff have asked a gateway for, and what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.credit import spending
from models.db import sql
from models.db.record import Changing, parse_id
from models.gateway import EventKind, GatewayEvent
from models.ledger.book import Book
from models.payments.locked import LockedPayment

#: Of one payment, those that its gateway did not give included.
REFUNDS_MAX: Final = 50
#: When a gateway that has not said what became of a refund is asked again, after each time.
CHECKS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))


class RefundStatus(StrEnum):
    """The status of a refund."""

    PENDING = "PENDING"
    "Requested from the gateway; the amount can't be spent meanwhile."
    SUCCEEDED = "SUCCEEDED"
    "The money has been refunded."
    FAILED = "FAILED"
    "The gateway didn't refund it; the credit is unchanged."


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


async def settle(at: LockedPayment, told: GatewayEvent) -> Refund | None:
    """Apply what a gateway says of a refund that we have asked for: the refund, where that is news.

    What was held for it is free before its money is taken back, in the same transaction.
    """
    found = await _told_of(at, told)
    if found is None:
        return None
    if told.kind == EventKind.REFUND_PENDING:
        return await _name(found, told.reference)
    ended = RefundStatus.SUCCEEDED if told.kind == EventKind.REFUNDED else RefundStatus.FAILED
    # A refund that has succeeded may still come back; one that has failed stays failed.
    if found.status in (ended, RefundStatus.FAILED):
        return None
    if found.status == RefundStatus.PENDING:
        await free(at.book, found)
    failure = (told.failure or "refund_failed") if ended == RefundStatus.FAILED else None
    await end(found, ended, failure, reference=told.reference)
    return found


async def end(found: Refund, status: RefundStatus, failure: str | None, **columns: object) -> None:
    """Write down what became of it."""
    await found.change(
        status=status.value,
        failure=failure,
        next_check_at=None,
        completed_at=now(),
        **columns,
    )


async def _name(found: Refund, reference: str) -> Refund | None:
    if found.reference == reference:
        return None
    await found.change(reference=reference)
    return found


async def _told_of(at: LockedPayment, told: GatewayEvent) -> Refund | None:
    """The refund that it is about: by our id, or by the gateway's.

    One that names neither is another, made at the gateway itself, be its amount the same: ours is
    still to come, and stays held. A gateway that does not name ours is asked about it.
    """
    if told.kind not in (EventKind.REFUND_PENDING, EventKind.REFUNDED, EventKind.REFUND_FAILED):
        return None
    refunds = (await of_payments([at.payment.id])).get(at.payment.id, [])
    ours = parse_id(Refund.PREFIX, told.refund)
    named = (one for one in refunds if one.id == ours)
    known = (one for one in refunds if told.reference and one.reference == told.reference)
    return next(named, None) or next(known, None)


# ------------------------------------------------------------------------------- what is held


async def hold(book: Book, asked: Refund) -> None:
    """Hold the credit that goes with a refund which has just been asked for."""
    source = asked.id.hex
    await spending.hold_deposits(book, asked.id, held=0, wanted=asked.held, source=source)


async def free(book: Book, ended: Refund) -> None:
    """What is held for a refund that has ended is credit again."""
    source = ended.id.hex
    await spending.hold_deposits(book, ended.id, held=ended.held, wanted=0, source=source)


async def loosen(at: LockedPayment, going: int) -> None:
    """`going` of the payment's credit is taken back by the gateway now: what was held of it, to be
    given back, is not held for giving it back a second time.
    """
    there = at.credit - going
    for one in await pending(at.payment.id):
        await _hold_as_much(at, one, min(one.held, there))
        there -= one.held


async def secure(at: LockedPayment) -> None:
    """What pending refunds of a payment will take from credit is held, also where it came (back)
    in after they were asked for. What they will take from sales needs no hold: an order is not void
    meanwhile.
    """
    waiting = await pending(at.payment.id)
    sold = 0 if at.funds else at.payment.applied + at.payment.fee_taken
    there = at.credit - sum(one.held for one in waiting)
    for one in waiting:
        from_sales = min(one.amount - one.held, sold)
        more = min(one.amount - one.held - from_sales, there)
        sold, there = sold - from_sales, there - more
        await _hold_as_much(at, one, one.held + more)


async def _hold_as_much(at: LockedPayment, one: Refund, wanted: int) -> None:
    """As far as the deposits go."""
    source = f"{one.id.hex}:{at.source}"
    held = await spending.hold_deposits(
        at.book, one.id, held=one.held, wanted=wanted, source=source
    )
    if held != one.held:
        await one.change(held=held)


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


async def pending(*payment_ids: UUID) -> list[Refund]:
    """The refunds of these payments whose end is not known, oldest first."""
    refunds = await of_payments(payment_ids)
    every = (one for some in refunds.values() for one in some)
    return [one for one in every if one.status == RefundStatus.PENDING]


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
