"""Drafts of invoices, and of their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.access.identity import Actor
from models.accounts.account import Account
from models.invoices.invoice import InvoiceKind
from models.ledger.posting import StatementLine
from models.money import tax_per_rate


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line to be issued, net: `unit_price` and `total` in minor units, `unit_price_exact` in
    major units with all its decimals.
    """

    description: str
    quantity: Decimal
    unit_price: int
    unit_price_exact: Decimal
    tax_rate: Decimal
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An invoice to be issued. `credit` has paid of it already, which the statement's `line` says;
    one `source` has one invoice. The audit log tells of it where it is `logged_by` somebody.
    """

    id: UUID
    account: Account
    kind: InvoiceKind
    currency: str
    lines: Sequence[DraftLine]
    source: str
    due_at: datetime | None = None
    gateway: str | None = None
    reference: str | None = None
    credit: int = 0
    line: StatementLine | None = None
    logged_by: Actor | None = None
    details: dict[str, str] | None = None


def gross(lines: Sequence[DraftLine]) -> int:
    """What they come to with tax, in minor units."""
    taxes = tax_per_rate((line.tax_rate, line.total) for line in lines)
    return sum(line.total for line in lines) + sum(rate.tax for rate in taxes)
