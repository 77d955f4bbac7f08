"""Statements that are imported and transfers that staff record, for the tests of the domain."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from api.bank_files import read
from models.bank import import_statement
from models.bank.assign import DismissBankCredit
from models.bank.by_hand import RecordBankTransfer
from models.bank.import_statement import Import, outcomes
from models.bank.line import BankCredit
from models.db import sql
from models.journal.command import run
from models.payments.payment import Payment
from tests.support.bank.files import Day, Transfer
from tests.support.factories import STAFF, Client, a_client
from tests.support.providers import key


async def waiting(minor: int = 2500) -> tuple[Client, Payment]:
    ada = await a_client()
    return ada, await ada.begin(await ada.funds(minor, "bank"), "bank")


def a_day(*transfers: Transfer, **how: Any) -> Day:
    """A day on an account of its own, so that tests do not meet."""
    how = {"account": f"DE{key()}".upper().replace("-", ""), "currency": "USD", **how}
    return Day(transfers, **how)


def paid(payment: Payment, minor: int = 2500, **how: Any) -> Transfer:
    return Transfer(minor, f"Hosting {payment.reference} thank you", **{"ref": key(), **how})


async def take(data: bytes, day: Day) -> list[Import]:
    return [await import_statement.import_statement(one) for one in read(data, [day.account])]


async def counts(data: bytes, day: Day) -> dict[str, int]:
    told = outcomes(await take(data, day))
    return {outcome.value: number for outcome, number in told.items() if number}


async def lines_of(day: Day) -> list[tuple[str, str]]:
    rows = await sql.fetch(
        "SELECT state, why FROM bank_credit WHERE bank_account = $1 ORDER BY id", day.account
    )
    return [(row["state"], row["why"]) for row in rows]


async def only_line_of(day: Day) -> BankCredit:
    done = await take(day.camt053(), day)
    credit = done[0].taken[-1].record
    assert credit is not None
    return credit


async def dismiss(credit: BankCredit, **how: Any) -> BankCredit:
    by, used = how.pop("by", STAFF), how.pop("key", None) or key()
    return await run(DismissBankCredit(credit.id, how.get("reason", "not ours")), by, used)


async def record(begun: Payment, day: Day, line: str, minor: int = 2500, **how: Any) -> Payment:
    by, used = how.pop("by", STAFF), how.pop("key", None) or key()
    given = {"reference": begun.reference, "bank_account": day.account, **how}
    given = {"amount": Decimal(minor) / 100, "currency": "USD", "bank_transaction": line, **given}
    return await run(RecordBankTransfer(**given), by, used)
