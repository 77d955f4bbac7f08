"""Asking for a refund: what staff may give back, and the credit that is held meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.db import sql
from models.db.tasks import to_the_end
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    GatewayFailed,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    NotRefundable,
)
from models.invoices.allocation import Allocation
from models.journal.command import Invocation, StaffCommand
from models.journal.idempotency import LATER, Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.money import Money
from models.payments import refund as refunds
from models.payments.locked import LockedPayment, locked
from models.payments.payment import Payment
from models.payments.payment import read as read_payment
from models.payments.refund import CHECKS, Refund, hold
from models.payments.refund_call import ask_first
from models.provider.provider import provider
from models.status import PaymentStatus, RefundStatus
from models.text import clean_text


@dataclass(frozen=True, slots=True)
class Refundable:
    """What a refund is decided on; `capture` is the largest of the payment that has a name, with
    its amount in minor units.
    """

    at: LockedPayment
    capture: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class RefundPayment(StaffCommand[Refundable, Refund]):
    """Ask the gateway to give a payment, or `amount` of it, back. Staff only.

    Never more than what is there of it: of a deposit what is unspent, and only where the policy
    allows the exception; of an order what its gateway took in.
    The credit is held until the gateway has said what became of it. Raises NotFound, NotRefundable
    (`problem`: policy, gateway, not_paid, disputed, too_many, spent), AmountOutOfRange,
    AmountPrecision, CurrencyNotSupported, Invalid at `reason`, GatewayFailed where the gateway says
    no. Of a payment for several invoices `invoice_id` says of which: Invalid at `invoice_id`.
    Without it, what was paid too much is given back.
    """

    mutation: ClassVar[str] = "refundPayment"
    makes: ClassVar[tuple[str, str]] = ("refund", Refund.PREFIX)

    payment_id: UUID
    amount: Decimal | None
    currency: str | None
    reason: str
    invoice_id: UUID | None = field(default=None, metadata=LATER)

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Refundable:
        found = await read_payment(self.payment_id)
        if found is None:
            raise NotFound("payment_id")
        if await sql.fetch("SELECT id FROM refund WHERE source = $1", asked.source):
            raise IdempotencyKeyReused("idempotency_key")
        at = await locked(journal, found)
        return Refundable(at, await _capture(at.payment))

    @override
    def decide(self, found: Refundable, asked: Invocation, journal: Journal) -> Refund:
        payment = found.at.payment
        if self.currency is not None and self.currency != payment.currency:
            raise CurrencyNotSupported("amount", "currency", currency=self.currency)
        why = clean_text(self.reason, "reason", maximum=500)
        wanted = None if self.amount is None else _parsed(self.amount, payment)
        share = self._share(found.at)
        amount, held, capture = _allowed(found, wanted, share)
        refund = Refund(
            id=asked.id,
            created_at=journal.at,
            payment_id=payment.id,
            account_id=payment.account_id,
            currency=payment.currency,
            amount=amount,
            held=held,
            reason=why,
            status=RefundStatus.PENDING.value,
            capture=capture,
            next_check_at=journal.at + CHECKS[0],
            source=asked.source,
            invoice_id=share.invoice_id if share else None,
        )
        _begin(found.at, refund)
        facts = {"amount": refund.amount, "currency": refund.currency, "reason": why}
        own = payment.account_id
        journal.log(asked.by, "payment.refund", payment.public_id, own, **facts)
        return refund

    def _share(self, at: LockedPayment) -> Allocation | None:
        """Of a payment for several invoices, the one that it is to be a refund of."""
        named, payment = self.invoice_id, at.payment
        if named is None and payment.several and not payment.excess:
            raise Invalid("invoice_id", problem="invoice_of_several")
        if named is not None and named not in payment.invoice_ids:
            raise NotFound("invoice_id")
        return next((one for one in payment.allocations if one.invoice_id == named), None)

    @override
    async def follow(self, answer: Refund, asked: Invocation) -> Refund:
        return await to_the_end(ask_first(answer.id, asked.by, asked.key))

    @override
    async def recall(self, made: Made, asked: Invocation) -> Refund:
        assert made.id is not None
        found = await refunds.read(made.id)
        if found is None:  # refused by its gateway, and undone, since the key was looked up
            raise GatewayFailed("payment_id", problem="refund")
        return found


def _parsed(amount: Decimal, payment: Payment) -> int:
    money = Money.parse(amount, payment.currency, "amount", "amount")
    if money.minor <= 0:
        raise AmountOutOfRange("amount", "amount", minimum=Money(1, payment.currency))
    return money.minor


def _allowed(
    found: Refundable, wanted: int | None, share: Allocation | None
) -> tuple[int, int, str]:
    """How much goes back, how much of it is credit, and from which capture."""
    at, payment = found.at, found.at.payment
    _check_allowed(at)
    if len(at.refunds) >= refunds.REFUNDS_MAX:
        raise NotRefundable("payment_id", problem="too_many", maximum=refunds.REFUNDS_MAX)
    if share is not None:
        most = _most_of(at, share)
    elif payment.several:
        most = min(_excess(at), at.book.deposits)
    else:
        most = _most(at)
    if most <= 0:
        raise NotRefundable("payment_id", problem="spent")
    amount = most if wanted is None else wanted
    if amount > most:
        raise AmountOutOfRange("amount", "amount", maximum=Money(most, payment.currency))
    if found.capture is None:  # staff have recorded it, and its gateway has not named it
        raise NotRefundable("payment_id", problem="gateway")
    capture, captured = found.capture
    if captured < amount:
        raise AmountOutOfRange("amount", "amount", maximum=Money(captured, payment.currency))
    if share is not None:  # what it has paid is in sales, all of it
        return amount, 0, capture
    return amount, amount if at.funds else min(amount, _excess(at)), capture


def _begin(at: LockedPayment, asked: Refund) -> None:
    """Write the refund down, and hold the credit that goes with it."""
    at.book.journal.claim(asked)
    hold(at.book, asked)
    facts = {"payment": at.payment.public_id, "refund": asked.public_id}
    about = asked.invoice_id or at.invoice.id
    at.book.journal.tell(FactKind.INVOICE_UPDATED, asked.account_id, about, **facts)
    at.book.touch()


def _check_allowed(at: LockedPayment) -> None:
    payment, policy = at.payment, provider().policy
    gateway = provider().gateways.get(payment.gateway)
    if at.funds and not (policy.refundable_in_cash or policy.refund_exceptions):
        raise NotRefundable("payment_id", problem="policy")
    if gateway is None or not gateway.refunds:
        raise NotRefundable("payment_id", problem="gateway")
    if payment.status != PaymentStatus.SUCCEEDED:
        raise NotRefundable("payment_id", problem="not_paid")
    if payment.disputed:
        raise NotRefundable("payment_id", problem="disputed")


def _most(at: LockedPayment) -> int:
    """What can be given back at the most, in minor units; of a deposit never its fee."""
    payment, deposits = at.payment, at.book.deposits
    under_way = sum(one.amount for one in at.pending_refunds)
    if at.funds:
        there: int = payment.applied + payment.excess - under_way
        return min(there, deposits)
    # What became credit goes first (`take_back`), so credit that is spent bounds all of it.
    left: int = payment.kept - under_way
    return left if _excess(at) <= deposits else deposits


def _most_of(at: LockedPayment, share: Allocation) -> int:
    """What can be given back of one of several invoices; never the fee, which was for all."""
    waiting = (one for one in at.pending_refunds if one.invoice_id == share.invoice_id)
    left: int = share.applied - sum(one.amount for one in waiting)
    return left


def _excess(at: LockedPayment) -> int:
    """What became credit of it, less what pending refunds hold."""
    left: int = at.payment.excess - sum(one.held for one in at.pending_refunds)
    return max(0, left)


async def _capture(payment: Payment) -> tuple[str, int] | None:
    """The reference of the capture to give money back from, and its amount: the largest one, which
    all but very odd payments have only one of; None where its gateway has not named any.
    """
    row = await sql.fetch_one(
        "SELECT reference, amount FROM settlement WHERE payment_id = $1"
        " AND kind IN ('CAPTURED', 'CONFIRMED') AND reference <> $2"
        " ORDER BY amount DESC, id LIMIT 1",
        payment.id,
        payment.public_id,
    )
    return (row["reference"], row["amount"]) if row else None
