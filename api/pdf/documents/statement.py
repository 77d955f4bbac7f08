"""The credit statement: opening balance, every change, closing balance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from api.pdf.documents.document import Document, Look, letterhead
from api.pdf.text import LINE_MAX, clean

if TYPE_CHECKING:
    from models.credit.statement import CreditStatement
    from models.invoices.snapshot import BuyerSnapshot, SellerSnapshot


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the statement: signed minor units, and the balance after it.

    `kind` is a `StatementLineKind`, `note` the number or reason that goes with it.
    """

    on: str
    kind: str
    note: str
    amount: int
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDocument(Document):
    """All that a statement says. Dates are ISO 8601, amounts minor units of `currency`."""

    first_day: str
    last_day: str
    opening: int
    added: int
    spent: int
    closing: int
    lines: tuple[Change, ...]

    @property
    def is_kept(self) -> bool:
        """Every span of days is another one: they would fill the store."""
        return False


def statement_document(
    statement: CreditStatement,
    changes: Iterable[Change],
    look: Look,
    *,
    seller: SellerSnapshot,
    buyer: BuyerSnapshot,
) -> StatementDocument:
    """The document of a statement with its lines, oldest first."""
    head = letterhead(
        look,
        seller,
        buyer,
        currency=statement.currency,
        mark="",
        # What it says is as old as its last line: the same span is the same bytes.
        created=statement.ends_at,
        modified=statement.ends_at,
    )
    return StatementDocument(
        template="statement",
        head=head,
        first_day=statement.first_day.isoformat(),
        last_day=statement.last_day.isoformat(),
        opening=statement.opening,
        added=statement.added,
        spent=statement.spent,
        closing=statement.closing,
        lines=tuple(replace(line, note=clean(line.note, LINE_MAX)) for line in changes),
    )
