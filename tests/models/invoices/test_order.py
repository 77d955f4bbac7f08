"""Orders: how their invoices are made, and paid by credit at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models import clock
from models.access.identity import Actor, Role
from models.db import record, sql
from models.errors import (
    AmountOutOfRange,
    AmountPrecision,
    CurrencyNotSupported,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
)
from models.invoices import invoice
from models.invoices.order import CreateOrder, OrderLine
from models.journal.command import run
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, Client, a_client
from tests.support.providers import key

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")


def _line(price: str = "10", quantity: str = "1", tax: str = "0") -> OrderLine:
    return OrderLine("Hosting", Decimal(quantity), Decimal(price), Decimal(tax))


async def _order(ada: Client, *lines: OrderLine, **wish: Any) -> invoice.Invoice:
    how = {"currency": ada.account.currency, "by": STAFF, "key": key(), **wish}
    by, used = how.pop("by"), how.pop("key")
    return await run(CreateOrder(ada.id, lines=lines or [_line()], **how), by, used)


async def test_lines_are_rounded_once_each_and_tax_once_a_rate() -> None:
    ada = await a_client()
    bill = await _order(
        ada, _line("0.33", "1.5", "0.1"), _line("0.07", "0.5", "0.10"), _line("10", "3", "0.055")
    )
    # 49.5 and 3.5 minor units are 50 and 4; 5.4 and 165 of tax are 5 and 165.
    assert [line.total for line in (await invoice.lines_of([bill.id]))[bill.id]] == [50, 4, 3000]
    assert (bill.subtotal, bill.tax, bill.total) == (3054, 170, 3224)
    assert [tax["rate"] for tax in bill.snapshot["taxes"]] == ["0.1", "0.055"]


async def test_discounts_are_lines_below_zero_and_their_tax_is_taken_off_at_their_rate() -> None:
    ada = await a_client()
    bill = await _order(
        ada,
        _line("50", tax="0.2"),
        _line("-60.50", tax="0.2"),
        _line("100", tax="0.07"),
        _line("-0.333333", "3", tax="0.07"),
    )
    lines = (await invoice.lines_of([bill.id]))[bill.id]
    assert [(line.unit_price, line.total) for line in lines] == [
        (5000, 5000),
        (-6050, -6050),
        (10000, 10000),
        (-33, -100),
    ]
    # 20 % of -10.50 and 7 % of 99.00.
    assert (bill.subtotal, bill.tax, bill.total) == (8850, -210 + 693, 9333)
    assert [(tax["base"], tax["tax"]) for tax in bill.snapshot["taxes"]] == [
        (-1050, -210),
        (9900, 693),
    ]
    await ada.given(9333)
    assert (await ada.spend(bill)).status == "PAID"
    await run(VoidInvoice(bill.id, "a mistake"), STAFF, key())
    assert (await ada.balance()).available == 9333


async def test_a_price_keeps_six_decimals_and_shows_as_rounded() -> None:
    ada = await a_client()
    bill = await _order(ada, _line("0.004567", "1000000"), _line("0.005"), _line("1.500000"))
    lines = (await invoice.lines_of([bill.id]))[bill.id]
    assert [(line.unit_price_exact, line.unit_price, line.total) for line in lines] == [
        ("0.004567", 0, 456700),
        ("0.005", 1, 1),
        ("1.500000", 150, 150),
    ]
    assert [line["unit_price_exact"] for line in bill.snapshot["lines"]] == [
        line.unit_price_exact for line in lines
    ]


@pytest.mark.parametrize(
    ("currency", "price", "minor"), [("JPY", "980", 980), ("KWD", "1.005", 1005)]
)
async def test_every_number_of_decimals_is_exact(currency: str, price: str, minor: int) -> None:
    ada = await a_client(currency)
    assert (await _order(ada, _line(price))).total == minor


async def test_an_account_may_want_its_credit_applied_and_an_order_may_say_otherwise() -> None:
    ada = await a_client(auto_apply_credit=True)
    await ada.given(1500)
    bill = await _order(ada)
    assert (bill.status, bill.credit_applied) == ("PAID", 1000)
    assert (await _order(ada, apply_credit=False)).credit_applied == 0
    part = await _order(ada)
    assert (part.status, part.credit_applied, part.amount_due) == ("UNPAID", 500, 500)
    assert (await _order(ada, apply_credit=True)).credit_applied == 0
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_frozen_account_pays_nothing_by_itself() -> None:
    ada = await a_client(auto_apply_credit=True)
    await ada.frozen()
    await ada.given(1500)
    assert (await _order(ada)).status == "UNPAID"


@pytest.mark.parametrize(
    ("lines", "refusal", "field"),
    [
        ([], Invalid, ("lines",)),
        ([_line()] * 201, Invalid, ("lines",)),
        ([_line("0")], AmountOutOfRange, ("lines",)),
        ([_line(), _line("-10")], AmountOutOfRange, ("lines",)),
        ([_line(), _line("-10.01")], AmountOutOfRange, ("lines",)),
        ([_line(tax="0.1"), _line("-11")], AmountOutOfRange, ("lines",)),
        ([_line(), _line("1.0000001")], AmountPrecision, ("lines", "1", "unit_price")),
        ([_line("-1E-999999")], AmountPrecision, ("lines", "0", "unit_price")),
        ([_line("-1E+999999")], AmountOutOfRange, ("lines", "0", "unit_price")),
        ([_line("-9999999999999", "1000")], AmountOutOfRange, ("lines", "0", "unit_price")),
        ([_line(quantity="0")], Invalid, ("lines", "0", "quantity")),
        ([_line(quantity="-1")], Invalid, ("lines", "0", "quantity")),
        ([_line(quantity="1000001")], Invalid, ("lines", "0", "quantity")),
        ([_line(tax="1.01")], Invalid, ("lines", "0", "tax_rate")),
        ([_line(tax="-0.01")], Invalid, ("lines", "0", "tax_rate")),
        ([_line("9999999999999", "1000")], AmountOutOfRange, ("lines", "0", "unit_price")),
        ([_line("9999999999999")] * 2, AmountOutOfRange, ("lines",)),
        (
            [OrderLine(" ", Decimal(1), Decimal(1), Decimal(0))],
            Invalid,
            ("lines", "0", "description"),
        ),
    ],
)
async def test_lines_that_make_no_sense_are_refused_and_take_no_number(
    lines: list[OrderLine], refusal: type[Refusal], field: tuple[str, ...]
) -> None:
    ada = await a_client()
    how: dict[str, Any] = {"due_at": None, "apply_credit": None, "reference": None}
    with pytest.raises(refusal) as refused:
        await run(CreateOrder(ada.id, "USD", lines, **how), STAFF, key())
    assert refused.value.field == field
    assert await sql.fetch("SELECT id FROM invoice WHERE account_id = $1", ada.id) == []


async def test_a_line_as_long_as_the_api_can_write_it_is_kept() -> None:
    ada = await a_client()
    bill = await _order(ada, _line("0.01", "999999.123456789", "0.123456789"))
    (line,) = (await invoice.lines_of([bill.id]))[bill.id]
    assert (line.quantity, line.tax_rate, line.total) == (
        "999999.123456789",
        "0.123456789",
        999_999,
    )


async def test_partners_make_invoices_for_their_accounts_and_clients_for_none() -> None:
    ada, bo = await a_client(), await a_client()
    desk = Actor(
        role=Role.PARTNER,
        user_id=record.new_id(),
        scopes=frozenset({"invoices:write"}),
        accounts=frozenset({ada.id}),
    )
    assert (await _order(ada, by=desk)).account_id == ada.id
    with pytest.raises(NotFound) as refusal:
        await _order(bo, by=desk)
    assert refusal.value.field == ("account_id",)
    with pytest.raises(Forbidden):
        await _order(ada, by=ada.actor)
    with pytest.raises(CurrencyNotSupported):
        await _order(ada, currency="EUR")


async def test_numbers_are_of_their_year(at: At) -> None:
    ada = await a_client()
    at(datetime(2031, 1, 1, tzinfo=UTC))
    assert [(await _order(ada)).number for _ in "12"] == ["INV-2031-000001", "INV-2031-000002"]


async def test_an_invoice_is_overdue_when_its_day_is_past_and_it_is_not_paid() -> None:
    ada = await a_client()
    late = await _order(ada, due_at=clock.now() - timedelta(days=1))
    assert late.overdue
    await ada.given(1000)
    assert not (await ada.spend(late)).overdue
    assert not (await _order(ada)).overdue


@pytest.mark.parametrize(
    ("status", "printed"),
    [("UNPAID", "OVERDUE"), ("PROCESSING", "PROCESSING"), ("PAID", "PAID"), ("VOID", "VOID")],
)
async def test_only_an_unpaid_invoice_is_printed_as_overdue(status: str, printed: str) -> None:
    late = await _order(await a_client(), due_at=clock.now() - timedelta(days=1))
    late.status = status
    assert late.printed_status == printed
