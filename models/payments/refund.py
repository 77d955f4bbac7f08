"""Refunds that staff have asked a gateway for: the credit that they hold, and how they end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.access.identity import Actor, seen
from models.credit.hold import holds_of
from models.db import sql
from models.db.record import Changing, parse_id
from models.gateway import EventKind, GatewayEvent
from models.ledger.book import Book
from models.status import RefundStatus

if TYPE_CHECKING:
    from models.payments.locked import LockedPayment

#: Of one payment, those that its gateway did not give included.
REFUNDS_MAX: Final = 50
#: When a gateway that has not said what became of a refund is asked again, after each time.
CHECKS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))


class Refund(Changing):
    """One request to give `amount` minor units of a payment back.

    `held` of it is credit, kept from being spent until the gateway has said what became of it: as
    much as the refund takes from credit, which what happens to the payment meanwhile may change.
    `capture` is what the money came in with, `reference` the gateway's id of the refund, empty
    while it is not known; `invoice_id` which of the several invoices of its payment it is of;
    `source` the idempotency key that asked for it, UNIQUE for good.
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
    invoice_id = fields.UUIDField(null=True)
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


# ------------------------------------------------------------------------------- under way


def apply_to_refund(at: LockedPayment, told: GatewayEvent) -> Refund | None:
    """Apply what a gateway says of a refund that we have asked for: the refund, where that is news.

    What was held for it is free before its money is taken back, in the same transaction.
    """
    found = told_of(at, told)
    if found is None:
        return None
    if told.kind == EventKind.REFUND_PENDING:
        return _name(found, told.reference)
    ended = RefundStatus.SUCCEEDED if told.kind == EventKind.REFUNDED else RefundStatus.FAILED
    # A refund that has succeeded may still come back; one that has failed stays failed.
    if found.status in (ended, RefundStatus.FAILED):
        return None
    if found.status == RefundStatus.PENDING:
        free(at.book, found)
    failure = (told.failure or "refund_failed") if ended == RefundStatus.FAILED else None
    end(found, ended, failure, at.book.journal.at)
    found.put(reference=told.reference)
    return found


def end(found: Refund, status: RefundStatus, failure: str | None, moment: datetime) -> None:
    """What became of it."""
    found.put(status=status.value, failure=failure, next_check_at=None, completed_at=moment)


def _name(found: Refund, reference: str) -> Refund | None:
    if found.reference == reference:
        return None
    found.put(reference=reference)
    return found


def told_of(at: LockedPayment, told: GatewayEvent) -> Refund | None:
    """The refund that it is about: by our id, or by the gateway's.

    One that names neither is another, made at the gateway itself, be its amount the same: ours is
    still to come, and stays held. A gateway that does not name ours is asked about it.
    """
    if told.kind not in (EventKind.REFUND_PENDING, EventKind.REFUNDED, EventKind.REFUND_FAILED):
        return None
    ours = parse_id(Refund.PREFIX, told.refund)
    named = (one for one in at.refunds if one.id == ours)
    known = (one for one in at.refunds if told.reference and one.reference == told.reference)
    return next(named, None) or next(known, None)


def hold(book: Book, asked: Refund) -> None:
    """Hold the credit that goes with a refund which has just been asked for."""
    source = asked.id.hex
    holds_of(book).hold_deposits(asked.id, held=0, wanted=asked.held, source=source)


def free(book: Book, ended: Refund) -> None:
    """What is held for a refund that has ended is credit again."""
    source = ended.id.hex
    holds_of(book).hold_deposits(ended.id, held=ended.held, wanted=0, source=source)


def loosen(at: LockedPayment, going: int) -> None:
    """The gateway takes `going` back now; release that much of the hold."""
    there = at.became_credit - going
    for one in at.pending_refunds:
        _hold_as_much(at, one, min(one.held, there))
        there -= one.held


def secure(at: LockedPayment) -> None:
    """What pending refunds of a payment will take from credit is held, also where it came (back)
    in after they were asked for. What they will take from sales needs no hold: an order is not void
    meanwhile.
    """
    waiting = at.pending_refunds
    sold = 0 if at.funds else at.payment.applied + at.payment.fee_taken
    there = at.became_credit - sum(one.held for one in waiting)
    for one in waiting:
        from_sales = min(one.amount - one.held, sold)
        more = min(one.amount - one.held - from_sales, there)
        sold, there = sold - from_sales, there - more
        _hold_as_much(at, one, one.held + more)


def _hold_as_much(at: LockedPayment, one: Refund, wanted: int) -> None:
    """As far as the deposits go."""
    source = f"{one.id.hex}:{at.source}"
    held = holds_of(at.book).hold_deposits(one.id, held=one.held, wanted=wanted, source=source)
    if held != one.held:
        one.put(held=held)
