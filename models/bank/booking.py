"""Booking a line of a bank statement: its money goes on the payment that it is for, once."""

from __future__ import annotations

from models.bank.line import BankCredit, BankCreditState
from models.db import sql
from models.db.connection import dialect
from models.db.record import new_id
from models.errors import Invalid
from models.gateway import GatewayEvent
from models.journal.journal import Journal
from models.payments.advance import advance, load_settlements
from models.payments.locked import LockedPayment, locked
from models.payments.payment import Payment
from models.payments.settlement import named


async def alone() -> None:
    """Until this transaction ends nobody else books or parks a line: whether a line is known is
    decided on all that have come, and what staff type may name its account in any way.
    """
    if dialect() == "postgres":  # SQLite's transactions begin IMMEDIATE
        statement = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
        await sql.fetch(statement, "bank credits")


async def locked_for(journal: Journal, payment: Payment, told: GatewayEvent) -> LockedPayment:
    """Hold the payment that a line is booked on, with what is to be known of it."""
    at = await locked(journal, payment, source=new_id().hex)
    await load_settlements(at, told)
    return at


def apply(at: LockedPayment, told: GatewayEvent) -> None:
    """Book what the bank says on a payment. Raises Invalid at `bank_transaction_id` where it is
    booked as something else.
    """
    assert told.amount is not None
    booked = [one for one in named(at.settlements, told) if one.gateway == at.payment.gateway]
    for one in booked:
        same = (one.payment_id, one.amount) == (at.payment.id, told.amount.minor)
        if one.kind == told.kind and not same:
            raise Invalid("bank_transaction_id", problem="bank_transaction_booked")
    advance(at, told)


def assign(line: BankCredit, payment: Payment) -> None:
    """Note that staff have booked a parked line on this payment."""
    line.put(state=BankCreditState.ASSIGNED.value, payment_id=payment.id)
