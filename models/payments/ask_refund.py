"""Giving money back: staff decide within the policy, the gateway does it, its word settles it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from models.access.identity import Actor
from models.clock import now
from models.db import sql
from models.db.record import new_id, parse_id, public_id
from models.db.tasks import to_the_end
from models.db.transactions import ring, transaction
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    GatewayFailed,
    IdempotencyKeyReused,
    NotFound,
    NotRefundable,
)
from models.gateway import GatewayDeclined, GatewayProblem, RefundOrder
from models.invoices.invoice import Invoice, InvoiceKind
from models.journal import audit_log, idempotency, outbox
from models.ledger.book import Book, book
from models.money import Money
from models.payments import refund
from models.payments.circuit import call
from models.payments.inbox import take_in
from models.payments.locked import with_invoice
from models.payments.payment import Payment, PaymentStatus
from models.payments.payment import read as read_payment
from models.payments.refund import CHECKS, Refund, RefundStatus
from models.provider.provider import house
from models.text import clean_text

_log = structlog.get_logger()


async def refund_payment(
    payment_id: UUID,
    amount: Decimal | None,
    currency: str | None,
    reason: str,
    *,
    by: Actor,
    key: str,
) -> Refund:
    """Ask the gateway to give a payment, or `amount` of it, back. Staff only.

    Never more than what is there of it: of a deposit what is unspent, and only where the policy
    allows the exception; of an order what its gateway took in.
    The credit is held until the gateway has said what became of it. Raises NotFound, NotRefundable
    (`problem`: policy, gateway, not_paid, disputed, too_many, spent), AmountOutOfRange,
    AmountPrecision, CurrencyNotSupported, Invalid at `reason`, GatewayFailed where the gateway says
    no.
    """
    by.require_staff()
    refund_id = new_id()
    given = {
        "payment": payment_id.hex,
        "amount": None if amount is None else str(amount),
        "currency": currency,
        "reason": reason,
    }

    async def work() -> None:
        found = await read_payment(payment_id)
        if found is None:
            raise NotFound("payment_id")
        if currency is not None and currency != found.currency:
            raise CurrencyNotSupported("amount", "currency", currency=currency)
        why = clean_text(reason, "reason", maximum=500)
        async with book(found.account_id, found.currency) as opened:
            payment, invoice = await with_invoice(payment_id)
            wanted = None if amount is None else _parsed(amount, payment)
            given_back = await _allowed(opened, payment, invoice, wanted)
            asked = Refund(
                id=refund_id,
                created_at=now(),
                payment_id=payment.id,
                account_id=payment.account_id,
                currency=payment.currency,
                reason=why,
                status=RefundStatus.PENDING.value,
                next_check_at=now() + CHECKS[0],
                source=idempotency.source_of(by, key),
                **given_back,
            )
            await _begin(opened, asked, invoice)
        facts = {"amount": asked.amount, "currency": asked.currency, "reason": why}
        await audit_log.record(by, "payment.refund", payment.public_id, **facts)

    made = {"refund": public_id(Refund.PREFIX, refund_id)}
    done = await idempotency.once(
        by, key, "refundPayment", given, made, admit=idempotency.for_staff(by), work=work
    )
    if done is made:
        return await to_the_end(_ask_first(refund_id, by, key))
    return await _made(done["refund"])


def _parsed(amount: Decimal, payment: Payment) -> int:
    money = Money.parse(amount, payment.currency, "amount", "amount")
    if money.minor <= 0:
        raise AmountOutOfRange("amount", "amount", minimum=Money(1, payment.currency))
    return money.minor


async def _made(id: str) -> Refund:
    refund_id = parse_id(Refund.PREFIX, id)
    assert refund_id is not None
    found = await refund.read(refund_id)
    if found is None:  # refused by its gateway, and undone, since the key was looked up
        raise GatewayFailed("payment_id", problem="refund")
    return found


# ------------------------------------------------------------------------------- the rules


async def _allowed(
    opened: Book, payment: Payment, invoice: Invoice, wanted: int | None
) -> dict[str, Any]:
    """How much goes back, how much of it is credit, and from which capture."""
    _check_allowed(payment, invoice)
    refunds = (await refund.of_payments([payment.id])).get(payment.id, [])
    if len(refunds) >= refund.REFUNDS_MAX:
        raise NotRefundable("payment_id", problem="too_many", maximum=refund.REFUNDS_MAX)
    pending = [one for one in refunds if one.status == RefundStatus.PENDING]
    most = _most(opened, payment, invoice, pending)
    if most <= 0:
        raise NotRefundable("payment_id", problem="spent")
    amount = most if wanted is None else wanted
    if amount > most:
        raise AmountOutOfRange("amount", "amount", maximum=Money(most, payment.currency))
    held = amount if invoice.kind == InvoiceKind.FUNDS else min(amount, _excess(payment, pending))
    return {"amount": amount, "held": held, "capture": await _capture(payment, amount)}


async def _begin(opened: Book, asked: Refund, invoice: Invoice) -> None:
    """Write the refund down, and hold the credit that goes with it."""
    if not await sql.insert("refund", [sql.row_of(asked)], ignore_conflicts=True):
        raise IdempotencyKeyReused("idempotency_key")
    await refund.hold(opened, asked)
    facts = {"invoice": invoice.public_id, "refund": asked.public_id}
    await outbox.record(
        [outbox.Fact("payment.refund_pending", asked.account_id, asked.payment_id, facts)]
    )
    opened.touch()


def _check_allowed(payment: Payment, invoice: Invoice) -> None:
    policy = house().policy
    gateway = house().gateways.get(payment.gateway)
    if invoice.kind == InvoiceKind.FUNDS and not (
        policy.refundable_in_cash or policy.refund_exceptions
    ):
        raise NotRefundable("payment_id", problem="policy")
    if gateway is None or not gateway.refunds:
        raise NotRefundable("payment_id", problem="gateway")
    if payment.status != PaymentStatus.SUCCEEDED:
        raise NotRefundable("payment_id", problem="not_paid")
    if payment.disputed:
        raise NotRefundable("payment_id", problem="disputed")


def _most(opened: Book, payment: Payment, invoice: Invoice, pending: list[Refund]) -> int:
    """What can be given back at the most, in minor units; of a deposit never its fee."""
    under_way = sum(one.amount for one in pending)
    if invoice.kind == InvoiceKind.FUNDS:
        there: int = payment.applied + payment.excess - under_way
        return min(there, opened.deposits)
    excess = _excess(payment, pending)
    # What became credit goes first (`settlement`), so credit that is spent bounds all of it.
    left: int = payment.received - payment.taken_back - under_way
    return left if excess <= opened.deposits else opened.deposits


def _excess(payment: Payment, pending: list[Refund]) -> int:
    """What became credit of it, less what pending refunds hold."""
    left: int = payment.excess - sum(one.held for one in pending)
    return max(0, left)


async def _capture(payment: Payment, amount: int) -> str:
    """The reference of the capture to give `amount` back from: the largest one, which all but very
    odd payments have only one of. Raises NotRefundable where staff have recorded it, and the
    gateway has not said what it is called.
    """
    row = await sql.fetch_one(
        "SELECT reference, amount FROM settlement WHERE payment_id = $1"
        " AND kind IN ('CAPTURED', 'CONFIRMED') AND reference <> $2"
        " ORDER BY amount DESC, id LIMIT 1",
        payment.id,
        payment.public_id,
    )
    if row is None:
        raise NotRefundable("payment_id", problem="gateway")
    if row["amount"] < amount:
        maximum = Money(row["amount"], payment.currency)
        raise AmountOutOfRange("amount", "amount", maximum=maximum)
    return str(row["reference"])


# ------------------------------------------------------------------------------- the gateway


async def _ask_first(refund_id: UUID, by: Actor, key: str) -> Refund:
    """Ask the gateway. Where it says no, everything is undone, the key is free and GatewayFailed is
    raised; where it does not answer, the refund is pending and the worker asks again.
    """
    found = await refund.read(refund_id)
    assert found is not None
    try:
        await ask(found)
    except GatewayDeclined as no:
        failure = no.failure
        await transaction(lambda: fail(refund_id, failure, by, key))
        raise GatewayFailed("payment_id", failure=failure, problem="refund") from None
    except GatewayProblem:
        _log.warning("refund.unanswered", refund=found.public_id, exc_info=True)
    after = await refund.read(refund_id)
    assert after is not None
    return after


async def ask(found: Refund) -> None:
    """Ask the gateway for a refund, or what became of it, and apply the answer.

    Raises GatewayProblem, GatewayDeclined.
    """
    payment, invoice = await with_invoice(found.payment_id)
    gateway = house().gateways.get(payment.gateway)
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


async def fail(refund_id: UUID, failure: str, by: Actor | None = None, key: str = "") -> None:
    """The gateway said no: the credit is free again."""
    found = await refund.read(refund_id)
    assert found is not None
    async with book(found.account_id, found.currency) as opened:
        found = await refund.read(refund_id)
        assert found is not None
        if found.status != RefundStatus.PENDING:
            return
        await refund.free(opened, found)
        await refund.end(found, RefundStatus.FAILED, failure[:64])
        opened.touch()
    payment = (await with_invoice(found.payment_id))[0]
    facts = {"refund": found.public_id, "failure": failure}
    await outbox.record(
        [outbox.Fact("payment.refund_failed", payment.account_id, payment.id, facts)]
    )
    ring(f"invoice:{payment.invoice_id.hex}")
    if by is not None:
        await found.change(source=None)
        await idempotency.release(by, key)
