"""Reserving: partners put credit by for an order, for longer, or give it up; and it expires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor
from models.accounts import account as accounts
from models.clock import now
from models.credit.hold import holds_of
from models.credit.reservation import (
    Reservation,
    ReservationState,
    Reserved,
    is_made,
    named,
    reserved,
    reserved_by,
)
from models.db import sql
from models.errors import (
    AmountOutOfRange,
    IdempotencyKeyReused,
    InsufficientCredit,
    Invalid,
    NotFound,
)
from models.journal.command import Command, Invocation, Step
from models.journal.each import perform_each
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.book import Book
from models.ledger.opening import open_book
from models.money import Money
from models.provider.provider import provider
from models.text import clean_text


@dataclass(frozen=True, slots=True)
class ReserveCredit(Command[Book, Reservation]):
    """Reserve `amount` (major units) of an account's credit until `expires_at`: promotional credit
    first, soonest expiry first, as for spending. A grant does not expire while it is held.

    Raises NotFound at `account_id`, CurrencyNotSupported, AmountPrecision, AmountOutOfRange,
    Invalid, InsufficientCredit at `amount`, AccountFrozen at `account_id`.
    """

    mutation: ClassVar[str] = "reserveCredit"
    makes: ClassVar[tuple[str, str]] = ("hold", Reservation.PREFIX)

    account_id: UUID
    amount: Decimal
    currency: str
    expires_at: datetime
    reference: str
    description: str

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("credit:hold")

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Book:
        if await is_made(asked.source):
            raise IdempotencyKeyReused("idempotency_key")
        there = await accounts.by_ids([self.account_id])
        if self.account_id not in there or not asked.by.sees(self.account_id):
            raise NotFound("account_id")
        provider().limits_of(self.currency, "amount", "currency")
        return await open_book(journal, self.account_id, self.currency)

    @override
    def decide(self, found: Book, asked: Invocation, journal: Journal) -> Reservation:
        amount = self._amount(found)
        record = Reservation(
            id=asked.id,
            created_at=journal.at,
            account_id=self.account_id,
            currency=self.currency,
            amount=amount.minor,
            reference=clean_text(self.reference, "reference", maximum=200),
            description=clean_text(self.description, "description", maximum=500),
            state=ReservationState.OPEN.value,
            expires_at=_checked(self.expires_at, journal.at),
            source=asked.source,
        )
        found.check_spendable("account_id")
        if found.available < amount.minor:
            there = Money(found.available, self.currency)
            raise InsufficientCredit("amount", "amount", available=there, required=amount)
        journal.add(record)
        holds_of(found).hold(record.id, amount.minor)
        Reserved(record, found).tell(FactKind.HOLD_RESERVED, amount=amount.minor)
        facts = {"amount": amount.minor, "currency": amount.currency, "reference": record.reference}
        journal.log(asked.by, "hold.reserve", record.public_id, record.account_id, **facts)
        return record

    def _amount(self, book: Book) -> Money:
        amount = Money.parse(self.amount, book.currency, "amount", "amount")
        if amount.minor <= 0:
            raise AmountOutOfRange("amount", "amount", minimum=Money(1, book.currency))
        return amount

    @override
    async def recall(self, made: Made, asked: Invocation) -> Reservation:
        assert made.id is not None
        return await named(made.id, asked.by)


@dataclass(frozen=True, slots=True)
class ExtendHold(Command[Reserved, Reservation]):
    """Hold it until `expires_at`, which is no sooner than before. It is a new promise: an account
    whose spending is stopped makes none.

    Raises NotFound and HoldNotOpen at `hold_id`, Invalid at `expires_at`, AccountFrozen.
    """

    mutation: ClassVar[str] = "extendHold"

    hold_id: UUID
    expires_at: datetime

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("credit:hold")

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Reserved:
        return await reserved_by(journal, self.hold_id, asked.by)

    @override
    def decide(self, found: Reserved, asked: Invocation, journal: Journal) -> Reservation:
        record = found.record
        record.check_open(journal.at)
        until = _checked(self.expires_at, journal.at)
        if until < record.expires_at:
            raise Invalid("expires_at", problem="hold_shorter")
        found.book.check_spendable("hold_id")
        record.put(expires_at=until)
        found.tell(FactKind.HOLD_EXTENDED)
        journal.log(
            asked.by,
            "hold.extend",
            record.public_id,
            record.account_id,
            expires_at=until.isoformat(),
        )
        return record

    @override
    async def recall(self, made: Made, asked: Invocation) -> Reservation:
        return await named(self.hold_id, asked.by)


@dataclass(frozen=True, slots=True)
class ReleaseHold(Command[Reserved, Reservation]):
    """Give up what is held: it goes back to where it came from, whatever stops spending.

    Raises NotFound and HoldNotOpen at `hold_id`.
    """

    mutation: ClassVar[str] = "releaseHold"

    hold_id: UUID

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("credit:hold")

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Reserved:
        return await reserved_by(journal, self.hold_id, asked.by)

    @override
    def decide(self, found: Reserved, asked: Invocation, journal: Journal) -> Reservation:
        found.record.check_open(journal.at)
        found.release(ReservationState.RELEASED, FactKind.HOLD_RELEASED)
        record = found.record
        journal.log(asked.by, "hold.release", record.public_id, record.account_id)
        return found.record

    @override
    async def recall(self, made: Made, asked: Invocation) -> Reservation:
        return await named(self.hold_id, asked.by)


def _checked(until: datetime, moment: datetime) -> datetime:
    """When a hold may end; raises Invalid at `expires_at`."""
    if until <= moment:
        raise Invalid("expires_at", problem="past")
    if until > moment + provider().longest_hold:
        raise Invalid("expires_at", problem="hold_long")
    return until


# ------------------------------------------------------------------------------- expiry


@dataclass(frozen=True, slots=True)
class ExpireHold(Step[Reserved, None]):
    """Give back what is held where its time is over."""

    found: Reservation

    @override
    async def read(self, journal: Journal) -> Reserved:
        return await reserved(journal, self.found)

    @override
    def decide(self, found: Reserved, journal: Journal) -> None:
        record = found.record
        if record.state == ReservationState.OPEN and record.expires_at <= journal.at:
            found.release(ReservationState.EXPIRED, FactKind.HOLD_EXPIRED)


async def expire_holds(limit: int = 100) -> int:
    """Give back what is held by reservations whose time is over; how many there were."""
    due = await sql.records(
        Reservation,
        "SELECT * FROM reservation WHERE state = 'OPEN' AND expires_at <= $1"
        " ORDER BY expires_at LIMIT $2",
        now(),
        limit,
    )
    return await perform_each(map(ExpireHold, due))
