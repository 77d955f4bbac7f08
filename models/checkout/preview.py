"""Previews: what adding funds or paying would come to, decided as the mutations decide, together
with the capture that would follow. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.access.identity import Actor
from models.checkout.pay_many import PaidMany, PayInvoices
from models.checkout.payable import Payable
from models.checkout.paying import Paid, pay
from models.checkout.split import Wish
from models.clock import now
from models.db.record import new_id
from models.errors import GatewayNotAvailable
from models.gateway import EventKind, GatewayEvent
from models.invoices.deposit import AddFunds, Depositor, deposit_amount
from models.invoices.terms import Terms
from models.journal.command import Invocation, spent_by
from models.journal.journal import Journal
from models.journal.preview import preview
from models.money import Money
from models.payments.advance import advance
from models.payments.locked import LockedInvoice, LockedPayment, Share
from models.payments.payment import Payment
from models.provider.offer import ranked
from models.provider.provider import provider


@dataclass(frozen=True, slots=True)
class FundsPreview:
    """What a deposit comes to once it is paid, in minor units of `currency`: of `credited` and
    `debt_repaid` it consists, and with the `fee` it is what is `charged`.
    """

    currency: str
    credited: int
    debt_repaid: int
    fee: int
    charged: int
    available_after: int


@dataclass(frozen=True, slots=True)
class PaymentPreview:
    """What paying comes to, and what is available once the payment has come in; minor units."""

    terms: Terms
    available_after: int


async def preview_funds(add: AddFunds, by: Actor) -> FundsPreview:
    """What `add` would come to. Without a gateway's code it is the one that suits the client best.

    Raises Forbidden without `credit:read`, and what the command refuses.
    """
    by.require_scope("credit:read")
    add.require(by)
    if not add.gateway:
        deposit = deposit_amount(add.amount, add.currency)
        best = ranked(provider().gateways.values(), deposit)
        if not best:
            raise GatewayNotAvailable("gateway")
        add = replace(add, gateway=best[0].code)

    def decided(found: Depositor, asked: Invocation[Any], journal: Journal) -> FundsPreview:
        return funds_added(add, found, asked, journal)

    return await preview(add, by, decided)


def funds_added(
    add: AddFunds, found: Depositor, asked: Invocation[Any], journal: Journal
) -> FundsPreview:
    """The deposit issued, paid and captured on what was read."""
    book = found.book
    debt, available = book.debt, book.available
    at = LockedInvoice(add.decide(found, asked, journal), book, [])
    # A gateway that is out of order now may be back when the invoice is paid.
    paid = pay(Payable(at, found.begun, is_down=False), Wish(gateway=add.gateway), new_id())
    assert paid.payment is not None
    come_in([at], paid.payment)
    return FundsPreview(
        currency=add.currency,
        credited=book.available - available,
        debt_repaid=debt - book.debt,
        fee=paid.payment.fee,
        charged=paid.payment.charged,
        available_after=book.available,
    )


async def preview_payment(command: PayInvoices, by: Actor) -> PaymentPreview:
    """What paying would come to. Raises Forbidden where credit is used without `credit:read`, and
    what the command and the budget of an API key refuse.
    """
    if command.use_credit:
        by.require_scope("credit:read")
    spent: dict[str, int] = {}

    def decided(found: Payable, asked: Invocation[Any], journal: Journal) -> PaymentPreview:
        answer = command.decide(found, asked, journal)
        spent.update(spent_by(command.paid(answer), journal))
        return previewed(answer, found)

    told = await preview(command, by, decided)
    if by.budget is not None:
        await by.budget.check(spent, now())
    return told


def previewed(answer: Paid | PaidMany, found: Payable) -> PaymentPreview:
    """What was decided on what was read, where what goes through a gateway is captured."""
    assert answer.terms is not None
    if answer.payment is not None:
        come_in(found.bills, answer.payment)
    return PaymentPreview(answer.terms, found.at.book.available)


def come_in(bills: Sequence[LockedInvoice], payment: Payment) -> None:
    """What is charged is captured."""
    amount = Money(payment.charged, payment.currency)
    told = GatewayEvent("", EventKind.CAPTURED, payment.public_id, payment.reference, amount)
    first = bills[0]
    open = [*first.payments, payment]
    at = LockedPayment(payment, first.invoice, first.book, payment.id.hex, open)
    for bill, allocation in zip(bills, payment.allocations, strict=False):
        at.several.append(Share(bill.invoice, [*bill.payments, payment], allocation))
    advance(at, told)
