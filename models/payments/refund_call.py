"""Asking a gateway for a refund, and for what became of it. Never inside a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from typing_extensions import override

from models.access.identity import Actor
from models.db.transactions import transaction
from models.errors import GatewayFailed
from models.gateway import GatewayDeclined, GatewayProblem, RefundOrder
from models.journal import idempotency
from models.journal.command import Step, part_of
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.money import Money
from models.payments.inbox import take_in
from models.payments.locked import LockedPayment, locked, with_invoice
from models.payments.refund import Refund, end, free
from models.payments.refund import read as read_refund
from models.provider.circuit import call
from models.provider.provider import provider
from models.status import RefundStatus

_log = structlog.get_logger()


async def ask_first(refund_id: UUID, by: Actor, key: str) -> Refund:
    """Ask the gateway. Where it says no, everything is undone, the key is free and GatewayFailed is
    raised; where it does not answer, the refund is pending and the worker asks again.
    """
    found = await read_refund(refund_id)
    assert found is not None
    try:
        await ask(found)
    except GatewayDeclined as declined:
        await transaction(partial(_undo, found, declined.failure, by, key))
        raise GatewayFailed("payment_id", failure=declined.failure, problem="refund") from None
    except GatewayProblem:
        _log.warning("refund.unanswered", refund=found.public_id, exc_info=True)
    after = await read_refund(refund_id)
    assert after is not None
    return after


async def ask(found: Refund) -> None:
    """Ask the gateway for a refund, or what became of it, and apply the answer.

    Raises GatewayProblem, GatewayDeclined.
    """
    payment, invoice = await with_invoice(found.payment_id)
    gateway = provider().gateways.get(payment.gateway)
    if gateway is None:
        raise GatewayProblem("it is not offered any more")
    order = RefundOrder(
        found.public_id,
        payment.order(invoice),
        found.capture,
        Money(found.amount, found.currency),
    )
    events = await call(gateway, lambda: gateway.refund(order))
    await take_in(payment.gateway, events)


@dataclass(frozen=True, slots=True)
class Fail(Step[LockedPayment, bool]):
    """The gateway said no to a refund: the credit is free again; whether it was not before. Where
    that is the answer to who asked for it (`is_undone`), they may ask again with the same key.
    """

    refund: Refund
    failure: str
    is_undone: bool = False

    @override
    async def read(self, journal: Journal) -> LockedPayment:
        payment = (await with_invoice(self.refund.payment_id))[0]
        return await locked(journal, payment)

    @override
    def decide(self, found: LockedPayment, journal: Journal) -> bool:
        [refund] = [one for one in found.refunds if one.id == self.refund.id]
        if refund.status != RefundStatus.PENDING:
            return False
        free(found.book, refund)
        end(refund, RefundStatus.FAILED, self.failure[:64], journal.at)
        if self.is_undone:
            refund.put(source=None)
        found.book.touch()
        journal.tell(
            FactKind.INVOICE_UPDATED,
            refund.account_id,
            refund.invoice_id or found.invoice.id,
            payment=found.payment.public_id,
            refund=refund.public_id,
            failure=self.failure,
        )
        return True


async def _undo(found: Refund, failure: str, by: Actor, key: str) -> None:
    if await part_of(Fail(found, failure, is_undone=True)):
        await idempotency.release(by, key)
