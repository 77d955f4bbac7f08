"""Cards on Stripe's hosted page, which somebody else's simulator shows and Chromium clicks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.gateways.stripe.requests import PAYMENT_KEY
from tests.support.browser.chromium import Chromium, chromium
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.live import INVOICE_OF, watching
from tests.support.servers import free_port
from tests.support.standins.stripe_simulator import WEBHOOK_SECRET, Simulator, simulator
from tests.support.stripe.bodies import message, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Page

    from tests.support.server.api_client import Answer, Portal
    from tests.support.servers import Databases

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def port() -> int:
    """Where the stand-in listens."""
    return free_port()


@pytest.fixture(scope="module")
def server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[DemoServer]:
    """A provider that takes cards through the simulator."""
    keys = {
        "STRIPE_SECRET_KEY": "sk_test_simulator",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_API_URL": f"http://127.0.0.1:{port}",
    }
    with open_demo_server(tmp_path_factory.mktemp("server"), databases, **keys) as opened:
        yield opened


@pytest.fixture(scope="module")
def stripe(server: DemoServer, port: int) -> Iterator[Simulator]:
    with simulator(server.folder, port, f"{server.url}/webhooks/card") as running:
        yield running


@pytest.fixture(scope="module")
def browser(stripe: Simulator) -> Iterator[Chromium]:  # noqa: ARG001 - it shows its pages
    with chromium() as running:
        yield running


def begun(server: DemoServer, client: Portal) -> tuple[Answer, Answer]:
    """A deposit of 25 dollars: the invoice, and the payment that waits for a card."""
    invoice = client.add_funds("25.00", gateway="card")
    payment = client.begin(invoice, returnUrl=f"{server.url}/done")
    assert payment["nextAction"]["__typename"] == "RedirectAction"
    return invoice, payment


def click(browser: Chromium, payment: Answer, button: str) -> str:
    """What a client clicks on Stripe's page; the address that the browser ends at."""

    async def clicked(page: Page) -> str:
        await page.goto(payment["nextAction"]["url"])
        await page.get_by_role("button", name=button, exact=True).click()
        await page.wait_for_url("**/done?**")
        return page.url

    return browser.visit(clicked)


def state(client: Portal, invoice: Answer) -> tuple[str, str, str]:
    """The invoice's and the payment's status, and the available credit."""
    found = client.invoice(invoice)
    return found["status"], found["payments"][-1]["status"], client.available()


def test_a_client_pays_on_stripes_page_and_the_credit_rises(
    server: DemoServer, browser: Chromium
) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    with watching(client, INVOICE_OF, id=invoice["id"]) as pushed:
        assert pushed()["status"] == "UNPAID"
        address = click(browser, payment, "Pay")
        while pushed()["status"] != "PAID":
            pass
    assert address == f"{server.url}/done?payment={payment['id']}"
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")
    assert [line["kind"] for line in client.statement()] == ["DEPOSIT"]


def test_a_declined_card_is_not_the_end(server: DemoServer, browser: Chromium) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    click(browser, payment, "Decline")
    assert state(client, invoice) == ("UNPAID", "REQUIRES_ACTION", "0.00")
    click(browser, payment, "Pay")
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")


def test_who_leaves_the_page_can_come_back_to_it(server: DemoServer, browser: Chromium) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    click(browser, payment, "Abandon")
    assert state(client, invoice) == ("UNPAID", "REQUIRES_ACTION", "0.00")
    click(browser, payment, "Pay")
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")


@pytest.mark.usefixtures("stripe")
def test_a_payment_that_is_canceled_cannot_be_paid_any_more(server: DemoServer) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    client.attempt("cancelPayment", "payment { status }", paymentId=payment["id"])
    # Stripe's own message, that the page has expired, may be faster than its answer to us.
    assert state(client, invoice) in {
        ("UNPAID", "CANCELED", "0.00"),
        ("UNPAID", "EXPIRED", "0.00"),
    }
    assert httpx.get(payment["nextAction"]["url"]).status_code == 400


def test_a_page_that_nobody_used_expires(server: DemoServer, stripe: Simulator) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    stripe.do(payment["nextAction"]["url"], "expire_session")
    assert state(client, invoice) == ("UNPAID", "EXPIRED", "0.00")


def test_money_that_takes_days_is_processing_until_it_is_there(
    server: DemoServer, stripe: Simulator, browser: Chromium
) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    click(browser, payment, "Pay (delayed method)")
    assert state(client, invoice) == ("PROCESSING", "PROCESSING", "0.00")
    stripe.do(payment["nextAction"]["url"], "settle_delayed")
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")
    assert [line["kind"] for line in client.statement()] == ["DEPOSIT"]


