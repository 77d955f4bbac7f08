"""Postings: legs between ledger accounts, and the statement line that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from models.db.record import new_id
from models.ledger.chart import Ref
from models.ledger.credit_transaction import StatementLineKind


@dataclass(frozen=True, slots=True)
class Leg:
    """Move `amount` minor units from one ledger account to another."""

    source: Ref
    target: Ref
    amount: int


@dataclass(slots=True)
class StatementLine:
    """A line of the credit statement to be. (kind, source) happens once, ever. Its `note` may name
    a document whose number is given last.
    """

    kind: StatementLineKind
    source: str
    note: str = ""
    refundable: bool = False
    invoice_id: UUID | None = None
    payment_id: UUID | None = None
    id: UUID = field(default_factory=new_id)


def debt_first(legs: Sequence[Leg], debt: int, deposited: Ref, owed: Ref) -> list[Leg]:
    """The same with what would be `deposited` repaying the `debt` first, whatever brings it."""
    split = []
    for leg in legs:
        repaid = min(leg.amount, debt) if leg.target == deposited else 0
        debt -= repaid
        if repaid:
            split.append(Leg(leg.source, owed, repaid))
        if leg.amount > repaid:
            split.append(Leg(leg.source, leg.target, leg.amount - repaid))
    return split
