"""Payments that nobody has told us about: their gateways are asked, or they expire."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from models import event, sql
from models.book import book
from models.case import Case, close
from models.clock import now
from models.errors import GatewayFailed
from models.gateway_calls import ask, claim_check, tell_canceled
from models.invoice import read as read_invoice
from models.payment import Payment, PaymentStatus
from models.payment import read as read_payment
from models.policy import house
from models.transactions import ring, transaction

_log = structlog.get_logger()

#: A payment that never got through to its gateway is given up after this.
_BEGINNING_MAX: Final = timedelta(minutes=30)


async def check_payments(limit: int = 20) -> int:
    """Ask the gateways about payments that have been silent for too long; how many.

    One that has expired is asked about once more before it is given up: a capture beats an expiry.
    Payments of a gateway that is not configured wait until it is, or until staff end them.
    """
    codes = list(house().gateways)
    rows = await sql.records(
        Payment,
        "SELECT * FROM payment WHERE next_check_at <= $1"
        f" AND gateway IN ({sql.placeholders(len(codes), 3)}) ORDER BY next_check_at LIMIT $2",
        now(),
        limit,
        *codes,
    )
    for payment in rows:
        try:
            await _check(payment)
        except GatewayFailed:
            _log.warning("payment.check_failed", payment=payment.public_id)
        except Exception:  # noqa: BLE001 - one that fails must not stop the others
            _log.exception("payment.check_failed", payment=payment.public_id)
    return len(rows)


async def _check(payment: Payment) -> None:
    if not await claim_check(payment, payment.check_after):
        return
    if payment.status == PaymentStatus.CANCELED:
        await tell_canceled(payment)
        await payment.change(next_check_at=None)
        return
    await ask(payment)
    # Given up at its gateway first: nobody can pay it there any more when we say that it expired.
    if _is_over(payment) and await tell_canceled(payment):
        await transaction(lambda: _expire_payment(payment))


def _is_over(payment: Payment) -> bool:
    if payment.status == PaymentStatus.CREATED:
        return payment.created_at + _BEGINNING_MAX < now()
    return payment.expires_at is not None and payment.expires_at < now()


async def _expire_payment(found: Payment) -> None:
    async with book(found.account_id, found.currency) as opened:
        payment, invoice = await read_payment(found.id), await read_invoice(found.invoice_id)
        assert payment is not None
        assert invoice is not None
        if payment.status not in (PaymentStatus.CREATED, PaymentStatus.REQUIRES_ACTION):
            return
        await close(Case(payment, invoice, opened, payment.id.hex), PaymentStatus.EXPIRED)
        facts = {"invoice": invoice.public_id, "status": payment.status}
        await event.record([event.Fact("payment.expired", payment.account_id, payment.id, facts)])
        ring(f"invoice:{invoice.id.hex}")
