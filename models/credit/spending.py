"""Credit in use: spent, held, released, given back, expired. All on an open book."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record
from models.ledger.book import Book, Leg, Line
from models.ledger.chart import LedgerKind, MoveKind, Ref


class HoldState(StrEnum):
    """What has become of a hold."""

    OPEN = "OPEN"
    SPENT = "SPENT"
    RELEASED = "RELEASED"


class Hold(Record):
    """Credit reserved for the credit part of a payment, or for a refund that is under way: then
    `payment_id` is the refund's. `amount` is minor units.
    """

    payment_id = fields.UUIDField()
    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    state = fields.CharField(max_length=16)

    class Meta:
        table = "credit_hold"


def sources(book: Book, amount: int, target: Ref) -> list[Leg]:
    """Legs that move `amount` of available credit to `target`: promotional credit first, soonest
    expiry first (the order in which a book lists its grants), then deposits.
    """
    assert amount <= book.available, "checked before"
    legs = []
    for grant in book.grants.values():
        part = min(amount, grant.remaining)
        if part:
            legs.append(Leg(book.grant(grant.id), target, part))
            amount -= part
    if amount:
        legs.append(Leg(book.deposited, target, amount))
    return legs


def spend(book: Book, amount: int, line: Line) -> None:
    """Pay `amount` to sales."""
    book.post(line, sources(book, amount, book.house(LedgerKind.SALES)))


# ------------------------------------------------------------------------------- holds


async def hold(book: Book, payment_id: UUID, amount: int) -> None:
    """Reserve `amount` for the credit part of a payment."""
    legs = sources(book, amount, book.held)
    book.post(MoveKind.HOLD, legs, source=payment_id.hex, payment_id=payment_id)
    await _open_hold(book, payment_id, amount)


async def hold_deposits(book: Book, refund_id: UUID, *, held: int, wanted: int, source: str) -> int:
    """Make what is `held` of the deposits for a refund `wanted`, as far as they go: what is held
    now. `source` is what makes it change, once.
    """
    change = min(wanted - held, book.deposits)
    if change > 0:
        legs, kind = [Leg(book.deposited, book.held, change)], MoveKind.HOLD
    elif change < 0:
        legs, kind = [Leg(book.held, book.deposited, -change)], MoveKind.HOLD_RELEASED
    else:
        return held
    book.post(kind, legs, source=source, payment_id=refund_id)
    if held + change == 0:
        await _set_state(refund_id, HoldState.RELEASED)
    else:
        await _open_hold(book, refund_id, held + change)
    return held + change


async def _open_hold(book: Book, holder_id: UUID, amount: int) -> None:
    await sql.execute(
        "INSERT INTO credit_hold (id, created_at, payment_id, account_id, currency, amount, state)"
        " VALUES ($1, $2, $1, $3, $4, $5, 'OPEN')"
        " ON CONFLICT (payment_id) DO UPDATE SET amount = excluded.amount, state = 'OPEN'",
        holder_id,
        now(),
        book.account_id,
        book.currency,
        amount,
    )


async def settle_hold(book: Book, payment_id: UUID, amount: int, line: Line) -> int:
    """Spend up to `amount` of what is held for a payment, and release the rest.

    What was spent, in minor units: zero where nothing is held (any more). A held grant does not
    expire; what goes back to an expired one expires here and now.
    """
    held = await _take_out(book, payment_id)
    spent = min(amount, sum(leg.amount for leg in held))
    if spent:
        book.post(line, _first(held, spent, book.house(LedgerKind.SALES)))
    if held:
        await _set_state(payment_id, HoldState.SPENT if spent else HoldState.RELEASED)
        book.expire_due()
    return spent


async def release(book: Book, payment_id: UUID) -> None:
    """Give back what is held for a payment, if anything is."""
    if await _take_out(book, payment_id):
        await _set_state(payment_id, HoldState.RELEASED)
        book.expire_due()


async def _take_out(book: Book, payment_id: UUID) -> list[Leg]:
    """Move a hold back to where it came from; legs from there, of what each had given."""
    rows = await sql.fetch(
        "SELECT t.from_id, t.amount FROM transfer t"
        " JOIN credit_hold h ON h.payment_id = t.payment_id"
        " WHERE t.payment_id = $1 AND t.kind = 'HOLD' AND h.state = 'OPEN' ORDER BY t.leg",
        payment_id,
    )
    if not rows:
        return []
    parts = await _refs(book, {row["from_id"]: row["amount"] for row in rows})
    book.post(
        MoveKind.HOLD_RELEASED,
        [Leg(book.held, ref, amount) for ref, amount in parts],
        source=payment_id.hex,
        payment_id=payment_id,
    )
    return [Leg(ref, book.held, amount) for ref, amount in parts]


def _first(legs: Iterable[Leg], amount: int, target: Ref) -> list[Leg]:
    taken = []
    for leg in legs:
        part = min(amount, leg.amount)
        if part:
            taken.append(Leg(leg.source, target, part))
            amount -= part
    return taken


async def _set_state(payment_id: UUID, state: HoldState) -> None:
    await sql.execute(
        "UPDATE credit_hold SET state = $2 WHERE payment_id = $1 AND state = 'OPEN'",
        payment_id,
        state.value,
    )


# ------------------------------------------------------------------------------- giving back


async def origins(invoice_id: UUID) -> dict[UUID, int]:
    """What credit paid of an invoice: minor units by the grant or deposit account it came from."""
    rows = await sql.fetch(
        "SELECT t.from_id, t.amount FROM credit_transaction c"
        " JOIN transfer t ON t.credit_transaction_id = c.id"
        " WHERE c.invoice_id = $1 AND c.kind = 'INVOICE_PAYMENT' ORDER BY c.version, t.leg",
        invoice_id,
    )
    parts: defaultdict[UUID, int] = defaultdict(int)
    for row in rows:
        parts[row["from_id"]] += row["amount"]
    return parts


async def give_back(book: Book, parts: dict[UUID, int], line: Line, *, captured: int = 0) -> None:
    """Return credit from sales to where it came from, and `captured` money to the deposits."""
    sales = book.house(LedgerKind.SALES)
    legs = [Leg(sales, ref, amount) for ref, amount in await _refs(book, parts)]
    if captured:
        legs.append(Leg(sales, book.deposited, captured))
    book.post(line, legs)
    book.expire_due()


async def _refs(book: Book, parts: dict[UUID, int]) -> list[tuple[Ref, int]]:
    deposited = book.deposited
    await book.load_grants(id for id in parts if id != deposited.id)
    return [
        (deposited if id == deposited.id else book.grant(id), amount)
        for id, amount in parts.items()
    ]
