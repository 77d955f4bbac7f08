"""Paying at the gateway: approved, declined, challenged, late, lost, too little and too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.server.api_client import INVOICE, PAYMENT, at_sandbox
from tests.support.server.live import CREDIT, INVOICE_OF, watching

if TYPE_CHECKING:
    from tests.support.server.demo_server import DemoServer


pytestmark = pytest.mark.once


def test_a_browser_pays_on_the_sandboxs_pages(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    payment = client.begin(invoice, returnUrl=f"{server.url}/shop?step=3")
    page = payment["nextAction"]["url"]
    with httpx.Client(headers={"origin": server.url}) as browser:
        shown = browser.get(page)
        assert "25.00" in shown.text
        assert invoice["number"] in shown.text
        challenge = browser.get(f"{page}/3-d-secure")
        assert "123456" in challenge.text
        wrong = browser.post(f"{page}/3-d-secure", data={"code": "000000"})
        assert wrong.status_code == 409
        assert client.available() == "0.00"
        done = browser.post(f"{page}/3-d-secure", data={"code": "123456"})
        assert done.status_code == 303
        back = browser.get(done.headers["location"])
    assert back.status_code == 303
    assert back.headers["location"] == f"{server.url}/shop?step=3&payment={payment['id']}"
    assert client.available() == "25.00"


def test_a_declined_payment_says_why_and_the_next_one_pays(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    with watching(client, INVOICE_OF, id=invoice["id"]) as pushed:
        assert pushed()["status"] == "UNPAID"
        at_sandbox(client.begin(invoice), "decline")
        while (shown := pushed())["diagnosis"]["stage"] != "FAILED":
            assert shown["diagnosis"]["stage"] in {"AWAITING_GATEWAY", "AWAITING_CLIENT"}
        assert (shown["status"], client.available()) == ("UNPAID", "0.00")
        failed = client.ask(
            f"query ($id: ID!) {{ node(id: $id) {{ ... on Payment {{ "
            f"{PAYMENT.removeprefix('payment {')} }} }}",
            id=shown["payments"][0]["id"],
        )["node"]
        assert (failed["status"], failed["failureCode"]) == ("FAILED", "card_declined")
        assert failed["failureMessage"]
        assert failed["nextAction"] is None

        at_sandbox(client.begin(invoice), "3-d-secure")
        while (shown := pushed())["status"] != "PAID":
            assert shown["status"] == "UNPAID"
    assert client.available() == "25.00"
    assert [payment["status"] for payment in shown["payments"]] == ["FAILED", "SUCCEEDED"]


def test_checking_again_hurries_no_payment_that_takes_time(server: DemoServer) -> None:
    client = server.new_client()
    payment = client.begin(client.add_funds("25.00"))
    at_sandbox(payment, "settle-later")
    rechecked = client.do("recheckPayment", PAYMENT, paymentId=payment["id"])
    assert rechecked["payment"]["status"] == "PROCESSING"
    assert client.available() == "0.00"


def test_a_failed_authentication_takes_no_money(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    at_sandbox(client.begin(invoice), "fail-authentication")
    assert client.stage(invoice) == "FAILED"
    assert client.statement() == []


def test_a_payment_that_takes_time_is_processing_until_it_is_settled(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    with watching(client, CREDIT) as pushed:
        pushed()
        payment = client.begin(invoice)
        at_sandbox(payment, "settle-later")
        waiting = client.invoice(invoice)
        assert waiting["status"] == "PROCESSING"
        assert waiting["diagnosis"]["stage"] == "AWAITING_GATEWAY"
        assert waiting["diagnosis"]["lastHeardAt"] is not None
        refused = client.refusal("payInvoice", invoiceId=invoice["id"])
        assert refused["code"] == "PAYMENT_IN_PROGRESS"
        refused = client.refusal("cancelPayment", paymentId=payment["id"])
        assert refused["code"] == "PAYMENT_NOT_CANCELABLE"
        at_sandbox(payment, "settle-now")
        while (update := pushed())["transaction"] is None:
            assert update["balance"]["pending"] == "25.00"
    assert update["balance"]["available"] == "25.00"
    assert update["balance"]["pending"] == "0.00"


def test_asking_again_finds_money_whose_message_was_lost(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    payment = client.begin(invoice)
    at_sandbox(payment, "lost")
    waiting = client.invoice(invoice)
    assert (waiting["status"], waiting["diagnosis"]["stage"]) == ("UNPAID", "AWAITING_CLIENT")
    assert datetime.fromisoformat(waiting["diagnosis"]["nextCheckAt"]) > datetime.now(UTC)
    rechecked = client.do("recheckPayment", f"{INVOICE} {PAYMENT}", paymentId=payment["id"])
    assert rechecked["payment"]["status"] == "SUCCEEDED"
    assert rechecked["invoice"]["status"] == "PAID"
    client.do("recheckPayment", PAYMENT, paymentId=payment["id"])
    assert (client.available(), len(client.statement())) == ("25.00", 1)


@pytest.mark.parametrize(
    ("actions", "stage", "available"),
    [
        (["abandon"], "AWAITING_CLIENT", "0.00"),
        (["abandon", "approve"], "SETTLED", "25.00"),
        (["expire"], "FAILED", "0.00"),
        (["expire", "capture-late"], "SETTLED", "25.00"),
        (["settle-later", "deny"], "FAILED", "0.00"),
        (["decline", "capture-late"], "SETTLED", "25.00"),
    ],
    ids=str,
)
def test_whatever_the_payer_does_has_its_stage(
    server: DemoServer, actions: list[str], stage: str, available: str
) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    payment = client.begin(invoice)
    for action in actions:
        at_sandbox(payment, action)
    assert (client.stage(invoice), client.available()) == (stage, available)


def test_a_canceled_payment_leaves_the_invoice_to_be_paid(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    payment = client.begin(invoice)
    canceled = client.do("cancelPayment", f"{INVOICE} {PAYMENT}", paymentId=payment["id"])
    assert canceled["payment"]["status"] == "CANCELED"
    assert canceled["invoice"]["diagnosis"]["stage"] == "NOT_STARTED"
    assert client.balance()["pending"] == "0.00"
    at_sandbox(client.begin(invoice), "approve")
    assert client.invoice(invoice)["status"] == "PAID"


@pytest.mark.parametrize(
    ("action", "form", "status", "due", "available", "kinds"),
    [
        ("capture-less", {"amount": "10.00"}, "UNPAID", "15.00", "10.00", ["DEPOSIT"]),
        ("capture-more", {"amount": "40.00"}, "PAID", "0.00", "40.00", ["DEPOSIT", "OVERPAYMENT"]),
        ("capture-twice", {}, "PAID", "0.00", "50.00", ["DEPOSIT", "OVERPAYMENT"]),
        ("duplicate", {}, "PAID", "0.00", "25.00", ["DEPOSIT"]),
        ("out-of-order", {}, "PAID", "0.00", "25.00", ["DEPOSIT"]),
    ],
)
def test_what_came_in_is_what_is_credited(
    *,
    server: DemoServer,
    action: str,
    form: dict[str, str],
    status: str,
    due: str,
    available: str,
    kinds: list[str],
) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    at_sandbox(client.begin(invoice), action, **form)
    after = client.invoice(invoice)
    assert (after["status"], after["amountDue"]) == (status, due)
    assert client.available() == available
    assert sorted(line["kind"] for line in client.statement()) == kinds


def test_the_rest_of_an_underpaid_deposit_can_be_paid(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    at_sandbox(client.begin(invoice), "capture-less", amount="10.00")
    rest = client.begin(invoice)
    assert rest["amount"] == "15.00"
    at_sandbox(rest, "approve")
    assert client.invoice(invoice)["status"] == "PAID"
    assert client.available() == "25.00"
