"""Stripe's card form in the page: the page's policy lets it in where it is configured only.

Stripe itself is played by a script of a few lines, and the answers about the invoice are put
together here: what the page makes of them is what is tested.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from api.html.portal import portal_policy

if TYPE_CHECKING:
    from playwright.sync_api import Route, WebSocketRoute

    from tests.support.browser.portal_visitor import Visit, Visitor

pytestmark = pytest.mark.once

ACTION = {
    "__typename": "ConfirmCardAction",
    "clientSecret": "pi_1_secret_2",
    "publishableKey": "pk_test_1",
}
#: Notes what it was given, and declines the first card.
STRIPE = """
let tries = 0;
globalThis.Stripe = (key) => ({
  elements: ({ clientSecret }) => ({
    create: () => ({ mount: (place) => { place.textContent = `form of ${key} ${clientSecret}`; } }),
  }),
  confirmPayment: async ({ confirmParams }) => {
    document.documentElement.dataset.returnUrl = confirmParams.return_url;
    return tries++ ? {} : { error: { message: "Your card was declined." } };
  },
});
"""


def an_open_card_payment(visitor: Visitor) -> None:
    """From here on the open invoice's payment wants its card confirmed."""

    def answer(route: Route) -> None:
        if "query Invoice(" not in json.loads(route.request.post_data or "")["query"]:
            route.fallback()
            return
        response = route.fetch()
        told: dict[str, Any] = response.json()
        told["data"]["invoice"]["payments"][0]["nextAction"] = ACTION
        route.fulfill(response=response, json=told)

    def silence(socket: WebSocketRoute) -> None:
        socket.on_message(lambda _message: socket.send('{"type": "connection_ack"}'))

    visitor.add_funds("25")
    visitor.press("Pay Now!")
    visitor.page.wait_for_url("**/sandbox/pay/**")
    [invoice] = visitor.client.invoices()
    visitor.page.route("**/graphql", answer)
    visitor.page.route_web_socket("**/graphql", silence)
    visitor.page.goto(f"/billing/invoices/{invoice['id']}")


def test_the_card_form_is_loaded_declines_and_confirms(visit: Visit) -> None:
    visitor = visit().sign_in()

    def with_stripe(route: Route) -> None:
        answer = route.fetch()
        policy = portal_policy(visitor.server.url, card_form=True)
        headers = {**answer.headers, "content-security-policy": policy}
        route.fulfill(response=answer, headers=headers)

    visitor.page.route("**/billing/invoices/*", with_stripe)
    visitor.page.route(
        "https://js.stripe.com/v3/",
        lambda route: route.fulfill(body=STRIPE, content_type="text/javascript"),
    )
    an_open_card_payment(visitor)
    expect(visitor.page.locator(".card-form")).to_contain_text("form of pk_test_1 pi_1_secret_2")
    visitor.press("Pay Now!")
    expect(visitor.page.get_by_role("alert")).to_have_text("Your card was declined.")
    visitor.press("Pay Now!")
    expect(visitor.page.locator(".card-form [role=alert]")).to_have_count(0)
    address = visitor.page.evaluate("document.documentElement.dataset.returnUrl")
    assert address == f"{visitor.page.url}/return"


def test_without_its_setting_no_script_of_stripes_gets_in(visit: Visit) -> None:
    visitor = visit().sign_in()
    visitor.expected += ["CSP: trusted-types", "TrustedTypePolicy named 'stripe'"]
    an_open_card_payment(visitor)
    visitor.sees("The card form couldn't be loaded.")
    assert any("TrustedTypePolicy named 'stripe'" in said for said in visitor.errors)
