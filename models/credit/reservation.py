"""Reservations: credit that a partner has put by for an order, `Hold` in the API.

What it holds is a `models.credit.hold.Hold` with the reservation's id, as that of a payment is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from tortoise import fields

from models.access.identity import Actor, seen
from models.credit.hold import holds_of
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_pages
from models.db.record import Changing
from models.errors import HoldNotOpen, NotFound
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.book import Book
from models.ledger.opening import open_book


class ReservationState(StrEnum):
    """What has become of a hold."""

    OPEN = "OPEN"
    "The credit is reserved."
    CAPTURED = "CAPTURED"
    "It has been billed; what wasn't billed is available again."
    RELEASED = "RELEASED"
    "It was given up. What had been captured by then stays billed."
    EXPIRED = "EXPIRED"
    "Its time ran out. What had been captured by then stays billed."


class Reservation(Changing):
    """Credit put by for an order, in minor units: `captured` of its `amount` has been billed, by
    `invoice_id` at last. `ended_at` is when it was captured, released or expired for good. `source`
    is the idempotency key that it was made for, UNIQUE for good.
    """

    PREFIX: ClassVar[str] = "hld"

    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    captured = fields.BigIntField(default=0)
    reference = fields.CharField(max_length=200)
    description = fields.CharField(max_length=500)
    state = fields.CharField(max_length=16)
    expires_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    invoice_id = fields.UUIDField(null=True)
    source = fields.CharField(max_length=64)

    class Meta:
        table = "reservation"

    @property
    def rest(self) -> int:
        """What it still holds; minor units."""
        left: int = self.amount - self.captured if self.state == ReservationState.OPEN else 0
        return left

    def check_open(self, moment: datetime) -> None:
        """Raises HoldNotOpen at `hold_id` where it has ended, or its time is over and nobody has
        booked that yet.
        """
        if self.state != ReservationState.OPEN or self.expires_at <= moment:
            raise HoldNotOpen("hold_id", state=self.state)

    def end(self, state: ReservationState, moment: datetime) -> None:
        """It holds nothing any more."""
        self.put(state=state.value, ended_at=moment)


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation and its account's book, as they are under the lock."""

    record: Reservation
    book: Book

    def release(self, state: ReservationState, kind: FactKind) -> None:
        """Give back what it still holds; an expired grant expires at once."""
        holds_of(self.book).release(self.record.id)
        self.record.end(state, self.book.journal.at)
        self.tell(kind)

    def tell(self, kind: FactKind, **data: object) -> None:
        """Put what has happened to it in the outbox."""
        record = self.record
        facts = {"state": record.state, "reference": record.reference, **data}
        self.book.journal.tell(kind, record.account_id, record.id, **facts)


async def reserved(journal: Journal, found: Reservation) -> Reserved:
    """Lock a reservation until the transaction ends. `found` says which."""
    book = await open_book(journal, found.account_id, found.currency)
    known = await by_ids([found.id])
    record = journal.watch(known[found.id])
    await holds_of(book).load([record.id])
    return Reserved(record, book)


async def reserved_by(journal: Journal, reservation_id: UUID, by: Actor) -> Reserved:
    """As `reserved`; raises NotFound at `hold_id` where `by` sees none."""
    return await reserved(journal, await named(reservation_id, by))


# ------------------------------------------------------------------------------- reading


async def named(reservation_id: UUID, by: Actor) -> Reservation:
    """The reservation that `by` names; raises NotFound at `hold_id`."""
    found = await read(reservation_id)
    if found is None or not by.sees(found.account_id):
        raise NotFound("hold_id")
    return found


async def read(reservation_id: UUID) -> Reservation | None:
    """The reservation, without a check of who asks; None if it does not exist."""
    return (await by_ids([reservation_id])).get(reservation_id)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Reservation]:
    """Those with these ids, without a check of who asks; one statement."""
    return await sql.by_ids(Reservation, ids)


async def is_made(source: str) -> bool:
    """Whether that key has reserved credit before; kept for longer than the key itself."""
    statement = "SELECT id FROM reservation WHERE source = $1"
    return await sql.fetch_one(statement, source) is not None


async def visible(
    reservation_id: UUID | None,
    by: Actor,
    find: Callable[[UUID], Awaitable[Reservation | None]] = read,
) -> Reservation | None:
    """The reservation, if it is there and `by` may see it. Raises Forbidden."""
    return await seen(_scope(by), reservation_id, by, find)


@dataclass(frozen=True, slots=True)
class HoldList:
    """A page of one account's reservations in one of these states, None for all; newest first."""

    account_id: UUID
    states: tuple[str, ...] | None
    request: PageRequest


async def page_of(
    asked: HoldList, by: Actor, find: Callable[[HoldList], Awaitable[Page[Reservation]]]
) -> Page[Reservation]:
    """A page that `find` reads, perhaps together with those of other accounts (`pages_of`).

    Raises Forbidden, and NotFound at `account_id`.
    """
    by.require_scope(_scope(by))
    by.account_meant(asked.account_id)
    return await find(asked)


async def pages_of(lists: Sequence[HoldList]) -> dict[HoldList, Page[Reservation]]:
    """Pages that differ in nothing but whose they are, without a check of who asks."""
    rows = [_rows(one.account_id, one.states) for one in lists]
    found = await fetch_pages(Reservation, rows, lists[0].request, by_id(Reservation.PREFIX))
    return dict(zip(lists, found, strict=True))


def _rows(account_id: UUID, states: tuple[str, ...] | None) -> Rows:
    rows = Rows("account_id = $1", [account_id])
    if states:
        rows.each = ("state", sorted(set(states)))
    elif states is not None:
        rows.where += " AND 1 = 0"
    return rows


def _scope(by: Actor) -> str:
    """Who reserves credit reads what is reserved; so does who reads credit."""
    return "credit:hold" if by.may("credit:hold") else "credit:read"
