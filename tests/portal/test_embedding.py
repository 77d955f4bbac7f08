"""The portal's elements in a page of another site, which forbids nearly everything."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.browser.host_page import HostPage, hosted
from tests.support.browser.looks import serious
from tests.support.browser.portal_visitor import Visitor
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.people import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator

    from tests.support.servers import Databases

    Arrive = Callable[..., Visitor]

pytestmark = pytest.mark.once

README = Path(__file__).parents[2] / "schema" / "README.md"


def documented_policy() -> str:
    """What schema/README.md says that a page needs, and nothing but that."""
    told = re.search(r"^```text policy\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert told is not None
    policy = " ".join(told[1].split())
    policy = policy.replace("wss://credit.example", "{socket}")
    return policy.replace("https://credit.example", "{api}")


@pytest.fixture(scope="module")
def host() -> Iterator[HostPage]:
    with hosted(documented_policy()) as host:
        yield host


@pytest.fixture(scope="module")
def server(
    chromium: str,
    host: HostPage,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DemoServer]:
    assert chromium
    folder = tmp_path_factory.mktemp("embedding-server")
    with open_demo_server(folder, databases, ALLOWED_ORIGINS=host.origin) as server:
        host.api = server.url
        yield server


@pytest.fixture
def arrive(browser: Browser, server: DemoServer, host: HostPage) -> Iterator[Arrive]:
    """Opens the page for a client; in the end nothing was logged, and no policy was violated."""
    opened: list[Visitor] = []

    def arrive(credit: str = "0", currency: str = "USD", **how: Any) -> Visitor:
        # Signing up runs an event loop, and this thread's is the browser's.
        with ThreadPoolExecutor(1) as elsewhere:
            client = elsewhere.submit(server.new_client, currency, credit).result()
        host.tokens, host.handed_out = [client.token], []
        opened.append(Visitor.open(browser, server, client, {"base_url": host.origin, **how}))
        return opened[-1]

    yield arrive
    for visitor in opened:
        visitor.leave()


def part(visitor: Visitor, name: str) -> Locator:
    return visitor.page.locator(f"account-credit-{name}")


def is_told(visitor: Visitor, text: str) -> None:
    expect(visitor.page.locator("#told")).to_contain_text(text)


def is_live(visitor: Visitor) -> None:
    expect(part(visitor, "balance").locator(".link.live")).to_be_visible()


def settle(visitor: Visitor) -> None:
    is_live(visitor)
    expect(visitor.page.locator(".skeleton, .spinner")).to_have_count(0)
    visitor.page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")


def adds_funds(visitor: Visitor, amount: str) -> Locator:
    form = part(visitor, "add-funds")
    form.get_by_label("Amount", exact=True).fill(amount)
    form.get_by_label("Gateway", exact=True).select_option("sandbox")
    form.get_by_role("checkbox").check()
    form.get_by_role("button", name="Add Funds").click()
    expect(form.locator(".pill")).to_have_text("Unpaid")
    return form


def test_a_client_adds_funds_without_leaving_the_page_but_to_pay(
    arrive: Arrive, host: HostPage
) -> None:
    visitor = arrive()
    visitor.sees_credit("$0.00")
    form = adds_funds(visitor, "25")
    expect(part(visitor, "invoices").locator("tbody tr")).to_have_count(0)
    form.evaluate("(element) => element.setAttribute('return-url', '/?area=credit')")
    form.get_by_role("button", name="Pay Now!").click()
    visitor.page.wait_for_url("**/sandbox/pay/**")
    visitor.page.get_by_role("button", name="Pay now", exact=True).click()
    visitor.page.wait_for_url(f"{host.origin}/?area=credit&*payment=*")
    visitor.sees("has been paid")
    expect(form.locator(".title .pill")).to_have_text("Paid")
    visitor.sees_credit("$25.00")
    is_told(visitor, "invoice-paid: INV-")
    [invoice] = visitor.client.invoices()
    rows = part(visitor, "invoices").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(invoice["number"])
    assert visitor.client.available() == "25.00"


def test_the_balance_rises_by_itself_and_the_page_is_told(arrive: Arrive) -> None:
    visitor = arrive(credit="10.00")
    visitor.sees_credit("$10.00")
    is_live(visitor)
    visitor.client.deposit("15.00")
    visitor.sees_credit("$25.00")
    is_told(visitor, "credit-changed: 25.00 USD, DEPOSIT")
    expect(part(visitor, "invoices").locator("tbody tr")).to_have_count(1)


def test_an_invoice_of_the_list_is_paid_with_credit_there(
    arrive: Arrive, server: DemoServer
) -> None:
    visitor = arrive(credit="40.00")
    order = server.partner.do(
        "createInvoice",
        "invoice { id number }",
        accountId=visitor.client.account_id,
        currency="USD",
        lines=[{"description": "Virtual server M", "quantity": "1", "unitPrice": "30.00"}],
        applyCredit=False,
    )["invoice"]
    visitor.page.reload()
    invoices = part(visitor, "invoices")
    invoices.get_by_role("button", name="Pay Now!").click()
    expect(invoices.get_by_role("heading", name=order["number"])).to_be_focused()
    invoices.get_by_role("button", name="Pay Now!").click()
    expect(invoices.locator(".title .pill")).to_have_text("Paid")
    visitor.sees_credit("$10.00")
    is_told(visitor, f"invoice-paid: {order['number']}")
    invoices.get_by_role("button", name="Invoices").click()
    expect(invoices.locator("tbody .pill")).to_have_text("Paid")


def test_the_pdf_downloads_in_the_page_of_another_site(arrive: Arrive) -> None:
    visitor = arrive()
    form = adds_funds(visitor, "25")
    [invoice] = visitor.client.invoices()
    saved = visitor.gets_document(form.get_by_role("button", name="Download PDF"))
    assert saved.suggested_filename == f"{invoice['number']}.pdf"
    assert Path(saved.path()).read_bytes().startswith(b"%PDF")


def test_a_token_that_is_refused_is_replaced_and_nobody_notices(
    arrive: Arrive, host: HostPage
) -> None:
    visitor = arrive(credit="10.00")
    is_live(visitor)
    assert len(host.handed_out) == 1
    first = visitor.client.token
    host.tokens = [visitor.client.sign_in(PASSWORD)["token"]]
    ended = visitor.server.portal(token=first)
    ended.ask("mutation { signOut { userErrors { code } } }")
    # The socket is closed with the session; requests are refused meanwhile.
    visitor.expected.append("401 (Unauthorized)")
    form = adds_funds(visitor, "25")
    expect(form.get_by_role("button", name="Pay Now!")).to_be_visible()
    is_live(visitor)
    visitor.client.deposit("5.00")
    visitor.sees_credit("$15.00")
    assert host.handed_out == [first, visitor.client.token]


def test_where_no_token_is_taken_the_page_says_so_and_tries_again(
    arrive: Arrive, host: HostPage
) -> None:
    visitor = arrive(credit="10.00")
    visitor.expected.append("401 (Unauthorized)")
    is_live(visitor)
    good = host.tokens
    host.tokens = ["no-token-of-ours"]
    visitor.page.reload()
    balance = part(visitor, "balance")
    expect(balance.get_by_role("alert")).to_contain_text("Your session has ended.")
    host.tokens = good
    balance.get_by_role("button", name="Try again").click()
    visitor.sees_credit("$10.00")
    is_live(visitor)


def test_an_attribute_gives_the_token_and_another_one_another_client(
    arrive: Arrive, host: HostPage, server: DemoServer
) -> None:
    visitor = arrive(credit="10.00")
    with ThreadPoolExecutor(1) as elsewhere:
        other = elsewhere.submit(server.new_client, "USD", "77.00").result()
    visitor.sees_credit("$10.00")
    part(visitor, "invoices").evaluate(
        "(element, token) => element.setAttribute('token', token)", other.token
    )
    visitor.sees_credit("$77.00")
    is_live(visitor)
    other.deposit("5.00")
    visitor.sees_credit("$82.00")
    assert host.handed_out == [visitor.client.token]


def test_the_elements_speak_japanese(arrive: Arrive) -> None:
    visitor = arrive(currency="JPY", credit="1200")
    visitor.sees_credit("¥1,200")
    balance = part(visitor, "balance")
    balance.evaluate("(element) => element.setAttribute('locale', 'ja')")
    expect(balance.locator("h2")).to_contain_text("利用可能クレジット")
    form = part(visitor, "add-funds")
    expect(form.get_by_role("heading")).to_have_text("クレジット追加")
    form.get_by_label("金額", exact=True).fill("１００")
    form.get_by_role("checkbox").check()
    form.get_by_role("button", name="クレジットを追加").click()
    expect(form.locator("#amount-error")).to_contain_text("¥500")
    expect(balance.locator("[lang]")).to_have_attribute("lang", "ja")
    # The page itself is English, and stays so.
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    assert visitor.page.title() == "My services"
    assert visitor.page.evaluate("localStorage.length") == 0
    assert serious(visitor.page) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_device(arrive: Arrive, width: int) -> None:
    visitor = arrive(credit="12345.67", viewport={"width": width, "height": 740})
    settle(visitor)
    assert serious(visitor.page) == []
    if shots := os.environ.get("SCREENSHOTS"):
        visitor.page.screenshot(path=f"{shots}/embedding-{width}.png", full_page=True)
    form = part(visitor, "add-funds")
    form.get_by_role("button", name="Add Funds").click()
    expect(form.locator("[aria-invalid]").first).to_be_focused()
    assert serious(visitor.page) == []
    adds_funds(visitor, "25")
    visitor.page.reload()
    settle(visitor)
    expect(part(visitor, "invoices").locator("tbody tr")).to_have_count(1)
    assert serious(visitor.page) == []
    if shots:
        visitor.page.screenshot(path=f"{shots}/embedding-list-{width}.png", full_page=True)
    part(visitor, "invoices").get_by_role("button", name="Pay Now!").click()
    settle(visitor)
    assert serious(visitor.page) == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == width
    if shots:
        visitor.page.screenshot(path=f"{shots}/embedding-pay-{width}.png", full_page=True)


def test_a_return_to_a_site_that_is_not_allowed_is_refused_in_the_element(arrive: Arrive) -> None:
    visitor = arrive()
    form = adds_funds(visitor, "25")
    form.evaluate("(element) => element.setAttribute('return-url', 'https://elsewhere.example/')")
    form.get_by_role("button", name="Pay Now!").click()
    expect(form.get_by_role("alert")).to_be_visible()
    [invoice] = visitor.client.invoices()
    assert visitor.client.invoice(invoice)["payments"] == []


def test_on_a_dark_page_the_elements_are_dark(arrive: Arrive) -> None:
    visitor = arrive(credit="10.00")
    visitor.page.evaluate(
        """() => {
          document.documentElement.style.colorScheme = "dark";
          document.body.style.background = "#111";
          document.body.style.color = "#eee";
          document.body.style.setProperty("--account-credit-accent", "initial");
        }"""
    )
    settle(visitor)
    card = part(visitor, "balance").locator(".credit")
    background = "(element) => getComputedStyle(element).backgroundColor"
    assert card.evaluate(background) == "rgb(21, 26, 36)"
    assert serious(visitor.page) == []


def test_the_pages_letters_and_variables_are_taken(arrive: Arrive) -> None:
    visitor = arrive()
    button = part(visitor, "add-funds").get_by_role("button", name="Add Funds")
    colour = button.evaluate("(element) => getComputedStyle(element).backgroundColor")
    letters = button.evaluate("(element) => getComputedStyle(element).fontFamily")
    assert (colour, letters) == ("rgb(122, 61, 0)", "Georgia, serif")


def test_elements_that_leave_the_page_end_the_connection(arrive: Arrive) -> None:
    visitor = arrive(credit="10.00")
    is_live(visitor)
    with visitor.page.expect_websocket() as _again:
        visitor.page.evaluate(
            """() => {
              const main = document.querySelector("main");
              main.remove();
              setTimeout(() => document.body.append(main), 500);
            }"""
        )
    visitor.sees_credit("$10.00")
    is_live(visitor)
