"""Updates of an invoice: whether it, or one of its payments, has changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from models.invoices import invoice
from models.invoices.invoice import Invoice
from models.payments import payment
from models.payments.payment import Payment


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """An invoice; equal unless it or one of its payments has changed."""

    record: Invoice = field(compare=False)
    mark: object

    @classmethod
    def of(cls, record: Invoice, payments: Sequence[Payment]) -> InvoiceState:
        """An invoice with its payments."""
        paid = tuple(
            (one.id, one.status, one.received, one.taken_back, repr(one.action)) for one in payments
        )
        return cls(record, (record.revision, record.overdue, paid))


async def states_of(ids: Sequence[UUID]) -> dict[UUID, InvoiceState]:
    """The present states, without a check of who asks; unknown ids are left out."""
    records, payments = await invoice.by_ids(ids), await payment.of_invoices(ids)
    return {id: InvoiceState.of(record, payments.get(id, ())) for id, record in records.items()}
