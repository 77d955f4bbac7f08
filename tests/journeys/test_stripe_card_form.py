"""Cards in the portal's own page, with 3-D Secure: localstripe plays Stripe and Stripe.js."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser.chromium import Chromium, chromium
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.live import INVOICE_OF, watching
from tests.support.servers import free_port
from tests.support.standins.localstripe import (
    DECLINED_CARD,
    GOOD_CARD,
    SECRET_KEY,
    SECURE_CARD,
    WEBHOOK_SECRET,
    LocalStripe,
    localstripe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Page

    from tests.support.server.api_client import Answer, Portal
    from tests.support.servers import Databases

pytestmark = pytest.mark.once

PUBLISHABLE_KEY = "pk_test_localstripe"
CARD = """payment {
  id status nextAction { ... on ConfirmCardAction { clientSecret publishableKey } }
}"""
PAGE = """<script src="{script}"></script><output></output><script>
Stripe("{key}").confirmCardPayment("{secret}").then(({{error, paymentIntent}}) => {{
  document.querySelector("output").textContent = error ? "failed" : paymentIntent.status
}})
</script>"""


@pytest.fixture(scope="module")
def port() -> int:
    """Where the stand-in listens."""
    return free_port()


@pytest.fixture(scope="module")
def server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[DemoServer]:
    """A provider that takes cards in the portal's page, through localstripe."""
    keys = {
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_FORM": "page",
        "STRIPE_API_URL": f"http://127.0.0.1:{port}",
    }
    with open_demo_server(tmp_path_factory.mktemp("server"), databases, **keys) as opened:
        yield opened


@pytest.fixture(scope="module")
def stripe(server: DemoServer, port: int) -> Iterator[LocalStripe]:
    with localstripe(server.folder, port, f"{server.url}/webhooks/card") as running:
        yield running


@pytest.fixture(scope="module")
def browser(stripe: LocalStripe) -> Iterator[Chromium]:  # noqa: ARG001 - it shows its dialog
    with chromium() as running:
        yield running


def begun(client: Portal) -> tuple[Answer, Answer, str]:
    """A deposit of 25 dollars: the invoice, the payment, and the secret for the card form."""
    invoice = client.add_funds("25.00", gateway="card")
    payment = client.do("payInvoice", CARD, invoiceId=invoice["id"])["payment"]
    action = payment["nextAction"]
    assert action["publishableKey"] == PUBLISHABLE_KEY
    return invoice, payment, action["clientSecret"]


def authenticate(browser: Chromium, stripe: LocalStripe, secret: str, button: str) -> str:
    """What a client clicks in the bank's dialog; what the page then knows."""
    form = PAGE.format(script=stripe.script, key=PUBLISHABLE_KEY, secret=secret)

    async def clicked(page: Page) -> str:
        await page.set_content(form)
        await page.get_by_role("button", name=button).click()
        await page.wait_for_function("document.querySelector('output').textContent")
        return await page.locator("output").inner_text()

    return browser.visit(clicked)


def state(client: Portal, invoice: Answer) -> tuple[str, str, str]:
    found = client.invoice(invoice)
    return found["status"], found["payments"][-1]["status"], client.available()


def paid_by_message(client: Portal, invoice: Answer) -> None:
    with watching(client, INVOICE_OF, id=invoice["id"]) as pushed:
        while pushed()["status"] != "PAID":
            pass
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")
    assert [line["kind"] for line in client.statement()] == ["DEPOSIT"]


def test_a_card_that_needs_3_d_secure_pays_after_it(
    server: DemoServer, stripe: LocalStripe, browser: Chromium
) -> None:
    client = server.new_client()
    invoice, payment, secret = begun(client)
    assert stripe.enter_card(secret, SECURE_CARD) == "requires_action"
    client.do("recheckPayment", "payment { status }", paymentId=payment["id"])
    assert state(client, invoice) == ("UNPAID", "REQUIRES_ACTION", "0.00")
    assert authenticate(browser, stripe, secret, "Complete authentication") == "succeeded"
    paid_by_message(client, invoice)


def test_who_fails_3_d_secure_can_try_another_card(
    server: DemoServer, stripe: LocalStripe, browser: Chromium
) -> None:
    client = server.new_client()
    invoice, _, secret = begun(client)
    assert stripe.enter_card(secret, SECURE_CARD) == "requires_action"
    authenticate(browser, stripe, secret, "Fail authentication")
    assert state(client, invoice) == ("UNPAID", "REQUIRES_ACTION", "0.00")
    assert stripe.enter_card(secret, GOOD_CARD) == "succeeded"
    paid_by_message(client, invoice)


def test_a_declined_card_is_not_the_end(server: DemoServer, stripe: LocalStripe) -> None:
    client = server.new_client()
    invoice, payment, secret = begun(client)
    assert stripe.enter_card(secret, DECLINED_CARD) == "declined"
    client.do("recheckPayment", "payment { status }", paymentId=payment["id"])
    assert state(client, invoice) == ("UNPAID", "REQUIRES_ACTION", "0.00")
    client.do("cancelPayment", "payment { status }", paymentId=payment["id"])
    assert state(client, invoice) == ("UNPAID", "CANCELED", "0.00")


def test_asking_stripe_is_as_good_as_waiting_for_its_message(
    server: DemoServer, stripe: LocalStripe
) -> None:
    client = server.new_client()
    invoice, payment, secret = begun(client)
    assert stripe.enter_card(secret, GOOD_CARD) == "succeeded"
    client.do("recheckPayment", "payment { status }", paymentId=payment["id"])
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")


def test_who_has_paid_cannot_cancel(server: DemoServer, stripe: LocalStripe) -> None:
    client = server.new_client()
    invoice, payment, secret = begun(client)
    assert stripe.enter_card(secret, GOOD_CARD) == "succeeded"
    client.attempt("cancelPayment", "payment { status }", paymentId=payment["id"])
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")


def test_staff_give_a_part_of_a_deposit_back_to_the_card(
    server: DemoServer, stripe: LocalStripe
) -> None:
    client = server.new_client()
    invoice, payment, secret = begun(client)
    assert stripe.enter_card(secret, GOOD_CARD) == "succeeded"
    client.do("recheckPayment", "payment { status }", paymentId=payment["id"])
    given = server.staff.do(
        "refundPayment",
        "payment { refunded { amount } } balance { available { amount } }",
        paymentId=payment["id"],
        amount=client.money("10.00"),
        reason="Paid twice by mistake",
    )
    assert given == {
        "payment": {"refunded": "10.00"},
        "balance": {"available": "15.00"},
        "userErrors": [],
    }
    client.do("recheckPayment", "payment { status }", paymentId=payment["id"])
    assert client.available() == "15.00"
    assert [line["kind"] for line in client.statement()] == ["DEPOSIT_REVERSED", "DEPOSIT"]
    assert client.invoice(invoice)["payments"][-1]["refunded"] == "10.00"
