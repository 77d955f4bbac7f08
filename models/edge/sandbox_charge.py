"""Sandbox charges: a payment as the pretended provider has it, and what it has reported.

The table alone: how such a provider behaves is the adapter's, `api/gateways/sandbox`. It never
touches the ledger; what it says reaches us the way that every gateway's messages do.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise import fields

from models.db import sql
from models.db.record import Record
from models.db.transactions import transaction
from models.gateway import PaymentOrder


class SandboxCharge(Record):
    """One row a payment.

    `token` is its unguessable address, `amount` is in minor units, and `due_at` is when its next
    message is to be delivered.
    """

    token = fields.CharField(max_length=64, unique=True)
    payment = fields.CharField(max_length=64, unique=True)
    amount: fields.Field[int] = fields.BigIntField()
    currency = fields.CharField(max_length=3)
    invoice_number = fields.CharField(max_length=64)
    return_url = fields.TextField()
    messages: fields.Field[list[dict[str, Any]]] = fields.JSONField(default=list)
    due_at = fields.DatetimeField(null=True, db_index=True)
    expires_at = fields.DatetimeField()
    canceled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sandbox_charge"


async def opened(order: PaymentOrder, expires_at: datetime) -> SandboxCharge:
    """The charge of a payment; made when it is asked for the first time."""
    charge = SandboxCharge(
        token=secrets.token_urlsafe(24),
        payment=order.id,
        amount=order.amount.minor,
        currency=order.amount.currency,
        invoice_number=order.invoice_number,
        return_url=order.return_url,
        messages=[],
        expires_at=expires_at,
    )
    await sql.add_new(charge)
    return await SandboxCharge.get(payment=order.id)


async def by_token(token: str) -> SandboxCharge | None:
    """The charge at that address."""
    return await SandboxCharge.get_or_none(token=token)


async def by_payment(payment: str) -> SandboxCharge | None:
    """The charge of that payment, by its public id."""
    return await SandboxCharge.get_or_none(payment=payment)


async def change(charge_id: UUID, verb: Callable[[SandboxCharge], object]) -> SandboxCharge:
    """Let `verb` change the row, locked and as it stands now; what became of it.

    Raises what `verb` raises; then nothing has changed.
    """

    async def work() -> SandboxCharge:
        current = await SandboxCharge.select_for_update().get(id=charge_id)
        verb(current)
        await current.save(update_fields=["messages", "due_at", "canceled_at"])
        return current

    return await transaction(work)


async def with_waiting_messages(limit: int = 100) -> list[SandboxCharge]:
    """Charges that have something to deliver, now or later, the next one first."""
    return await SandboxCharge.filter(due_at__isnull=False).order_by("due_at").limit(limit)
