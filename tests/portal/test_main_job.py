"""The main job in a browser: add funds, pay, see the credit, spend it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Request, Route

    from tests.support.browser.portal_visitor import Visit
    from tests.support.server.api_client import Answer, Portal
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once

LINES = [{"description": "Virtual server M", "quantity": "1", "unitPrice": "30.00"}]


def an_order(server: DemoServer, client: Portal) -> Answer:
    invoice: Answer = server.partner.do(
        "createInvoice",
        "invoice { id number }",
        accountId=client.account_id,
        currency="USD",
        lines=LINES,
        applyCredit=False,
    )["invoice"]
    return invoice


def test_a_client_adds_funds_and_watches_the_credit_rise_in_two_tabs(visit: Visit) -> None:
    visitor = visit().sign_in()
    other = visitor.second_tab()
    # From here on the other tab hears of nothing but by its subscription.
    other.page.route("**/graphql", lambda route: route.abort())
    visitor.expected.append("net::ERR_FAILED")
    visitor.go("Add Funds")
    expect(visitor.amount).to_have_value("5.00")
    visitor.sees("From $5.00 to $10,000.00.")
    visitor.add_funds("25")
    visitor.sees_credit("$0.00")
    visitor.pay_at_sandbox("Pay now")
    visitor.sees("has been paid")
    expect(visitor.status).to_have_text("Paid")
    visitor.sees_credit("$25.00")
    other.sees_credit("$25.00")
    expect(other.page.locator(".delta")).to_have_text("+$25.00")
    visitor.go("Transactions")
    row = visitor.page.locator("table.rows tbody tr").first
    expect(row).to_contain_text("Funds added")
    expect(row).to_contain_text("+$25.00")


def test_credit_pays_an_order_in_part_and_the_gateway_the_rest(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit(credit="20.00")
    order = an_order(server, visitor.client)
    visitor.sign_in()
    visitor.page.get_by_role("link", name=order["number"]).click()
    visitor.sees("Use account credit: up to $20.00")
    visitor.sees("Pay the remaining $10.00 with")
    visitor.page.get_by_role("slider").fill("1500")
    visitor.sees("Pay the remaining $15.00 with")
    visitor.pay_at_sandbox("Pay now")
    expect(visitor.status).to_have_text("Paid")
    visitor.sees_credit("$5.00")
    assert visitor.client.available() == "5.00"


def test_credit_that_covers_an_order_pays_it_with_one_click(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit(credit="40.00")
    order = an_order(server, visitor.client)
    visitor.sign_in()
    visitor.page.get_by_role("link", name=order["number"]).click()
    visitor.press("Pay Now!")
    expect(visitor.status).to_have_text("Paid")
    visitor.sees_credit("$10.00")


def test_a_declined_card_says_so_and_another_try_pays(visit: Visit) -> None:
    visitor = visit().sign_in()
    visitor.add_funds("10")
    visitor.pay_at_sandbox("Decline")
    visitor.sees("The payment wasn't completed.")
    expect(visitor.page.locator(".payments .pill").first).to_have_text("Failed")
    visitor.sees_credit("$0.00")
    visitor.pay_at_sandbox("Pay now")
    expect(visitor.status).to_have_text("Paid")
    visitor.sees_credit("$10.00")


def test_bank_instructions_can_be_copied_and_the_payment_canceled(visit: Visit) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"]).sign_in()
    visitor.add_funds("50", gateway="bank-transfer")
    visitor.press("Pay Now!")
    steps = visitor.page.locator(".transfer")
    expect(steps).to_contain_text("000123456789")
    reference = steps.locator("dd").nth(1).inner_text()
    steps.get_by_role("button", name="Copy: Reference").click()
    assert visitor.page.evaluate("navigator.clipboard.readText()") == reference.strip()
    visitor.press("Check again")
    visitor.sees("We've just checked with the gateway.")
    visitor.press("Cancel payment")
    expect(visitor.page.locator(".payments .pill")).to_have_text("Canceled")
    expect(visitor.page.get_by_role("button", name="Pay Now!")).to_be_visible()


def test_the_pdf_downloads_under_the_invoices_number(visit: Visit) -> None:
    visitor = visit().sign_in()
    visitor.add_funds("25")
    saved = visitor.gets_document(visitor.page.get_by_role("button", name="Download PDF"))
    assert re.fullmatch(r"INV-\d{4}-\d{6}\.pdf", saved.suggested_filename)
    assert Path(saved.path()).read_bytes().startswith(b"%PDF")


def test_a_voucher_becomes_promotional_credit_and_a_bad_code_is_refused_at_its_field(
    visit: Visit, server: DemoServer
) -> None:
    [code] = server.vouchers("7.50")
    visitor = visit().sign_in()
    visitor.go("Redeem Voucher")
    field = visitor.page.get_by_label("Voucher code")
    field.fill("NOT-A-CODE")
    visitor.press("Redeem")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-describedby", "code-error")
    field.fill(code)
    visitor.press("Redeem")
    visitor.sees("$7.50 was added to your credit.")
    visitor.sees_credit("$7.50")


def test_an_amount_out_of_range_is_refused_at_its_field(visit: Visit) -> None:
    visitor = visit().sign_in()
    visitor.go("Add Funds")
    amount = visitor.amount
    visitor.page.get_by_role("checkbox").check()
    for typed, said in (
        ("abc", "Enter an amount"),
        ("1", "between $5.00"),
        ("99999", "$10,000.00"),
    ):
        amount.fill(typed)
        visitor.page.locator("form").get_by_role("button", name="Add Funds").click()
        expect(visitor.page.locator("#amount-error")).to_contain_text(said)
        expect(amount).to_be_focused()
    visitor.page.get_by_role("checkbox").uncheck()
    amount.fill("25")
    visitor.page.locator("form").get_by_role("button", name="Add Funds").click()
    expect(visitor.page.locator("#policy-error")).to_be_visible()
    assert visitor.client.invoices() == []


def test_a_click_whose_answer_is_lost_is_sent_again_and_done_once(visit: Visit) -> None:
    visitor = visit().sign_in()
    visitor.go("Add Funds")
    visitor.page.get_by_role("checkbox").check()
    keys: list[str] = []

    def lose_the_first_answer(route: Route, request: Request) -> None:
        body = json.loads(request.post_data or "")
        if "AddFunds(" not in body["query"]:
            route.fallback()
            return
        keys.append(body["variables"]["input"]["idempotencyKey"])
        answer = route.fetch()
        if len(keys) == 1:
            route.abort("connectionreset")
        else:
            route.fulfill(response=answer)

    visitor.page.route("**/graphql", lose_the_first_answer)
    visitor.expected.append("net::ERR_CONNECTION_RESET")
    visitor.page.locator("form").get_by_role("button", name="Add Funds").click()
    expect(visitor.status).to_have_text("Unpaid")
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert len(visitor.client.invoices()) == 1


@pytest.mark.parametrize("path", ["/billing/nowhere", "/billing/invoices/inv_none"])
def test_an_address_of_nothing_says_so(visit: Visit, path: str) -> None:
    visitor = visit().sign_in()
    visitor.page.goto(path)
    expect(visitor.page.locator("main")).to_contain_text(
        re.compile("Page not found|invoice doesn't exist")
    )
