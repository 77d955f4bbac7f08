"""Spending credit, and giving it back to where it came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from models.db import sql
from models.ledger.book import Book
from models.ledger.chart import LedgerKind, Ref
from models.ledger.posting import Leg, StatementLine


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


def spend(book: Book, amount: int, line: StatementLine) -> None:
    """Pay `amount` to sales."""
    book.post(line, sources(book, amount, book.provider_account(LedgerKind.SALES)))


async def origins(book: Book, invoice_id: UUID) -> dict[UUID, int]:
    """What credit paid of an invoice: minor units by the grant or deposit account it came from,
    each of them in the book.
    """
    rows = await sql.fetch(
        "SELECT t.from_id, t.amount FROM credit_transaction c"
        " JOIN transfer t ON t.credit_transaction_id = c.id"
        " WHERE c.invoice_id = $1 AND c.kind = 'INVOICE_PAYMENT' ORDER BY c.version, t.leg",
        invoice_id,
    )
    parts: defaultdict[UUID, int] = defaultdict(int)
    for row in rows:
        parts[row["from_id"]] += row["amount"]
    await book.load_grants(id for id in parts if id != book.deposited.id)
    return parts


def give_back(
    book: Book, parts: Mapping[UUID, int], line: StatementLine, *, captured: int = 0
) -> None:
    """Return credit from sales to where it came from, and `captured` money to the deposits."""
    sales = book.provider_account(LedgerKind.SALES)
    legs = [Leg(sales, ref, amount) for ref, amount in refs(book, parts)]
    if captured:
        legs.append(Leg(sales, book.deposited, captured))
    book.post(line, legs)
    book.expire_due()


def refs(book: Book, parts: Mapping[UUID, int]) -> list[tuple[Ref, int]]:
    """The ledger accounts with these ids: the book's deposits, or grants that are in it."""
    deposited = book.deposited
    return [
        (deposited if id == deposited.id else book.grant(id), amount)
        for id, amount in parts.items()
    ]
