"""Numbers of documents: without gaps, and held for the shortest time."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from models.db import transactions
from models.db.caller import called_by
from models.errors import TryAgain
from models.journal.command import run
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, a_client
from tests.support.providers import key
from tests.support.query_counter import asked

pytestmark = pytest.mark.usefixtures("provider")


def after_the_number(statements: list[str]) -> list[str]:
    """What a transaction does while nobody else can have a number."""
    [at] = [n for n, one in enumerate(statements) if "number_series" in one]
    return statements[at + 1 :]


@pytest.mark.postgres_only
async def test_the_series_is_the_last_lock_and_is_held_for_few_statements() -> None:
    ada = await a_client()
    await ada.given(2500)
    held = {}
    async with asked() as seen:
        bill = await ada.order(2500, apply_credit=True)
        held["order that credit paid"] = after_the_number(seen.inside)
        seen.all.clear()
        await ada.funds()
        held["funds"] = after_the_number(seen.inside)
        seen.all.clear()
        await run(VoidInvoice(bill.id, "a mistake"), STAFF, key())
        held["credit note"] = after_the_number(seen.inside)
    assert {name: len(statements) for name, statements in held.items()} == {
        "order that credit paid": 1,
        "funds": 1,
        "credit note": 1,
    }
    for statements in held.values():
        for one in statements:
            assert "FOR UPDATE" not in one
            assert one.startswith(("WITH s0", "INSERT", "UPDATE invoice")), one


@pytest.mark.postgres_only
async def test_who_holds_the_series_and_stands_still_stops_no_payment(books: str) -> None:
    ada, bo = await a_client(), await a_client()
    await ada.given(5000)
    bill = await ada.order(2500)
    connection = await asyncpg.connect(books.partition("&maxsize")[0])
    held = connection.transaction()
    await held.start()
    await connection.execute("UPDATE number_series SET last_number = last_number")
    with called_by("bo"):
        waiting = [asyncio.create_task(bo.order(100)) for _ in range(3)]
    assert (await ada.spend(bill)).status == "PAID"
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in answers] == [TryAgain] * 3
    await held.rollback()
    await connection.close()
    assert (await bo.order(100)).number > bill.number
    assert transactions.waiting_transactions() == 0
