"""Following up a payment that has begun: its gateway is asked, or it is canceled."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

import structlog
from typing_extensions import override

from models.access import rate_limit
from models.access.identity import Actor, MemberRole
from models.db.record import parse_id
from models.errors import (
    GatewayFailed,
    GatewayNotAvailable,
    NotFound,
    PaymentNotCancelable,
    RateLimited,
)
from models.gateway import EventKind, GatewayDeclined, GatewayEvent, GatewayProblem
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.payments import outcome
from models.payments.inbox import take_in
from models.payments.locked import LockedPayment, locked, with_invoice
from models.payments.payment import Payment, require_payer
from models.payments.payment import read as read_payment
from models.provider.circuit import call
from models.provider.provider import provider
from models.status import WAITING, PaymentStatus

_log = structlog.get_logger()

_GIVEN_UP: Final = (PaymentStatus.CANCELED.value, PaymentStatus.EXPIRED.value)


async def recheck(payment_id: UUID, *, by: Actor) -> Payment:
    """Ask the gateway now. Raises NotFound, RateLimited, GatewayFailed."""
    require_payer(by)
    payment = await _in_sight(payment_id, by)
    await _allow_asking(payment_id)
    await ask(payment)
    return (await with_invoice(payment_id))[0]


async def came_back(payment_id: UUID) -> None:
    """The browser is back from a gateway's page, whoever it is and whatever it says: ask, if there
    is anything left to hear, as often as recheckPayment may.
    """
    payment = await read_payment(payment_id)
    if payment is None or not payment.is_open:
        return
    with suppress(RateLimited, GatewayFailed, GatewayNotAvailable):
        await _allow_asking(payment_id)
        await ask(payment)


async def take_approved(events: Iterable[GatewayEvent]) -> None:
    """Ask for the money of what payers have agreed to, at once. Whatever has reported an approval,
    the worker does so a little later: `payments.advance` makes its next check due.
    """
    for told in events:
        payment_id = parse_id(Payment.PREFIX, told.payment)
        if told.kind is EventKind.APPROVED and payment_id is not None:
            await came_back(payment_id)


async def _allow_asking(payment_id: UUID) -> None:
    await rate_limit.spend("recheck", payment_id.hex, limit=12, window_seconds=60)


async def ask(payment: Payment) -> None:
    """Ask a payment's gateway what it knows, and apply it. Raises GatewayFailed, and
    GatewayNotAvailable where the gateway is not configured any more.
    """
    invoice = (await with_invoice(payment.id))[1]
    gateway = provider().gateway(payment.gateway, "payment_id")
    order = payment.order(invoice)
    try:
        events = await call(gateway, lambda: gateway.fetch(order))
    except GatewayDeclined as declined:
        events = [_declined(payment, declined.failure)]
    except GatewayProblem:
        raise GatewayFailed("payment_id", problem="asking") from None
    await take_in(payment.gateway, events)


def _declined(payment: Payment, failure: str) -> GatewayEvent:
    """The gateway's decline as an event; a capture overrides it."""
    event_id = f"declined:{payment.public_id}"
    return GatewayEvent(event_id, EventKind.FAILED, payment.public_id, failure=failure)


# ------------------------------------------------------------------------------- canceling


@dataclass(frozen=True, slots=True)
class CancelPayment(Command[LockedPayment, Payment]):
    """Give up a payment that waits for the client; staff, any that is open at a gateway that is not
    configured any more. Raises NotFound, PaymentNotCancelable (it is under way, or over),
    GatewayFailed, GatewayNotAvailable.
    """

    mutation: ClassVar[str] = "cancelPayment"
    least_role: ClassVar[MemberRole] = MemberRole.BILLING

    payment_id: UUID

    @override
    def require(self, by: Actor) -> None:
        require_payer(by)

    @override
    async def prepare(self, asked: Invocation) -> None:
        """Its gateway gives it up first: nobody can pay it there any more when it is canceled."""
        payment = await _in_sight(self.payment_id, asked.by)
        _check_cancelable(payment, asked.by)
        if asked.by.is_staff and not payment.has_gateway:
            return
        if not await tell_canceled(payment):
            raise PaymentNotCancelable("payment_id", status=payment.status)

    @override
    async def read(self, asked: Invocation, journal: Journal) -> LockedPayment:
        return await locked(journal, await _in_sight(self.payment_id, asked.by))

    @override
    def decide(self, found: LockedPayment, asked: Invocation, journal: Journal) -> Payment:
        payment = found.payment
        if payment.status not in _GIVEN_UP:  # else the gateway's own message of it was faster
            _check_cancelable(payment, asked.by)
            outcome.give_up(found, told=payment.has_gateway)
        own = payment.account_id
        journal.log_person(asked.by, "payment.cancel", payment.public_id, own)
        return payment

    @override
    async def recall(self, made: Made, asked: Invocation) -> Payment:
        return await _in_sight(self.payment_id, asked.by)


async def tell_canceled(payment: Payment) -> bool:
    """Tell the gateway to give a payment up: whether it did. What it says instead (it was captured
    meanwhile, say) is applied. Raises as `ask`.
    """
    invoice = (await with_invoice(payment.id))[1]
    gateway = provider().gateway(payment.gateway, "payment_id")
    order = payment.order(invoice)
    try:
        events = await call(gateway, lambda: gateway.cancel(order))
    except GatewayDeclined as declined:
        _log.info("gateway.not_canceled", payment=payment.public_id, failure=declined.failure)
        return False
    except GatewayProblem:
        raise GatewayFailed("payment_id", problem="asking") from None
    await take_in(payment.gateway, [told for told in events if told.kind != EventKind.CANCELED])
    return any(told.kind == EventKind.CANCELED for told in events)


async def _in_sight(payment_id: UUID, by: Actor) -> Payment:
    # `require_payer` has said that they may: with `funds:write`, whether they read invoices or not.
    payment = await read_payment(payment_id)
    if payment is None or not by.sees(payment.account_id):
        raise NotFound("payment_id")
    return payment


def _check_cancelable(payment: Payment, by: Actor) -> None:
    is_abandoned = by.is_staff and payment.is_open and not payment.has_gateway
    if not is_abandoned and payment.status not in WAITING:
        raise PaymentNotCancelable("payment_id", status=payment.status)
