"""Drafts: the payment of a bank transfer that quotes an invoice's reference, where none was begun.

Money that comes under such a reference needs a payment to be booked on. It is drafted when a line
quotes the reference and written down with the money; its id follows from the invoice, so that
everybody drafts the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from uuid import UUID

from models.bank.references import bank_gateways, batches, issued
from models.clock import now
from models.db import sql
from models.invoices.invoice import Invoice
from models.journal.outbox import FactKind
from models.ledger.chart import LedgerKind
from models.payments.locked import LockedPayment
from models.payments.payment import Payment
from models.provider.provider import provider
from models.reference import new_reference
from models.status import PaymentStatus


async def by_reference(references: Collection[str]) -> dict[str, Payment]:
    """The payments of those of `references` that we gave out: with a payment that was begun, or
    with an invoice, where it may be a draft.
    """
    found = await issued(references)
    for some in batches(sorted(set(references) - found.keys())):
        rows = await sql.records(
            Invoice,
            f"SELECT * FROM invoice WHERE transfer_reference IN ({sql.placeholders(len(some))})",
            *some,
        )
        made = [draft_of(row, _id_of(row), row.transfer_reference) for row in rows]
        found |= {one.reference: one for one in made if one is not None}
    return found


def draft_of(invoice: Invoice, id: UUID, reference: str | None = None) -> Payment | None:
    """A bank transfer for the invoice; None where no gateway takes transfers in its currency."""
    gateways = [
        code for code in bank_gateways() if invoice.currency in provider().gateways[code].currencies
    ]
    if not gateways:
        return None
    reference = reference or new_reference()
    return Payment(
        id=id,
        created_at=now(),
        invoice_id=invoice.id,
        account_id=invoice.account_id,
        currency=invoice.currency,
        gateway=gateways[0],
        status=PaymentStatus.CREATED.value,
        amount=0,
        reference=reference,
        gateway_ref=reference,
    )


def is_draft(payment: Payment) -> bool:
    """Whether it is unsaved; saved ones have an amount."""
    return not payment.amount


def write_down(at: LockedPayment, amount: int) -> None:
    """Write a draft down as over what came in, `amount` minor units, and no fee; nothing where that
    has been done.
    """
    draft, book = at.payment, at.book
    if not is_draft(draft):
        return
    draft.put(amount=amount)
    book.open(book.provider_account(LedgerKind.CLEARING, draft.gateway))
    book.journal.claim(draft)
    facts = {"invoice": at.invoice.public_id, "status": draft.status}
    book.journal.tell(FactKind.PAYMENT_BEGUN, draft.account_id, draft.id, **facts)


def _id_of(invoice: Invoice) -> UUID:
    """A UUID version 7 of the invoice's own time."""
    rest = bytearray(hashlib.sha256(b"bank transfer" + invoice.id.bytes).digest()[:10])
    rest[0] = 0x70 | rest[0] & 0x0F
    rest[2] = 0x80 | rest[2] & 0x3F
    return UUID(bytes=invoice.id.bytes[:6] + bytes(rest))
