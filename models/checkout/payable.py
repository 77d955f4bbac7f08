"""Payables: invoices that somebody wants to pay, as they are under the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.db import sql
from models.errors import (
    Invalid,
)
from models.invoices.invoice import Invoice
from models.payments.locked import LockedInvoice
from models.provider.provider import origin_of, provider


@dataclass(frozen=True, slots=True)
class Payable:
    """What paying is decided on: the invoice, what other deposits that have begun will bring, in
    minor units, whether its gateway was out of order a moment ago, and `more` invoices that are
    paid with it, which are orders: all in the order in which they are paid. `fields` is where each
    of them stands in what was asked.
    """

    at: LockedInvoice
    begun: int
    is_down: bool
    more: Sequence[LockedInvoice] = ()
    fields: Sequence[tuple[str, ...]] = (("invoice_id",),)

    @property
    def bills(self) -> list[LockedInvoice]:
        """All that is paid."""
        return [self.at, *self.more]

    @property
    def due(self) -> int:
        """What is due of all; minor units."""
        return sum(one.invoice.amount_due for one in self.bills)


async def payables(ids: Sequence[UUID]) -> dict[UUID, tuple[Invoice, bool]]:
    """Invoices, and whether each has had payments."""
    rows = await sql.fetch(
        "SELECT i.*, EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id)"
        " OR EXISTS (SELECT 1 FROM payment_allocation a WHERE a.invoice_id = i.id) AS has_payments"
        " FROM invoice i WHERE " + sql.any_of("i.id", 1),
        list(ids),
    )
    have = {row["id"]: bool(row.pop("has_payments")) for row in rows}
    return {row["id"]: (sql.record_of(Invoice, row), have[row["id"]]) for row in rows}


def check_return(url: str | None) -> None:
    """Raises Invalid where the browser must not be sent there."""
    if url is not None and origin_of(url) not in provider().return_origins:
        raise Invalid("return_url", problem="return_origin")
