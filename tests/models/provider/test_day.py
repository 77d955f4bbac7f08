"""A day is the seller's day: in numbers, due days, overdue, and what older invoices are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tortoise.connection import get_connection

from models.db import connection, sql, transactions
from models.db.page import PageRequest
from models.invoices import order
from models.invoices.invoice import InvoiceFilter, page
from models.journal.command import run
from models.payments.void import VoidInvoice
from models.provider.seller import Seller
from tests.support.factories import STAFF, Client, a_client, now
from tests.support.providers import key, wire_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.invoices.invoice import Invoice
    from tests.support.clock import At

    SellerAt = Callable[[str, str], None]

pytestmark = pytest.mark.usefixtures("provider")


@pytest.fixture
def seller_at(monkeypatch: pytest.MonkeyPatch, at: At) -> SellerAt:
    """It is that moment, and the seller is in that zone."""

    def put(moment: str, zone: str) -> None:
        wire_provider(monkeypatch, seller=Seller("Example", timezone=zone))
        at(datetime.fromisoformat(moment))

    return put


async def _issued(ada: Client, due_at: datetime | None = None) -> Invoice:
    line = order.OrderLine("Hosting", Decimal(1), Decimal(5), Decimal(0))
    asked = order.CreateOrder(ada.id, "USD", [line], due_at=due_at, apply_credit=True)
    return await run(asked, STAFF, key())


@pytest.mark.parametrize(
    ("moment", "zone", "year"),
    [
        ("2026-12-31T15:30:00+00:00", "Asia/Tokyo", 2027),
        ("2026-12-31T14:59:59+00:00", "Asia/Tokyo", 2026),
        ("2027-01-01T02:00:00+00:00", "America/Los_Angeles", 2026),
        ("2027-01-01T08:00:00+00:00", "America/Los_Angeles", 2027),
        ("2027-01-01T00:00:00+00:00", "UTC", 2027),
        ("2026-12-31T10:00:00+00:00", "Pacific/Kiritimati", 2027),
    ],
)
async def test_a_number_has_the_year_of_its_documents_own_date(
    seller_at: SellerAt, moment: str, zone: str, year: int
) -> None:
    ada = await a_client()
    await ada.given(500)
    seller_at(moment, zone)
    bill = await _issued(ada)
    assert bill.number.startswith(f"INV-{year}-")
    void = await run(VoidInvoice(bill.id, "a mistake"), STAFF, key())
    assert str(void.credit_note_number).startswith(f"CN-{year}-")


async def test_a_credit_note_is_dated_where_its_invoice_was_issued(seller_at: SellerAt) -> None:
    ada = await a_client()
    await ada.given(500)
    seller_at("2026-12-31T12:00:00+00:00", "Asia/Tokyo")
    bill = await _issued(ada)
    seller_at(
        "2026-12-31T15:30:00+00:00", "UTC"
    )  # the seller has moved, its frozen documents have not
    void = await run(VoidInvoice(bill.id, "a mistake"), STAFF, key())
    assert str(void.credit_note_number).startswith("CN-2027-")


@pytest.mark.parametrize(
    ("moment", "zone", "due_on", "due_at"),
    [
        ("2026-10-19T22:30:00+00:00", "Europe/Berlin", "2026-11-03", "2026-11-02T23:30:00+00:00"),
        ("2026-03-20T22:30:00+00:00", "Europe/Berlin", "2026-04-03", "2026-04-03T21:30:00+00:00"),
        ("2026-11-02T09:00:00+00:00", "Asia/Tokyo", "2026-11-16", "2026-11-16T09:00:00+00:00"),
        ("2026-10-20T12:00:00+00:00", "UTC", "2026-11-03", "2026-11-03T12:00:00+00:00"),
    ],
)
async def test_fourteen_days_are_fourteen_days_also_where_the_clocks_change(
    seller_at: SellerAt, moment: str, zone: str, due_on: str, due_at: str
) -> None:
    ada = await a_client()
    seller_at(moment, zone)
    bill = await _issued(ada)
    assert (bill.due_on, bill.due_at) == (due_on, datetime.fromisoformat(due_at))


async def test_a_due_moment_that_is_asked_for_stays_and_has_the_sellers_day(
    seller_at: SellerAt,
) -> None:
    ada = await a_client()
    seller_at("2026-11-02T09:00:00+00:00", "Asia/Tokyo")
    asked = datetime(2026, 11, 10, 15, 0, tzinfo=UTC)
    bill = await _issued(ada, asked)
    assert (bill.due_at, bill.due_on) == (asked, "2026-11-11")


async def _is_overdue(bill: Invoice) -> bool:
    """As the invoice and as the filter say, which must be the same."""
    found: Invoice = await now(bill)
    for overdue in (True, False):
        rows = (
            await page(PageRequest(first=100), by=STAFF, filter=InvoiceFilter(overdue=overdue))
        ).rows
        assert (bill.id in [row.id for row in rows]) is (found.overdue is overdue)
    return found.overdue


async def test_an_invoice_is_overdue_when_its_due_day_is_over_where_the_seller_is(
    seller_at: SellerAt,
) -> None:
    ada = await a_client()
    seller_at("2026-11-02T09:00:00+00:00", "Asia/Tokyo")
    bill = await _issued(ada)
    for moment, overdue in (
        ("2026-11-16T09:01:00+00:00", False),
        ("2026-11-16T14:59:59+00:00", False),
        ("2026-11-16T15:00:00+00:00", True),
    ):
        seller_at(moment, "Asia/Tokyo")
        assert await _is_overdue(bill) is overdue


async def test_invoices_of_before_are_given_the_day_that_their_documents_say(
    seller_at: SellerAt,
) -> None:
    ada = await a_client()
    bills = []
    for zone, due_on in (("Asia/Tokyo", "2026-11-17"), ("UTC", "2026-11-16")):
        seller_at("2026-11-02T16:00:00+00:00", zone)
        bills.append((await _issued(ada), due_on))
    await transactions.transaction(lambda: sql.execute("UPDATE invoice SET due_on = ''"))
    migration = import_module("models.migrations.0009_due_days")
    editor = SimpleNamespace(client=get_connection("default"), DIALECT=connection.dialect())
    await migration._fill(None, editor)
    assert [(await now(bill)).due_on for bill, _ in bills] == [due_on for _, due_on in bills]


async def test_days_after_keep_the_time_of_day(seller_at: SellerAt) -> None:
    seller_at("2026-01-01T00:00:00+00:00", "America/New_York")
    days_after = import_module("models.provider.day").days_after
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)  # 7 in the morning there
    assert days_after(moment, timedelta(days=14)) == datetime(2026, 3, 15, 11, tzinfo=UTC)
