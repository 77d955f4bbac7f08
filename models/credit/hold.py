"""Holds: credit reserved for the credit part of a payment, for a refund that is under way, or by a
partner for an order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from uuid import UUID

from tortoise import fields

from models.credit.spending import refs, sources
from models.db import sql
from models.db.record import Changing
from models.db.together import find_some
from models.journal.journal import Writer
from models.ledger.book import Book
from models.ledger.chart import LedgerKind, Ref
from models.ledger.posting import Leg, StatementLine
from models.ledger.transfer import MoveKind


class HoldState(StrEnum):
    """What has become of a hold."""

    OPEN = "OPEN"
    SPENT = "SPENT"
    RELEASED = "RELEASED"


class Hold(Changing):
    """Credit reserved for the credit part of a payment, for a refund that is under way, or by a
    reservation: then `payment_id` is the refund's or the reservation's. `amount` is minor units.
    """

    payment_id = fields.UUIDField()
    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    state = fields.CharField(max_length=16)

    class Meta:
        table = "credit_hold"


class Holds(Writer):
    """What is reserved of a book, as far as it was loaded; see `holds_of`."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._holds: dict[UUID, Hold | None] = {}
        self._parts: dict[UUID, list[tuple[Ref, int]]] = {}

    async def load(self, holder_ids: Iterable[UUID]) -> None:
        """Read what is held for these holders, with the grants that it came from."""
        ids = [id for id in dict.fromkeys(holder_ids) if id not in self._holds]
        found = await find_some(_holds_of, ids)
        for id in ids:
            hold = found.get(id)
            self._holds[id] = None if hold is None else self._book.journal.watch(hold)
        await self._load_parts([id for id in ids if self._is_open(id)])

    async def _load_parts(self, holder_ids: Sequence[UUID]) -> None:
        found = await find_some(_parts_of, holder_ids)
        own = self._book.deposited.id
        await self._book.load_grants(
            id for holder in holder_ids for id in found[holder] if id != own
        )
        self._parts |= {holder: refs(self._book, found[holder]) for holder in holder_ids}

    def _is_open(self, holder_id: UUID) -> bool:
        hold = self._holds[holder_id]
        return hold is not None and hold.state == HoldState.OPEN

    # -- for the credit part of a payment, and for a reservation

    def hold(self, payment_id: UUID, amount: int) -> None:
        """Reserve `amount` for the credit part of a payment that begins, or for an order."""
        self._book.journal.note(self)
        legs = sources(self._book, amount, self._book.held)
        self._book.post(MoveKind.HOLD, legs, source=payment_id.hex, payment_id=payment_id)
        self._parts[payment_id] = [(leg.source, leg.amount) for leg in legs]
        self._holds.setdefault(payment_id, None)
        self._open(payment_id, amount)

    def spend(self, payment_id: UUID, wanted: Sequence[tuple[int, StatementLine]]) -> list[int]:
        """Spend what is held for a payment, each of what is `wanted` up to its amount and in this
        order, and release the rest.

        What was spent on each, in minor units: zero where nothing is held (any more). A held grant
        does not expire; what goes back to an expired one expires here and now.
        """
        held = self._take_out(payment_id)
        sales = self._book.provider_account(LedgerKind.SALES)
        left, spent = list(held), []
        for amount, line in wanted:
            legs = _first(left, amount, sales)
            spent.append(sum(leg.amount for leg in legs))
            if legs:
                self._book.post(line, legs)
                left = _after(left, spent[-1])
        if held:
            self._close(payment_id, HoldState.SPENT if any(spent) else HoldState.RELEASED)
            self._book.expire_due()
        return spent

    def release(self, payment_id: UUID) -> None:
        """Give back what is held for a payment, if anything is."""
        if self._take_out(payment_id):
            self._close(payment_id, HoldState.RELEASED)
            self._book.expire_due()

    def capture(self, holder_id: UUID, amount: int, line: StatementLine) -> None:
        """Spend `amount` of what a reservation holds; the rest stays held. The line's source is
        this capture's own, and begins with the holder.
        """
        book, parts = self._book, self._parts[holder_id]
        book.journal.note(self)
        spent = _first(parts, amount, book.provider_account(LedgerKind.SALES))
        freed = [Leg(book.held, leg.source, leg.amount) for leg in spent]
        book.post(MoveKind.HOLD_RELEASED, freed, source=line.source, payment_id=holder_id)
        book.post(line, spent)
        book.count_less(amount)
        taken = {leg.source: leg.amount for leg in spent}
        rest = [(ref, given - taken.get(ref, 0)) for ref, given in parts]
        self._parts[holder_id] = [(ref, left) for ref, left in rest if left]
        if left := sum(part for _, part in rest):
            self._open(holder_id, left)
        else:
            self._close(holder_id, HoldState.SPENT)

    def _take_out(self, payment_id: UUID) -> list[tuple[Ref, int]]:
        """Move a hold back to where it came from: from where, and how much each had given."""
        if not self._is_open(payment_id):
            return []
        parts = self._parts[payment_id]
        self._book.post(
            MoveKind.HOLD_RELEASED,
            [Leg(self._book.held, ref, amount) for ref, amount in parts],
            source=payment_id.hex,
            payment_id=payment_id,
        )
        return parts

    # -- for a refund that is under way

    def hold_deposits(self, refund_id: UUID, *, held: int, wanted: int, source: str) -> int:
        """Make what is `held` of the deposits for a refund `wanted`, as far as they go: what is
        held now. `source` is what makes it change, once.
        """
        book = self._book
        book.journal.note(self)
        change = min(wanted - held, book.deposits)
        if change > 0:
            legs, kind = [Leg(book.deposited, book.held, change)], MoveKind.HOLD
        elif change < 0:
            legs, kind = [Leg(book.held, book.deposited, -change)], MoveKind.HOLD_RELEASED
        else:
            return held
        book.post(kind, legs, source=source, payment_id=refund_id)
        self._holds.setdefault(refund_id, None)  # of a refund that has just been asked for
        if held + change:
            self._open(refund_id, held + change)
        else:
            self._close(refund_id, HoldState.RELEASED)
        return held + change

    # -- their records

    def _open(self, holder_id: UUID, amount: int) -> None:
        known = self._holds[holder_id]
        if known is not None:
            known.put(amount=amount, state=HoldState.OPEN.value)
            return
        self._holds[holder_id] = hold = Hold(
            id=holder_id,
            created_at=self._book.journal.at,
            payment_id=holder_id,
            account_id=self._book.account_id,
            currency=self._book.currency,
            amount=amount,
            state=HoldState.OPEN.value,
        )
        self._book.journal.add(hold)

    def _close(self, holder_id: UUID, state: HoldState) -> None:
        hold = self._holds[holder_id]
        if hold is not None:
            hold.put(state=state.value)


