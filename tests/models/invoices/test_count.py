"""How many invoices an account has is counted by the database, whoever writes them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from tortoise.connection import get_connection

from models.db import connection, sql
from models.db.page import PageRequest
from models.db.record import new_id
from models.db.transactions import transaction
from models.invoices import invoice
from tests.support.factories import Client, a_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from models.invoices.invoice import Invoice

pytestmark = pytest.mark.usefixtures("provider")


class _Undo(Exception):
    """The invoices that were written behind the code's back are gone again."""


async def _undone(work: Callable[[], Awaitable[None]]) -> None:
    async def undone() -> None:
        await work()
        raise _Undo

    with pytest.raises(_Undo):
        await transaction(undone)


async def _counted(*clients: Client) -> list[int]:
    found = [
        await sql.fetch("SELECT invoices FROM invoice_count WHERE account_id = $1", client.id)
        for client in clients
    ]
    return [rows[0]["invoices"] if rows else 0 for rows in found]


async def _load(bill: Invoice, owners: list[Client]) -> None:
    """Copies of an invoice, in one statement of SQL."""
    (row,) = await sql.fetch("SELECT * FROM invoice WHERE id = $1", bill.id)
    none = {"credit_note_number": None, "transfer_reference": None}
    rows = [
        {**row, **none, "id": new_id(), "number": f"X-{n}", "account_id": owner.id}
        for n, owner in enumerate(owners)
    ]
    await sql.insert("invoice", rows)


async def test_all_ways_of_writing_invoices_are_counted() -> None:
    ada, bo = await a_client(), await a_client()
    bill = await ada.order()
    await ada.order()

    async def work() -> None:
        assert await _counted(ada, bo) == [2, 0]
        await _load(bill, [bo, ada, bo, ada, ada])
        assert await _counted(ada, bo) == [5, 2]
        await sql.execute("UPDATE invoice SET account_id = $1 WHERE number = 'X-1'", bo.id)
        assert await _counted(ada, bo) == [4, 3]
        await sql.execute("DELETE FROM invoice WHERE number IN ('X-0', 'X-1', 'X-4')")
        assert await _counted(ada, bo) == [3, 1]

    await _undone(work)
    assert await _counted(ada, bo) == [2, 0]


async def test_what_is_asked_for_is_what_is_counted() -> None:
    ada = await a_client()
    assert (await invoice.page(PageRequest(count=True), by=ada.actor)).total == 0
    for _ in range(3):
        await ada.order()
    assert (await invoice.page(PageRequest(first=1, count=True), by=ada.actor)).total == 3


@pytest.mark.postgres_only
async def test_a_table_that_is_emptied_counts_none() -> None:
    await (await a_client()).order()

    async def work() -> None:
        await sql.execute("TRUNCATE invoice")
        assert await sql.fetch("SELECT * FROM invoice_count") == []

    await _undone(work)


async def test_invoices_from_before_are_counted_when_the_database_is_migrated() -> None:
    ada = await a_client()
    bill = await ada.order()
    migration = import_module("models.migrations.0020_pages")

    class Editor:
        client: Any = get_connection("default")
        DIALECT = connection.dialect()

    async def work() -> None:
        Editor.client = get_connection("default")
        await sql.execute("DELETE FROM invoice_count")
        await migration._unmake(None, Editor)
        await migration._make(None, Editor)
        assert await _counted(ada) == [1]
        await _load(bill, [ada])
        assert await _counted(ada) == [2]

    await _undone(work)
