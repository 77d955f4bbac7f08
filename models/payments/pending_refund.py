"""Refunds that are under way: the credit that they hold, and how they end."""

from __future__ import annotations

from datetime import datetime

from models.credit.hold import holds_of
from models.db.record import parse_id
from models.gateway import EventKind, GatewayEvent
from models.ledger.book import Book
from models.payments.locked import LockedPayment
from models.payments.refund import Refund
from models.status import RefundStatus


def apply_to_refund(at: LockedPayment, told: GatewayEvent) -> Refund | None:
    """Apply what a gateway says of a refund that we have asked for: the refund, where that is news.

    What was held for it is free before its money is taken back, in the same transaction.
    """
    found = _told_of(at, told)
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


def _told_of(at: LockedPayment, told: GatewayEvent) -> Refund | None:
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