async def _holds_of(holder_ids: Sequence[UUID]) -> dict[UUID, Hold]:
    where = sql.any_of("payment_id", 1)
    holds = await sql.records(Hold, f"SELECT * FROM credit_hold WHERE {where}", list(holder_ids))
    return {hold.payment_id: hold for hold in holds}


async def _parts_of(holder_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, int]]:
    """Where what is held came from: minor units by grant or deposit account, in the order in which
    they are spent.
    """
    rows = await sql.fetch(
        "SELECT payment_id, kind, from_id, to_id, amount FROM transfer"
        " WHERE kind IN ('HOLD', 'HOLD_RELEASED')"
        f" AND {sql.any_of('payment_id', 1)} ORDER BY payment_id, kind, leg",
        list(holder_ids),
    )
    parts: defaultdict[UUID, defaultdict[UUID, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        of, is_held = parts[row["payment_id"]], row["kind"] == MoveKind.HOLD
        of[row["from_id" if is_held else "to_id"]] += row["amount"] if is_held else -row["amount"]
    return {id: {one: left for one, left in of.items() if left} for id, of in parts.items()}


def holds_of(book: Book) -> Holds:
    """What is held of a book in this transaction."""
    key = ("holds", book.account_id, book.currency)
    known: Holds | None = book.journal.kept(key)
    return book.journal.keep(key, Holds(book)) if known is None else known


def _after(parts: Sequence[tuple[Ref, int]], amount: int) -> list[tuple[Ref, int]]:
    """What is left of the parts when the first `amount` is gone."""
    left = []
    for source, given in parts:
        gone = min(amount, given)
        amount -= gone
        left.append((source, given - gone))
    return left


def _first(parts: Iterable[tuple[Ref, int]], amount: int, target: Ref) -> list[Leg]:
    taken = []
    for source, given in parts:
        part = min(amount, given)
        if part:
            taken.append(Leg(source, target, part))
            amount -= part
    return taken
