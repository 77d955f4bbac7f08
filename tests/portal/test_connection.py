"""The portal on a bad day: lost connections, slow gateways, sessions that end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.server.sandbox_messages import message, send

if TYPE_CHECKING:
    from playwright.sync_api import Request, Route, WebSocket

    from tests.support.browser.portal_visitor import Visit
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once


def test_after_a_dropped_connection_it_goes_on_from_what_it_has_seen(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit(credit="10.00").sign_in()
    visitor.sees_credit("$10.00")
    asked: list[dict[str, Any]] = []

    def note(sent: str | bytes) -> None:
        told = json.loads(sent)
        if told["type"] == "subscribe" and "creditUpdated" in told["payload"]["query"]:
            asked.append(told["payload"]["variables"])

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", note)

    visitor.page.on("websocket", watch)
    visitor.expected += ["WebSocket connection", "net::ERR_"]
    before = visitor.client.balance()["version"]
    server.stop()
    expect(visitor.connection).to_have_text("Reconnecting…")
    server.start()
    visitor.client.deposit("15.00")
    visitor.client.deposit("5.00")
    expect(visitor.connection).to_have_text("Live")
    visitor.sees_credit("$30.00")
    assert before <= asked[0]["after"] <= before + 2
    visitor.go("Transactions")
    expect(visitor.page.locator("table.rows tbody tr")).to_have_count(3)


def test_offline_is_said_and_over_by_itself(visit: Visit) -> None:
    visitor = visit(credit="10.00").sign_in()
    visitor.expected += ["net::ERR_INTERNET_DISCONNECTED", "WebSocket connection"]
    visitor.context.set_offline(offline=True)
    expect(visitor.connection).to_have_text("Offline")
    visitor.go("Add Funds")
    visitor.sees("Can't reach the server.")
    visitor.context.set_offline(offline=False)
    expect(visitor.connection).to_have_text("Live")
    expect(visitor.amount).to_have_value("5.00")


def test_the_page_waits_for_a_slow_gateway_and_changes_by_itself(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit().sign_in()
    visitor.add_funds("25")
    visitor.press("Pay Now!")
    visitor.page.wait_for_url("**/sandbox/pay/**")
    invoice = visitor.client.invoices()[0]
    [payment] = visitor.client.invoice(invoice)["payments"]
    # The browser is back before the gateway has said anything.
    visitor.page.goto(f"/billing/invoices/{invoice['id']}/return?payment={payment['id']}")
    visitor.sees("Waiting for confirmation from Sandbox")
    expect(visitor.page.get_by_role("link", name="Continue to the payment page")).to_be_visible()
    body = message(
        "payment.captured", payment, capture=f"cap_{payment['id']}", amount="25.00", currency="USD"
    )
    assert send(server, body) < 300
    visitor.sees("has been paid")
    visitor.sees_credit("$25.00")


def test_a_session_that_ended_leads_to_sign_in_and_back(visit: Visit) -> None:
    visitor = visit(credit="10.00").sign_in()
    visitor.go("Transactions")
    sign_out = "mutation { signOut { userErrors { code } } }"
    # Pressed at once: the page's socket is closed within a second as well.
    visitor.page.evaluate(
        """async (query) => {
          await fetch("/graphql", {method: "POST", body: JSON.stringify({query}),
            headers: {"content-type": "application/json"}});
          [...document.querySelectorAll("button")].find((one) => one.innerText == "Spent").click();
        }""",
        sign_out,
    )
    visitor.sees("Your session has ended.")
    visitor.sign_in()
    expect(visitor.page).to_have_url(f"{visitor.server.url}/billing/transactions")
    expect(visitor.page.get_by_role("heading", name="Transactions")).to_be_visible()
    visitor.sees_credit("$10.00")


def test_it_is_still_said_when_the_page_learns_twice_that_its_session_has_ended(
    visit: Visit,
) -> None:
    """From what was pressed and from the socket: both ask who is signed in, and hear: nobody."""
    visitor = visit(credit="10.00").sign_in()
    visitor.go("Transactions")
    visitor.sees_credit("$10.00")
    held: list[Route] = []

    def asks_who(request: Request) -> bool:
        return "query Viewer" in (request.post_data or "")

    def hold(route: Route) -> None:
        if asks_who(route.request):
            held.append(route)
        else:
            route.continue_()

    visitor.page.route("**/graphql", hold)
    with visitor.page.expect_request(asks_who):  # the socket is closed
        visitor.page.evaluate(
            """() => fetch("/graphql", {method: "POST", body: JSON.stringify({query:
              "mutation { signOut { userErrors { code } } }"}),
              headers: {"content-type": "application/json"}})"""
        )
    with visitor.page.expect_request(asks_who):  # what is pressed is refused
        visitor.press("Spent")
    for route in held:
        with visitor.page.expect_request_finished(asks_who):
            route.continue_()
    assert len(held) == 2
    visitor.sees("Your session has ended.")


def test_a_session_that_ends_ends_the_live_page_too(visit: Visit) -> None:
    visitor = visit(credit="10.00").sign_in()
    other = visitor.second_tab()
    visitor.press("Sign out")
    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
    visitor.client.deposit("5.00")
    other.sees("Your session has ended.")


def test_wrong_credentials_are_refused_at_the_form(visit: Visit) -> None:
    visitor = visit()
    visitor.page.locator("#email").fill(visitor.client.email)
    visitor.page.locator("#password").fill("not my pass phrase")
    visitor.press("Sign in")
    expect(visitor.page.locator("#password-error")).to_be_visible()
    expect(visitor.page.locator("#password")).to_be_focused()
