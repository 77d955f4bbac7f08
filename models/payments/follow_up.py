"""What follows a payment that has begun: its gateway is asked, or it is canceled."""

from __future__ import annotations

from contextlib import suppress
from typing import Final
from uuid import UUID

from models.access import rate_limit
from models.access.identity import Actor
from models.db.record import public_id
from models.errors import (
    GatewayFailed,
    GatewayNotAvailable,
    NotFound,
    PaymentNotCancelable,
    RateLimited,
)
from models.journal import audit_log, idempotency
from models.payments import outcome
from models.payments.calls import ask, tell_canceled
from models.payments.locked import locked, with_invoice
from models.payments.payment import Payment, PaymentStatus, require_payer
from models.payments.payment import read as read_payment
from models.payments.payment import visible as payment_visible

_CANCELABLE: Final = (PaymentStatus.CREATED.value, PaymentStatus.REQUIRES_ACTION.value)
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


async def _allow_asking(payment_id: UUID) -> None:
    await rate_limit.spend("recheck", payment_id.hex, limit=12, window_seconds=60)


async def cancel(payment_id: UUID, *, by: Actor, key: str) -> Payment:
    """Give up a payment that waits for the client; staff, any that is open at a gateway that is not
    configured any more. Raises NotFound, PaymentNotCancelable (it is under way, or over),
    GatewayFailed, GatewayNotAvailable.
    """
    require_payer(by)

    async def admit(_made: idempotency.Result) -> None:
        await _in_sight(payment_id, by)

    async def prepare() -> None:
        payment = await _in_sight(payment_id, by)
        if not _cancelable(payment, by):
            raise PaymentNotCancelable("payment_id", status=payment.status)
        if by.is_staff and not payment.has_gateway:
            return
        if not await tell_canceled(payment):
            raise PaymentNotCancelable("payment_id", status=payment.status)

    async def work() -> None:
        found = (await with_invoice(payment_id))[0]
        async with locked(found) as at:
            payment = at.payment
            if payment.status in _GIVEN_UP:
                return  # the gateway's own message of it was faster
            if not _cancelable(payment, by):
                raise PaymentNotCancelable("payment_id", status=payment.status)
            await outcome.give_up(at, told=payment.has_gateway)
        if by.is_staff:
            await audit_log.record(by, "payment.cancel", payment.public_id)

    made = {"payment": public_id(Payment.PREFIX, payment_id)}
    given = {"payment": payment_id.hex}
    await idempotency.once(
        by, key, "cancelPayment", given, made, admit=admit, work=work, prepare=prepare
    )
    return (await with_invoice(payment_id))[0]


async def _in_sight(payment_id: UUID, by: Actor) -> Payment:
    payment = await payment_visible(payment_id, by)
    if payment is None:
        raise NotFound("payment_id")
    return payment


def _cancelable(payment: Payment, by: Actor) -> bool:
    abandoned = by.is_staff and payment.is_open and not payment.has_gateway
    return abandoned or payment.status in _CANCELABLE
