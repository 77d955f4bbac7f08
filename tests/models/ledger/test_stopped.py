"""What stops spending is one rule, whether Python or the database is asked."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from models.accounts import account as accounts
from models.credit import balance
from models.db import sql
from models.db.transactions import transaction
from models.ledger.chart import balance_id
from models.ledger.stopped import is_stopped
from tests.support.factories import STAFF, Client, a_client
from tests.support.providers import wire_provider

if TYPE_CHECKING:
    from uuid import UUID


@pytest.fixture(autouse=True)
def _wired(
    books: str,  # noqa: ARG001 - they are open, and not audited: a debt comes from nowhere here
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch)


async def _client(*, frozen: bool, open_disputes: int, debt: int) -> Client:
    ada = await a_client(frozen=frozen, open_disputes=open_disputes)
    await ada.given(1000)
    statement, id = "UPDATE balance SET debt = $2 WHERE id = $1", balance_id(ada.id, "USD")
    await transaction(lambda: sql.execute(statement, id, debt))
    return ada


@pytest.mark.parametrize("case", [*product((False, True), (0, 2), (0, 5))])
async def test_python_and_sql_agree_on_who_may_spend(case: tuple[bool, int, int]) -> None:
    frozen, open_disputes, debt = case
    ada = await _client(frozen=frozen, open_disputes=open_disputes, debt=debt)
    expected = is_stopped(frozen=frozen, open_disputes=open_disputes, debt=debt)
    assert (await ada.balance()).stopped is expected
    assert await accounts.frozen_of([ada.id]) == {ada.id: expected}


async def _balances(account_id: UUID) -> list[balance.BalanceState]:
    return (await balance.balances_of([account_id]))[account_id]


async def test_a_freeze_stops_a_currency_that_there_never_was_credit_in() -> None:
    ada = await _client(frozen=True, open_disputes=0, debt=0)
    assert (await balance.read(ada.id, "KWD")).stopped
    assert (await balance.balance_in(ada.account, "KWD", STAFF, _balances)).stopped