def test_money_that_takes_days_and_does_not_come_fails(
    server: DemoServer, stripe: Simulator, browser: Chromium
) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    click(browser, payment, "Pay (delayed method)")
    stripe.do(payment["nextAction"]["url"], "fail_delayed")
    assert state(client, invoice) == ("UNPAID", "FAILED", "0.00")


# ------------------------------------------------------------------------------- Stripe's messages


def tell(server: DemoServer, type_: str, about: dict[str, object], **how: Any) -> int:
    """The status of the answer to a message that Stripe signs."""
    secret = how.pop("secret", WEBHOOK_SECRET)
    return send(server, signed(message(type_, about, **how), secret=secret))


def send(server: DemoServer, sent: tuple[dict[str, str], bytes]) -> int:
    headers, body = sent
    url = f"{server.url}/webhooks/card"
    return httpx.post(url, content=body, headers=headers, timeout=30).status_code


def captured(payment: Answer, minor: int = 2500) -> dict[str, object]:
    """The PaymentIntent of a payment that has brought so many cents."""
    return {
        "id": f"pi_{payment['id']}",
        "object": "payment_intent",
        "status": "succeeded",
        "amount_received": minor,
        "currency": "usd",
        "metadata": {PAYMENT_KEY: payment["id"]},
    }


def disputed(payment: Answer, status: str) -> dict[str, object]:
    """A dispute about all of it. It knows nothing of us."""
    return {
        "id": f"dp_{payment['id']}",
        "object": "dispute",
        "status": status,
        "amount": 2500,
        "currency": "usd",
        "payment_intent": f"pi_{payment['id']}",
    }


@pytest.mark.usefixtures("stripe")
def test_money_that_many_messages_tell_of_is_booked_once(server: DemoServer) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    once = signed(message("payment_intent.succeeded", captured(payment)), secret=WEBHOOK_SECRET)
    page = {
        "id": "cs_test_1",
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": f"pi_{payment['id']}",
        "amount_total": 2500,
        "currency": "usd",
        "metadata": {PAYMENT_KEY: payment["id"]},
    }
    other = signed(message("checkout.session.completed", page), secret=WEBHOOK_SECRET)
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda sent: send(server, sent), [once, other] * 12))
    assert set(answers) == {200}
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")
    assert [line["kind"] for line in client.statement()] == ["DEPOSIT"]


def test_money_that_comes_after_the_page_has_expired_is_credit(
    server: DemoServer, stripe: Simulator
) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    stripe.do(payment["nextAction"]["url"], "expire_session")
    assert state(client, invoice)[1] == "EXPIRED"
    assert tell(server, "payment_intent.succeeded", captured(payment)) == 200
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")


@pytest.mark.usefixtures("stripe")
@pytest.mark.parametrize(
    ("minor", "status", "credit"), [(3000, "PAID", "30.00"), (2000, "UNPAID", "20.00")]
)
def test_what_really_came_in_is_credit(
    server: DemoServer, minor: int, status: str, credit: str
) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    assert tell(server, "payment_intent.succeeded", captured(payment, minor)) == 200
    assert state(client, invoice) == (status, "SUCCEEDED", credit)


@pytest.mark.usefixtures("stripe")
def test_what_is_not_signed_by_stripe_in_this_mode_moves_nothing(server: DemoServer) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    about = captured(payment)
    forged = "whsec_somebody_elses_secret"
    assert tell(server, "payment_intent.succeeded", about, secret=forged) == 401
    assert tell(server, "payment_intent.succeeded", about, livemode=True) == 400
    assert state(client, invoice) == ("UNPAID", "REQUIRES_ACTION", "0.00")


@pytest.mark.usefixtures("stripe")
def test_a_dispute_takes_the_money_back_and_a_won_one_returns_it(server: DemoServer) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    # The inquiry that came before moves nothing.
    tell(server, "charge.dispute.created", disputed(payment, "warning_needs_response"))
    tell(server, "payment_intent.succeeded", captured(payment))
    assert client.available() == "25.00"
    tell(server, "charge.dispute.funds_withdrawn", disputed(payment, "needs_response"))
    tell(server, "charge.dispute.created", disputed(payment, "needs_response"))
    assert state(client, invoice) == ("REFUNDED", "SUCCEEDED", "0.00")
    tell(server, "charge.dispute.closed", disputed(payment, "won"))
    tell(server, "charge.dispute.funds_reinstated", disputed(payment, "won"))
    assert state(client, invoice) == ("PAID", "SUCCEEDED", "25.00")
    kinds = [line["kind"] for line in client.statement()]
    assert kinds == ["DEPOSIT_REINSTATED", "DEPOSIT_REVERSED", "DEPOSIT"]
