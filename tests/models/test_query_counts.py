"""How many statements the hot operations take, whatever they find; counted at the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from models.access import session
from models.access.credential import actor_of_credential
from models.access.user import User
from models.credit import balance
from models.db import connection, sql
from models.db.page import PageRequest
from models.invoices import invoice
from tests.support.factories import a_client
from tests.support.query_counter import asked

if TYPE_CHECKING:
    from tests.support.query_counter import Asked

pytestmark = pytest.mark.usefixtures("provider")


async def test_a_session_is_looked_up_in_one_statement() -> None:
    ada = await a_client()
    user = await User.create(role="CLIENT", email="a@x.org", account_id=ada.id, name="Ada")
    _, token = await session.open_session(user)
    async with asked() as seen:
        assert await actor_of_credential(token, "") is not None
    assert len(seen.all) == 1


async def test_a_balance_is_read_in_one_statement_whatever_belongs_to_it() -> None:
    ada = await a_client()
    await ada.given(5000)
    await ada.granted(500)
    await ada.begin(await ada.funds())
    async with asked() as seen:
        state = await ada.balance()
    assert (state.available, state.promotional, state.pending) == (5500, 500, 2500)
    assert len(seen.all) == 1


async def test_all_balances_of_many_accounts_are_read_in_one_statement() -> None:
    clients = [await a_client() for _ in range(3)]
    for client in clients:
        await client.given(100)
    async with asked() as seen:
        found = await balance.balances_of([client.id for client in clients])
    assert [found[client.id][0].available for client in clients] == [100, 100, 100]
    assert len(seen.all) == 1


async def test_a_page_takes_a_statement_and_its_count_another() -> None:
    ada = await a_client()
    for _ in range(3):
        await ada.order()
    async with asked() as seen:
        await invoice.page(PageRequest(first=2), by=ada.actor)
    assert len(seen.all) == 1
    async with asked() as seen:
        found = await invoice.page(PageRequest(first=2, count=True), by=ada.actor)
    assert (len(found.rows), found.total) == (2, 3)
    assert len(seen.all) == 2


async def test_paying_with_credit_takes_four_trips_to_postgres_and_one_to_sqlite() -> None:
    ada = await a_client()
    await ada.given(5000)
    bill = await ada.order()
    async with asked() as seen:
        assert (await ada.spend(bill)).status == "PAID"
    _at_most(seen, 4, tables=6)


async def test_paying_with_several_grants_and_a_deposit_takes_no_more() -> None:
    ada = await a_client()
    await ada.given(5000)
    for _ in range(3):
        await ada.granted(500)
    bill = await ada.order(2500)
    async with asked() as seen:
        assert (await ada.spend(bill)).status == "PAID"
    assert await ada.amounts() == (4000, 0, 0, 0)
    _at_most(seen, 4, tables=7)


def _at_most(seen: Asked, statements: int, *, tables: int) -> None:
    """All in the one transaction. SQLite writes each of the `tables` by itself, and says so."""
    assert seen.transactions == 1
    assert seen.statements == seen.inside
    if connection.dialect() == "sqlite":
        reads = [one for one in seen.inside if one.startswith("SELECT")]
        written = {one.split('"')[1] for one in seen.inside if one not in reads}
        assert len(written) == tables
        assert len(reads) < statements
    else:
        assert len(seen.inside) <= statements, "\n".join(seen.inside)


async def test_a_page_of_invoices_reads_no_snapshots() -> None:
    ada = await a_client()
    bill = await ada.order()
    async with asked() as seen:
        [row] = (await invoice.page(PageRequest(), by=ada.actor)).rows
    assert "snapshot" not in "".join(seen.all)
    assert "*" not in "".join(seen.all)
    whole = await invoice.made_invoice(bill.id)
    columns = set(sql.row_of(whole)) - {"snapshot"}
    assert {name: getattr(row, name) for name in columns} == {
        name: getattr(whole, name) for name in columns
    }
    with pytest.raises(AttributeError):
        _ = row.snapshot
