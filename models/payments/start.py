"""Starting a payment at its gateway: once, by one caller at a time, never inside a transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from typing_extensions import override

from models.access.identity import Actor
from models.clock import now
from models.db import sql
from models.db.tasks import to_the_end
from models.db.transactions import transaction
from models.errors import GatewayFailed, IdempotencyInFlight
from models.gateway import GatewayDeclined, GatewayProblem, Started
from models.journal import idempotency
from models.journal.command import part_of, perform
from models.journal.journal import Journal
from models.payments.inbox import take_in
from models.payments.locked import LockedPayment, PaymentStep, close, with_invoice
from models.payments.payment import Payment, action_json
from models.payments.payment import read as read_payment
from models.provider.circuit import call
from models.provider.provider import provider
from models.status import PaymentStatus

_log = structlog.get_logger()

#: How long one caller may take to begin a payment at its gateway before another may try.
LEASE: Final = timedelta(seconds=30)
#: How long a repeated request waits for the first one's answer.
_WAIT_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05


async def joined(payment_id: UUID, by: Actor, key: str) -> Payment | None:
    """The payment of a repeated request; None where credit paid everything.

    Waits while the first request is asking the gateway (IdempotencyInFlight when that takes too
    long), and asks in its place where it has been cut off.
    """
    waited = 0.0
    while (payment := await read_payment(payment_id)) is not None:
        if payment.status != PaymentStatus.CREATED:
            return payment
        if await _take_lease(payment):
            return await to_the_end(start(payment_id, by, key))
        if waited >= _WAIT_SECONDS:
            raise IdempotencyInFlight("idempotency_key")
        await asyncio.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    return None


async def _take_lease(payment: Payment) -> bool:
    moment = now()
    taken = await sql.execute(
        "UPDATE payment SET lease_at = $2 WHERE id = $1 AND status = 'CREATED' AND lease_at < $3",
        payment.id,
        moment + LEASE,
        moment,
    )
    return taken == 1


async def start(payment_id: UUID, by: Actor, key: str) -> Payment:
    """Ask the gateway to begin, and keep what it said. Raises GatewayFailed.

    Asking twice is safe: the payment's id is the gateway's idempotency key.
    """
    payment, invoice = await with_invoice(payment_id)
    gateway = provider().gateway(payment.gateway, "gateway")
    order = payment.order(invoice)
    try:
        started = await call(gateway, lambda: gateway.start(order))
    except GatewayDeclined as declined:
        await transaction(partial(_give_up, payment, declined.failure, by, key))
        raise GatewayFailed("gateway", failure=declined.failure) from None
    except GatewayProblem:
        # Whether it began is unknown. The same key asks again; else the reconciler finds out.
        _log.warning("gateway.start_failed", payment=payment.public_id, exc_info=True)
        await payment.change(lease_at=now())
        raise GatewayFailed("gateway") from None
    await perform(NoteStarted(payment, started))
    await take_in(payment.gateway, started.events)
    return (await with_invoice(payment_id))[0]


@dataclass(frozen=True, slots=True)
class NoteStarted(PaymentStep[None]):
    """Keep what the gateway said when a payment was begun there."""

    started: Started

    @override
    def decide(self, found: LockedPayment, journal: Journal) -> None:
        payment, started = found.payment, self.started
        payment.put(gateway_ref=started.gateway_ref, lease_at=None)
        if payment.status == PaymentStatus.CREATED:  # else its messages were faster
            status = PaymentStatus.REQUIRES_ACTION if started.action else PaymentStatus.PROCESSING
            payment.put(
                status=status.value,
                action=action_json(started.action),
                expires_at=started.expires_at,
            )
            payment.put(next_check_at=payment.check_after(journal.at))
        found.ring()
        found.book.touch()


@dataclass(frozen=True, slots=True)
class GiveUp(PaymentStep[None]):
    """The gateway said no before anything began: the payment failed."""

    failure: str

    @override
    def decide(self, found: LockedPayment, journal: Journal) -> None:
        if found.payment.is_open:
            close(found, PaymentStatus.FAILED, self.failure)
        found.ring()


async def _give_up(payment: Payment, failure: str, by: Actor, key: str) -> None:
    """And the key is free again."""
    await part_of(GiveUp(payment, failure))
    await idempotency.release(by, key)
