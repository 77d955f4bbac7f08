"""Pages of a list that is filtered: they meet, in both directions, and indexes find their rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.credit import balance, lines
from models.credit.lines import StatementLineFilter
from models.db import page, sql
from models.db.page import BY_VERSION, PageRequest, Rows, by_id
from models.invoices import invoice
from models.invoices.invoice import Invoice, InvoiceFilter
from tests.support.factories import STAFF, Client, a_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from models.db.page import Page

pytestmark = pytest.mark.usefixtures("provider")


async def _with_invoices() -> tuple[Client, list[Invoice]]:
    """Fourteen of all sorts, oldest first."""
    ada = await a_client()
    await ada.given(10_000)
    made = []
    for n in range(14):
        bill = await ada.order(100, reference=f"R-{n % 3}" if n % 2 else None)
        made.append(await ada.spend(bill) if n % 3 else bill)
    return ada, made


async def _walked(
    read: Callable[[PageRequest], Awaitable[Page[Any]]], cursor: Callable[[Any], str]
) -> tuple[list[Any], list[Any]]:
    """All rows, newest first: read forwards, and backwards."""
    forwards: list[Any] = []
    found = await read(PageRequest(first=2))
    forwards += found.rows
    while found.has_next:
        found = await read(PageRequest(first=2, after=cursor(forwards[-1])))
        forwards += found.rows
    found = await read(PageRequest(last=3))
    backwards = [*found.rows]
    while found.has_previous:
        found = await read(PageRequest(last=3, before=cursor(backwards[0])))
        backwards = [*found.rows, *backwards]
    return forwards, backwards


@pytest.mark.parametrize("by_staff", [False, True])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"status": ["PAID"]},
        {"status": ["UNPAID", "PAID", "UNPAID"]},
        {"status": ["VOID"]},
        {"status": ["PAID", "UNPAID"], "reference": "R-1"},
        {"reference": "R-2"},
        {"issued_after": 3},
        {"issued_after": 2, "issued_before": 11, "status": ["PAID"]},
        {"issued_before": 9, "kind": "ORDER"},
        {"overdue": True},
        {"overdue": False},
    ],
    ids=str,
)
async def test_pages_of_a_filter_meet_in_both_directions(
    wanted: dict[str, Any], *, by_staff: bool
) -> None:
    ada, bills = await _with_invoices()
    given = {
        name: bills[value].issued_at if name.startswith("issued") else value
        for name, value in wanted.items()
    }
    chosen = InvoiceFilter(**given)
    by = STAFF if by_staff else ada.actor
    account = None if by_staff else ada.id

    async def read(request: PageRequest) -> Page[Invoice]:
        found = await invoice.page(request, by=by, account_id=account, filter=chosen)
        found.rows[:] = [bill for bill in found.rows if by_staff or bill.account_id == ada.id]
        return found

    def fits(bill: Invoice) -> bool:
        after, before = chosen.issued_after, chosen.issued_before
        return (
            (chosen.status is None or bill.status in chosen.status)
            and chosen.reference in {None, bill.reference}
            and (after is None or bill.issued_at > after)
            and (before is None or bill.issued_at < before)
            and chosen.overdue in {None, bill.overdue}
        )

    forwards, backwards = await _walked(read, lambda bill: bill.public_id)
    assert [bill.id for bill in forwards] == [bill.id for bill in backwards]
    mine = [bill.number for bill in forwards if bill.account_id == ada.id]
    assert mine == [bill.number for bill in reversed(bills) if fits(bill)]
    assert (await read(PageRequest(first=1, count=True))).total == len(forwards)


async def test_pages_of_a_time_in_the_statement_meet_in_both_directions() -> None:
    ada = await a_client()
    for n in range(9):
        await ada.given(10 + n)
    all_lines = await ada.lines()
    chosen = StatementLineFilter(after=all_lines[1].created_at, before=all_lines[7].created_at)

    async def read(request: PageRequest) -> Page[Any]:
        return await lines.page(None, None, request, by=ada.actor, filter=chosen)

    forwards, backwards = await _walked(read, lambda line: str(line.version))
    assert [line.version for line in forwards] == [7, 6, 5, 4, 3]
    assert [line.version for line in backwards] == [7, 6, 5, 4, 3]
    assert (await read(PageRequest(count=True))).total == 5


async def test_the_statement_has_as_many_lines_as_its_last_one_says() -> None:
    ada = await a_client()
    empty = await lines.page(None, None, PageRequest(count=True), by=ada.actor)
    for _ in range(3):
        await ada.given(10)
    found = await lines.page(None, None, PageRequest(first=1, count=True), by=ada.actor)
    assert (empty.total, found.total) == (0, 3)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({"status": ["UNPAID"]}, "ix_invoice_status (account_id=? AND status=?)"),
        ({"status": ["UNPAID", "VOID"]}, "ix_invoice_status (account_id=? AND status=?)"),
        ({"overdue": True}, "ix_invoice_due (account_id=? AND due_on<?)"),
        ({"reference": "R-1"}, "ix_invoice_quoted (account_id=? AND reference=?)"),
        ({"issued_after": 0}, "ix_invoice_issued (account_id=? AND issued_at>?)"),
        (
            {"issued_before": 0, "status": ["PAID"]},
            "ix_invoice_issued (account_id=? AND issued_at<?)",
        ),
    ],
    ids=str,
)
async def test_an_index_finds_the_invoices_of_a_filter(wanted: dict[str, Any], index: str) -> None:
    ada = await a_client()
    bill = await ada.order()
    given = {
        name: bill.issued_at + timedelta(days=1) if name.startswith("issued") else value
        for name, value in wanted.items()
    }
    rows = invoice._in_sight(ada.actor, None)
    invoice._choose(rows, InvoiceFilter(**given))  # type: ignore[arg-type]
    statement = page._query("invoice", rows, PageRequest(), by_id(Invoice.PREFIX))
    assert index in await _plan(statement, rows)


@pytest.mark.sqlite_only
async def test_an_index_finds_the_lines_of_a_time() -> None:
    ada = await a_client()
    await ada.given(5)
    [line] = await ada.lines()
    rows = Rows("account_id = $1 AND currency = $2", [ada.id, "USD"])
    lines._choose(rows, StatementLineFilter(after=line.created_at))
    statement = page._query("credit_transaction", rows, PageRequest(), BY_VERSION)
    assert "USING COVERING INDEX ix_line_moment" in await _plan(statement, rows)


@pytest.mark.sqlite_only
async def test_an_index_finds_the_deposits_that_have_begun() -> None:
    rows = Rows("", [(await a_client()).id, "USD"])
    statement = balance.PENDING_SQL.format(account="$1", currency="$2")
    assert "USING INDEX ix_invoice_due_deposit" in await _plan(statement, rows)


async def _plan(statement: str, rows: Rows) -> str:
    plan = await sql.fetch(f"EXPLAIN QUERY PLAN {statement}", *rows.args)
    return "\n".join(row["detail"] for row in plan)
