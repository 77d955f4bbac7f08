"""Reading: balances, the statement and invoices, at a price that does not grow."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models import clock
from models.access.identity import Actor, Role
from models.credit import balance, lines
from models.db import record, transactions
from models.db.page import PageRequest
from models.errors import InsufficientCredit, Invalid, NotFound
from models.invoices import invoice, order
from models.invoices.invoice import InvoiceFilter
from models.invoices.order import CreateOrder
from models.journal.command import run
from models.ledger.credit_transaction import StatementLineKind
from models.money import Money
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, Client, a_client, captured, tell
from tests.support.providers import key
from tests.support.query_counter import asked

pytestmark = pytest.mark.usefixtures("provider")


async def _with_lines(count: int) -> Client:
    ada = await a_client()
    for n in range(1, count + 1):
        await ada.given(n)
    return ada


async def test_the_statement_says_what_the_balance_was_after_each_line() -> None:
    ada = await a_client()
    await ada.granted(300)
    await ada.given(1000)
    begun = await ada.begin(await ada.order(2500), credit_limit=400)
    await ada.spend(await ada.order(500))
    await tell(begun, captured(begun))
    assert [
        (
            line.version,
            line.kind,
            line.amount,
            line.balance_after,
            line.available_after,
            line.reserved_after,
            line.promotional_after,
        )
        for line in await ada.lines()
    ] == [
        (1, "VOUCHER", 300, 300, 300, 0, 300),
        (2, "ADJUSTMENT", 1000, 1300, 1300, 0, 300),
        (3, "INVOICE_PAYMENT", -500, 800, 400, 400, 0),
        (4, "INVOICE_PAYMENT", -400, 400, 400, 0, 0),
    ]


async def test_pages_of_the_statement_are_newest_first_and_meet() -> None:
    ada = await _with_lines(7)
    versions: list[int] = []
    after, more = None, True
    while more:
        page = await lines.page(
            None, "USD", PageRequest(first=3, after=after, count=True), by=ada.actor
        )
        versions += [line.version for line in page.rows]
        after, more = str(versions[-1]), page.has_next
        assert page.total == 7
    assert versions == [7, 6, 5, 4, 3, 2, 1]


async def test_a_page_from_the_end_is_newest_first_too() -> None:
    ada = await _with_lines(7)
    last = await lines.page(None, "USD", PageRequest(last=3), by=ada.actor)
    assert ([line.version for line in last.rows], last.has_previous) == ([3, 2, 1], True)
    before = await lines.page(None, "USD", PageRequest(last=3, before="3"), by=ada.actor)
    assert [line.version for line in before.rows] == [6, 5, 4]
    assert (before.has_next, before.has_previous) == (True, True)
    assert before.total is None


@pytest.mark.parametrize("size", [0, 1, 100])
async def test_a_page_has_no_more_than_it_was_asked_for(size: int) -> None:
    ada = await _with_lines(2)
    page = await lines.page(None, "USD", PageRequest(first=size), by=ada.actor)
    assert len(page.rows) == min(size, 2)
    assert page.has_next == (size < 2)


@pytest.mark.parametrize("cursor", ["", "x", "1.5", "9" * 40, "-" + "9" * 40])
async def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    ada = await _with_lines(1)
    with pytest.raises(Invalid) as refusal:
        await lines.page(None, "USD", PageRequest(after=cursor), by=ada.actor)
    assert (refusal.value.field, refusal.value.problem) == (("after",), "cursor")


@pytest.mark.parametrize(
    ("wish", "field"),
    [({"first": 101}, "first"), ({"last": -1}, "last"), ({"first": 1, "last": 1}, "first")],
)
async def test_a_page_that_makes_no_sense_is_refused(wish: dict[str, int], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        PageRequest(**wish)  # type: ignore[arg-type]
    assert refusal.value.field == (field,)


async def test_the_statement_is_filtered_by_kind_and_time() -> None:
    ada = await a_client()
    await ada.granted(300)
    await ada.given(1000)
    await ada.spend(await ada.order(500))
    _, second, third = await ada.lines()

    async def read(**filter: object) -> list[str]:
        wanted = lines.StatementLineFilter(**filter)  # type: ignore[arg-type]
        page = await lines.page(None, "USD", PageRequest(count=True), by=ada.actor, filter=wanted)
        assert page.total == len(page.rows)
        return [line.kind for line in page.rows]

    assert await read(kinds=[StatementLineKind.VOUCHER, StatementLineKind.ADJUSTMENT]) == [
        "ADJUSTMENT",
        "VOUCHER",
    ]
    assert await read(kinds=[]) == []
    assert await read(after=second.created_at) == ["INVOICE_PAYMENT"]
    assert await read(before=second.created_at) == ["VOUCHER"]
    assert await read(after=third.created_at) == []
    assert await read(kinds=["VOUCHER"], after=second.created_at) == []


async def test_lines_after_a_version_are_oldest_first_and_all_there() -> None:
    ada = await _with_lines(5)
    found = await lines.after(ada.id, "USD", 2, by=ada.actor)
    assert [line.version for line in found] == [3, 4, 5]
    assert len(await lines.after(ada.id, "USD", 0, limit=2, by=ada.actor)) == 2
    assert await lines.after(ada.id, "USD", 5, by=ada.actor) == []


async def test_statements_of_two_currencies_are_apart() -> None:
    ada = await a_client()
    await ada.given(100)
    from_staff = await run(
        CreateOrder(
            ada.id,
            "JPY",
            [order.OrderLine("Hosting", ada.major(100), ada.major(100_000), ada.major(0))],
            due_at=None,
            apply_credit=True,
            reference=None,
        ),
        STAFF,
        key(),
    )
    assert (from_staff.status, from_staff.credit_applied) == ("UNPAID", 0)
    yen = await balance.read(ada.id, "JPY")
    assert (yen.available, yen.version) == (0, 0)
    states = (await balance.balances_of([ada.id]))[ada.id]
    assert [(one.currency, one.available) for one in states] == [("USD", 100), ("JPY", 0)]


async def test_an_account_without_credit_has_a_balance_of_zeros() -> None:
    ada = await a_client("KWD")
    state = await balance.read(ada.id)
    assert (state.currency, state.available, state.version) == ("KWD", 0, 0)
    with pytest.raises(NotFound):
        await balance.read(record.new_id())


# ------------------------------------------------------------------------------- what it costs


async def test_balances_that_are_asked_for_at_once_are_a_statement_a_currency() -> None:
    ada, bob = await a_client(), await a_client("JPY")
    await ada.given(5000)
    await bob.given(700)
    stranger = record.new_id()
    async with asked() as seen:
        found = await asyncio.gather(
            balance.balance_of(None, by=ada.actor),
            balance.balance_of(None, by=bob.actor),
            balance.balance_of(None, "JPY", by=ada.actor),
            balance.balance_of(bob.id, by=ada.actor),
            balance.balance_of(stranger, by=STAFF),
            balance.balance_of(None, by=ada.actor),
            return_exceptions=True,
        )
    assert len(seen.all) == 2
    own, yen, never, foreign, missing, again = found
    assert isinstance(own, balance.BalanceState)
    assert isinstance(yen, balance.BalanceState)
    assert isinstance(never, balance.BalanceState)
    assert (own.currency, own.available, yen.currency, yen.available) == ("USD", 5000, "JPY", 700)
    assert (never.account_id, never.currency, never.available) == (ada.id, "JPY", 0)
    assert isinstance(foreign, NotFound)
    assert isinstance(missing, NotFound)
    assert again == own


async def test_a_balance_is_one_statement() -> None:
    ada = await a_client()
    await ada.granted(100, clock.now() + timedelta(days=1))
    await ada.begin(await ada.funds())
    async with asked() as noted:
        state = await balance.read(ada.id, "USD")
    assert len(noted.statements) == 1
    assert (state.available, state.pending) == (100, 2500)


@pytest.mark.postgres_only  # SQLite is told of each row by itself
@pytest.mark.parametrize("grants", [0, 1, 4])
async def test_paying_with_credit_takes_four_statements_however_many_grants_there_are(
    grants: int,
) -> None:
    ada = await a_client()
    await ada.given(5000)
    for n in range(grants):
        await ada.granted(100, clock.now() + timedelta(days=n + 1))
    bill = await ada.order(2500)
    async with asked() as noted:
        assert (await ada.spend(bill)).status == "PAID"
    assert noted.transactions == 1
    assert len(noted.inside) == 4, noted.inside


async def test_a_page_of_invoices_with_lines_takes_three_statements_whatever_its_size() -> None:
    ada = await a_client()
    await ada.given(500)
    for _ in range(12):
        await ada.order()
    for size in (1, 12):
        async with asked() as noted:
            page = await invoice.page(PageRequest(first=size), by=ada.actor)
            lines = await invoice.lines_of([bill.id for bill in page.rows])
            applicable = await invoice.credit_applicable(page.rows)
        assert len(noted.statements) == 3
        assert len(page.rows) == len(lines) == size
        assert set(applicable.values()) == {500}


# ------------------------------------------------------------------------------- invoices


async def test_invoices_are_filtered() -> None:
    ada = await a_client()
    await ada.given(2500)
    paid = await ada.order(reference="R-1")
    await ada.spend(paid)
    deposit = await ada.funds()
    late = await ada.order(due_at=clock.now() - timedelta(days=1))

    async def read(**filter: object) -> list[str]:
        chosen = InvoiceFilter(**filter)  # type: ignore[arg-type]
        page = await invoice.page(PageRequest(count=True), by=ada.actor, filter=chosen)
        assert page.total == len(page.rows)
        return [bill.number for bill in page.rows]

    assert await read() == [late.number, deposit.number, paid.number]
    assert await read(status=["PAID"]) == [paid.number]
    assert await read(status=["PAID", "UNPAID"], kind="ORDER") == [late.number, paid.number]
    assert await read(status=[]) == []
    assert await read(kind="FUNDS") == [deposit.number]
    assert await read(reference="R-1") == [paid.number]
    assert await read(overdue=True) == [late.number]
    assert await read(overdue=False) == [deposit.number, paid.number]
    assert await read(issued_after=paid.issued_at) == [late.number, deposit.number]
    assert await read(issued_before=paid.issued_at) == []


async def test_pages_of_invoices_meet_and_take_no_foreign_cursor() -> None:
    ada = await a_client()
    bills = [await ada.order() for _ in range(5)]
    first = await invoice.page(PageRequest(first=3), by=ada.actor)
    cursor = first.rows[-1].public_id
    rest = await invoice.page(PageRequest(first=3, after=cursor), by=ada.actor)
    seen = [bill.number for bill in (*first.rows, *rest.rows)]
    assert seen == [bill.number for bill in reversed(bills)]
    assert (first.has_next, rest.has_next, rest.has_previous) == (True, False, True)
    with pytest.raises(Invalid):
        await invoice.page(PageRequest(after="acc_" + "0" * 32), by=ada.actor)


async def test_what_is_not_in_sight_is_not_found() -> None:
    ada, bo = await a_client(), await a_client()
    bill = await ada.order()
    assert await invoice.visible(bill.id, bo.actor) is None
    assert await invoice.visible_by_number(bill.number, bo.actor) is None
    with pytest.raises(NotFound):
        await invoice.page(PageRequest(), by=bo.actor, account_id=ada.id)
    with pytest.raises(NotFound):
        await bo.spend(bill)
    scopes = frozenset({"invoices:read"})
    desk = Actor(
        role=Role.PARTNER, user_id=record.new_id(), scopes=scopes, accounts=frozenset({bo.id})
    )
    assert await invoice.visible(bill.id, desk) is None
    assert (await invoice.page(PageRequest(), by=desk)).rows == []


async def test_an_issued_invoice_never_changes_what_it_said() -> None:
    ada = await a_client()
    bill = await ada.order()
    said = bill.snapshot
    await transactions.transaction(lambda: ada.account.filter(id=ada.id).update(name="Eva"))
    await ada.given(2500)
    await ada.spend(bill)
    await run(VoidInvoice(bill.id, "mistake"), STAFF, key())
    again = await invoice.read(bill.id)
    assert again is not None
    assert again.snapshot == said
    assert (said["buyer"]["name"], said["total"], said["number"]) == ("Ada", 2500, bill.number)


async def test_how_much_credit_there_is_is_told_only_to_those_who_may_read_it() -> None:
    ada = await a_client()
    await ada.given(1000)
    there, needed = Money(1000, "USD"), Money(2000, "USD")
    refusal = InsufficientCredit("amount", available=there, required=needed)
    reader, writer = (
        Actor(role=Role.PARTNER, user_id=record.new_id(), scopes=frozenset({scope}), accounts=None)
        for scope in ("credit:read", "invoices:write")
    )
    for one in (STAFF, ada.actor, reader):
        assert balance.told(refusal, one) is refusal
        assert await balance.balance_after(ada.id, "USD", one) == await balance.read(ada.id)
    for other in (writer, None):
        hidden = balance.told(refusal, other)
        assert (hidden.code, hidden.field, hidden.facts) == (refusal.code, ("amount",), {})
    assert await balance.balance_after(ada.id, "USD", writer) is None
    assert balance.told(NotFound("id"), writer).field == ("id",)
