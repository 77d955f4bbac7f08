"""Refunds that staff ask for, and what the gateway says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.gateway import EventKind as Kind
from models.gateway import GatewayEvent
from models.journal.command import run
from models.money import Money
from models.payments.ask_refund import RefundPayment
from tests.support.factories import STAFF
from tests.support.providers import gateway, key

if TYPE_CHECKING:
    from models.payments.payment import Payment
    from models.payments.refund import Refund


async def give_back(payment: Payment, minor: int | None = None, **how: Any) -> Refund:
    amount = None if minor is None else Money(minor, payment.currency).amount
    currency = None if minor is None else payment.currency
    by, used = how.get("by", STAFF), how.get("key") or key()
    reason = how.get("reason", "moved away")
    return await run(RefundPayment(payment.id, amount, currency, reason), by, used)


def heard(payment: Payment, asked: Refund, kind: Kind, **told: Any) -> GatewayEvent:
    """What the gateway says of a refund."""
    amount = Money(asked.amount, asked.currency)
    reference = f"re-{asked.public_id}"
    return GatewayEvent(
        key(), kind, payment.public_id, reference, amount, refund=asked.public_id, **told
    )


async def the_pending(payment: Payment, minor: int | None = None) -> Refund:
    gateway(payment.gateway).refunds_are = Kind.REFUND_PENDING
    return await give_back(payment, minor)
