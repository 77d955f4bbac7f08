"""Reconciling: gateways are asked about payments and refunds that no message has come for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from typing_extensions import override

from models.clock import now
from models.db import sql
from models.errors import GatewayFailed
from models.gateway import GatewayDeclined, GatewayProblem
from models.journal.command import perform
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.payments import refund_call
from models.payments.follow_up import ask, tell_canceled
from models.payments.locked import LockedPayment, PaymentStep, close
from models.payments.payment import Payment
from models.payments.refund import CHECKS, Refund
from models.provider.provider import provider
from models.status import WAITING, PaymentStatus

_log = structlog.get_logger()

#: A payment that never got through to its gateway is given up after this.
_BEGINNING_MAX: Final = timedelta(minutes=30)


async def check_payments(limit: int = 20) -> int:
    """Ask the gateways about payments that have been silent for too long; how many.

    One that has expired is asked about once more before it is given up: a capture beats an expiry.
    Payments of a gateway that is not configured wait until it is, or until staff end them.
    """
    codes = list(provider().gateways)
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
    if not await _claim(payment, payment.check_after):
        return
    if payment.status == PaymentStatus.CANCELED:
        await tell_canceled(payment)
        await payment.change(next_check_at=None)
        return
    await ask(payment)
    # Given up at its gateway first: nobody can pay it there any more when we say that it expired.
    if _is_over(payment) and await tell_canceled(payment):
        await perform(ExpirePayment(payment))


def _is_over(payment: Payment) -> bool:
    if payment.status == PaymentStatus.CREATED:
        return payment.created_at + _BEGINNING_MAX < now()
    return payment.expires_at is not None and payment.expires_at < now()


@dataclass(frozen=True, slots=True)
class ExpirePayment(PaymentStep[None]):
    """The client did not complete a payment in time."""

    @override
    def decide(self, found: LockedPayment, journal: Journal) -> None:
        payment, invoice = found.payment, found.invoice
        if payment.status not in WAITING:
            return
        close(found, PaymentStatus.EXPIRED)
        facts = {"invoice": invoice.public_id, "status": payment.status}
        journal.tell(FactKind.PAYMENT_CANCELED, payment.account_id, payment.id, **facts)


async def check_refunds(limit: int = 20) -> int:
    """Ask the gateways about refunds whose end is not known; how many.

    Those at a gateway that is not configured wait until it is.
    """
    codes = list(provider().gateways)
    rows = await sql.records(
        Refund,
        "SELECT r.* FROM refund r JOIN payment p ON p.id = r.payment_id"
        f" WHERE r.next_check_at <= $1 AND p.gateway IN ({sql.placeholders(len(codes), 3)})"
        " ORDER BY r.next_check_at LIMIT $2",
        now(),
        limit,
        *codes,
    )
    for found in rows:
        try:
            if await _claim(found, partial(_refund_check_after, found)):
                await refund_call.ask(found)
        except GatewayDeclined as declined:
            await perform(refund_call.Fail(found, declined.failure))
        except GatewayProblem:
            _log.warning("refund.check_failed", refund=found.public_id)
        except Exception:  # noqa: BLE001 - one that fails must not stop the others
            _log.exception("refund.check_failed", refund=found.public_id)
    return len(rows)


def _refund_check_after(found: Refund, moment: datetime) -> datetime:
    return moment + CHECKS[min(found.checks, len(CHECKS) - 1)]


async def _claim(record: Payment | Refund, after: Callable[[datetime], datetime]) -> bool:
    """Put the next check of a payment or refund off until `after()`, which sees this check counted;
    False where another worker has, or where it has ended meanwhile.

    Before asking: a second worker, or a crash while asking, does not ask at once again.
    """
    record.checks += 1
    claimed = await sql.execute(
        f"UPDATE {sql.table_of(type(record))} SET checks = $2, next_check_at = $3"
        " WHERE id = $1 AND checks = $4 AND status = $5",
        record.id,
        record.checks,
        after(now()),
        record.checks - 1,
        record.status,
    )
    return claimed == 1
