"""Pay all that is due, or what is chosen of it: one payment, one fee, one receipt."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.browser.looks import serious, settle
from tests.support.server.actions import order
from tests.support.server.demo_server import open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator

    from tests.support.browser.portal_visitor import Visit, Visitor
    from tests.support.server.api_client import Answer
    from tests.support.server.demo_server import DemoServer
    from tests.support.servers import Databases

pytestmark = pytest.mark.once

FEES = {
    "sandbox": {"percent": "2.9", "fixed": {"USD": "0.30", "JPY": "30"}},
    "card": {"fixed": {"USD": "0.40"}},
}
TOGETHER = "payments { status amount { amount } fee { amount } allocations { invoice { number } } }"


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """A server whose gateways charge fees."""
    folder = tmp_path_factory.mktemp("server-with-fees")
    with open_demo_server(folder, databases, GATEWAY_FEES=json.dumps(FEES)) as server:
        yield server


def orders(server: DemoServer, visitor: Visitor, *prices: str, **more: object) -> list[Answer]:
    more = {"applyCredit": False, **more}
    return [order(server.partner, visitor.client, price, **more)["invoice"] for price in prices]


def pay_all(visitor: Visitor, name: str) -> None:
    """Follow the link on the list of invoices, which says the sum."""
    visitor.page.get_by_role("link", name=name, exact=True).click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Pay invoices")


def through_the_sandbox(visitor: Visitor) -> None:
    visitor.page.locator("#pay-gateway").select_option("sandbox")


def row(visitor: Visitor, invoice: Answer) -> Locator:
    return visitor.page.locator(".choose li", has_text=invoice["number"])


def test_all_that_is_due_is_paid_with_one_payment_and_the_fee_that_it_saves_is_told(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit()
    made = orders(server, visitor, "30.00", "40.00", "13.20")
    prices = ("$30.00", "$40.00", "$13.20")
    visitor.sign_in()
    pay_all(visitor, "Pay all that is due: $83.20")
    through_the_sandbox(visitor)
    sums = visitor.page.locator(".sums")
    expect(sums).to_contain_text("Fee$2.71")
    expect(sums).to_contain_text("You pay$85.91")
    visitor.sees("Paying them together saves $0.60 in fees.")
    visitor.press("Pay all that is due: $83.20")
    visitor.page.wait_for_url("**/sandbox/pay/**")
    visitor.page.get_by_role("button", name="Pay now", exact=True).click()
    visitor.page.wait_for_url("**/return?payment=*")
    expect(visitor.status).to_have_text("Paid")
    visitor.sees(f"{made[0]['number']} and the invoices paid with it have been paid.")
    visitor.page.get_by_text("For several invoices").click()
    together = visitor.page.locator(".together")
    expect(together.locator("li")).to_have_text(
        [f"{one['number']}{price}" for one, price in zip(made, prices, strict=True)]
    )
    saved = visitor.gets_document(visitor.page.get_by_role("button", name="Download receipt"))
    assert saved.suggested_filename == f"{made[0]['number']}-receipt.pdf"
    together.get_by_role("link", name=made[2]["number"]).click()
    expect(visitor.status).to_have_text("Paid")
    visitor.go("Invoices")
    expect(visitor.page.locator("table.rows .pill")).to_have_text(["Paid"] * 3)
    for one in made:
        paid = visitor.client.ask(
            f"query ($id: ID!) {{ invoice(id: $id) {{ {TOGETHER} }} }}", id=one["id"]
        )["invoice"]["payments"]
        assert [payment["status"] for payment in paid] == ["SUCCEEDED"]
        assert paid[0]["amount"] == "83.20"
        assert paid[0]["fee"] == "2.71"
        numbers = [part["invoice"]["number"] for part in paid[0]["allocations"]]
        assert numbers == [other["number"] for other in made]


def test_what_is_chosen_is_paid_with_credit_in_one_click_and_the_rest_stays(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit(credit="50.00")
    first, second, third = orders(server, visitor, "10.00", "20.00", "30.00")
    visitor.sign_in()
    pay_all(visitor, "Pay all that is due: $60.00")
    visitor.sees("Use account credit: up to $50.00")
    visitor.sees("Pay the remaining $10.00 with")
    for one in (first, second, third):
        row(visitor, one).get_by_role("checkbox").uncheck()
    visitor.sees("Choose at least one invoice.")
    for one in (first, third):
        row(visitor, one).get_by_role("checkbox").check()
    visitor.sees("Use account credit: up to $40.00")
    expect(visitor.page.locator("#pay-gateway")).to_have_count(0)
    visitor.press("Pay 2 invoices: $40.00")
    visitor.sees("Thank you. 2 invoices have been paid.")
    visitor.sees_credit("$10.00")
    expect(row(visitor, first)).to_have_count(0)
    expect(row(visitor, third)).to_have_count(0)
    expect(row(visitor, second)).to_be_visible()
    statuses = [visitor.client.invoice(one)["status"] for one in (first, second, third)]
    assert statuses == ["PAID", "UNPAID", "PAID"]


def test_a_part_of_the_credit_and_a_bank_transfer_for_all(visit: Visit, server: DemoServer) -> None:
    visitor = visit(credit="20.00")
    first, second = orders(server, visitor, "30.00", "40.00")
    visitor.sign_in()
    pay_all(visitor, "Pay all that is due: $70.00")
    visitor.page.get_by_role("slider").fill("1500")
    visitor.sees("Pay the remaining $55.00 with")
    visitor.page.locator("#pay-gateway").select_option("bank-transfer")
    visitor.press("Pay all that is due: $70.00")
    expect(visitor.page.locator(".title h1")).to_have_text(first["number"])
    steps = visitor.page.locator(".next")
    expect(steps).to_contain_text("This payment is for several invoices, $55.00 in all.")
    expect(steps.locator(".transfer")).to_contain_text("$55.00")
    visitor.sees_credit("$5.00")
    # Who comes again may not pay them a second time by mistake.
    visitor.go("Invoices")
    expect(visitor.page.get_by_role("link", name=re.compile("due:"))).to_have_count(0)
    visitor.page.goto("/billing/pay/USD")
    for one in (first, second):
        expect(row(visitor, one)).to_contain_text("A payment has been started")
        expect(row(visitor, one).get_by_role("checkbox")).to_have_count(0)
    row(visitor, second).get_by_role("link").click()
    visitor.press("Cancel payment")
    expect(visitor.page.get_by_role("button", name="Pay Now!")).to_be_visible()
    visitor.sees_credit("$20.00")
    visitor.go("Invoices")
    pay_all(visitor, "Pay all that is due: $70.00")


def test_nothing_is_paid_for_another_price_than_the_page_has_shown(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit()
    first, _ = orders(server, visitor, "30.00", "40.00")
    visitor.sign_in()
    pay_all(visitor, "Pay all that is due: $70.00")
    through_the_sandbox(visitor)
    expect(visitor.page.locator(".sums")).to_contain_text("You pay$72.33")
    server.staff.do("voidInvoice", "invoice { id }", invoiceId=first["id"], reason="not ordered")
    visitor.press("Pay all that is due: $70.00")
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    expect(row(visitor, first)).to_have_count(0)
    visitor.press("Pay all that is due: $40.00")
    visitor.page.wait_for_url("**/sandbox/pay/**")


def test_each_currency_is_paid_by_itself(visit: Visit, server: DemoServer) -> None:
    visitor = visit()
    orders(server, visitor, "30.00", "40.00")
    orders(server, visitor, "1000", "500", currency="JPY")
    visitor.sign_in()
    links = visitor.page.get_by_role("link", name=re.compile("^Pay all that is due"))
    expect(links).to_have_text(["Pay all that is due: $70.00", "Pay all that is due: ¥1,500"])
    links.last.click()
    through_the_sandbox(visitor)
    expect(visitor.page.locator(".sums")).to_contain_text("Fee¥74")
    visitor.sees("saves ¥30 in fees")


PLACES: dict[str, dict[str, Any]] = {
    "desktop-en-light": {"color_scheme": "light"},
    "desktop-en-dark": {"color_scheme": "dark"},
    "phone-ja-light": {"viewport": {"width": 360, "height": 740}, "locale": "ja-JP"},
    "phone-ja-dark": {
        "viewport": {"width": 360, "height": 740},
        "locale": "ja-JP",
        "color_scheme": "dark",
    },
}


@pytest.mark.parametrize("place", PLACES)
def test_it_is_for_everybody(visit: Visit, server: DemoServer, place: str) -> None:
    how = PLACES[place]
    is_japanese = "locale" in how
    visitor = visit(currency="JPY" if is_japanese else "USD", credit="1200", **how)
    page = visitor.page
    waiting, *_ = orders(server, visitor, "400", "500", "1300", reference="W" * 120)
    visitor.client.pay(waiting, gateway="bank-transfer")
    if is_japanese:
        page.get_by_label("言語").select_option("en")
        page.get_by_label("Language").select_option("ja")
    visitor.sign_in()
    page.locator(".list > .buttons a").click()
    told = (
        ("2件を支払う：¥1,800", "手数料が¥", "お支払い合計", "お支払いの手続き中です")
        if is_japanese
        else ("Pay 2 invoices: $1,800.00", "in fees", "You pay", "A payment has been started")
    )
    # With credit one of them is paid without a fee.
    page.locator(".use").get_by_role("checkbox").uncheck()
    through_the_sandbox(visitor)
    for text in told:
        visitor.sees(text)
    settle(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto("/billing/invoices")
    expect(page.locator(".list > .buttons a")).to_be_visible()
    settle(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
