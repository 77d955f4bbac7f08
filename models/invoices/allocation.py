"""Allocations: what of a payment for several invoices is for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from tortoise import fields

from models.db import sql
from models.db.record import Changing

#: Invoices that one payment may be for.
ALLOCATIONS_MAX: Final = 50


class Allocation(Changing):
    """One invoice of a payment for several: they are paid in the order of their `place`, the one
    that is due first at 0. UNIQUE (payment, invoice) and (payment, place).

    `amount` and `credit_part` are what it was to get when the payment began, `applied` what it has
    got of the money that came in, and `credit_part` then what it has got of credit. Minor units.
    """

    payment_id = fields.UUIDField()
    invoice_id = fields.UUIDField()
    account_id = fields.UUIDField()
    place = fields.SmallIntField()
    amount = fields.BigIntField()
    credit_part = fields.BigIntField(default=0)
    applied = fields.BigIntField(default=0)

    class Meta:
        table = "payment_allocation"


async def of_payments(ids: Sequence[UUID]) -> dict[UUID, list[Allocation]]:
    """The allocations of these payments, in their order; one statement."""
    return await sql.of_each(Allocation, "payment_id", ids, order="place")
