"""PayPal, as a client, a browser and PayPal's own staff see it: real servers on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.paypal.fake import FakePayPal, unprocessable
from tests.support.paypal.served import served
from tests.support.server.actions import is_frozen, spend
from tests.support.server.at_paypal import (
    at_paypal,
    begun,
    come_back,
    open_paypal_server,
    order_id,
    paid,
    payment_of,
    tell,
)
from tests.support.server.demo_server import DemoServer
from tests.support.server.live import CREDIT, watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Databases

pytestmark = pytest.mark.once

FIVE = {"currency_code": "USD", "value": "5.00"}
REFUND = "refund { id status failureCode amount { amount } }"


@pytest.fixture(scope="module")
def paypal() -> Iterator[FakePayPal]:
    with served() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, paypal: FakePayPal
) -> Iterator[DemoServer]:
    with open_paypal_server(tmp_path_factory.mktemp("server"), databases, paypal) as opened:
        yield opened


# ------------------------------------------------------------------------------- paying


def test_the_payer_agrees_comes_back_and_has_the_credit(server: DemoServer) -> None:
    client = server.new_client()
    with watching(client, CREDIT) as pushed:
        assert pushed()["balance"]["available"] == "0.00"
        invoice, payment = begun(server, client)
        assert pushed()["balance"]["pending"] == "25.00"
        back = at_paypal(payment)
        assert back.startswith(f"{server.url}/return/{payment['id']}?token=")
        assert come_back(back) == f"{server.url}/done?tab=credit&payment={payment['id']}"
        update = pushed()
        assert update["transaction"]["kind"] == "DEPOSIT"
        assert update["balance"]["available"] == "25.00"
    assert client.invoice(invoice)["status"] == "PAID"


def test_a_payer_who_turns_back_can_go_again(server: DemoServer) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    come_back(at_paypal(payment, agree=False))
    assert payment_of(client, invoice)["status"] == "REQUIRES_ACTION"
    come_back(at_paypal(payment))
    assert (client.available(), payment_of(client, invoice)["status"]) == ("25.00", "SUCCEEDED")


def test_a_browser_that_never_comes_back_loses_nothing(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    _, payment = begun(server, client)
    with watching(client, CREDIT) as pushed:
        pushed()
        order = paypal.back_office.approve(order_id(payment))
        tell(server, paypal, "CHECKOUT.ORDER.APPROVED", order)
        update = pushed()  # from the worker, which takes the money
        assert update["balance"]["available"] == "25.00"


def test_a_refused_card_is_replaced_at_paypal(server: DemoServer, paypal: FakePayPal) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    paypal.troubles["capture"].append(unprocessable("INSTRUMENT_DECLINED"))
    come_back(at_paypal(payment))
    assert payment_of(client, invoice)["status"] == "REQUIRES_ACTION"
    come_back(at_paypal(payment))
    assert client.available() == "25.00"


def test_a_payment_that_paypal_holds_and_then_denies(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    paypal.back_office.capture_states.append("PENDING")
    invoice, payment = paid(server, client)
    assert (client.stage(invoice), client.available()) == ("AWAITING_GATEWAY", "0.00")
    capture = paypal.back_office.settle(paypal.back_office.captured(payment["id"]), "DECLINED")
    tell(server, paypal, "PAYMENT.CAPTURE.DENIED", capture)
    assert payment_of(client, invoice)["status"] == "FAILED"
    assert (client.stage(invoice), client.available()) == ("FAILED", "0.00")
    come_back(at_paypal(client.begin(client.invoice(invoice), gateway="paypal")))
    assert client.available() == "25.00"


def test_the_same_capture_told_in_every_way_is_one_deposit(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    _, payment = begun(server, client)
    back = at_paypal(payment)
    come_back(back)
    for _ in range(3):
        tell(
            server, paypal, "PAYMENT.CAPTURE.COMPLETED", paypal.back_office.captured(payment["id"])
        )
        come_back(back)
    client.do("recheckPayment", "payment { status }", paymentId=payment["id"])
    assert [line["amount"] for line in client.statement()] == ["25.00"]


@pytest.mark.parametrize("operation", ["create", "capture"])
def test_an_answer_that_is_lost_loses_and_doubles_nothing(
    server: DemoServer, paypal: FakePayPal, operation: str
) -> None:
    client = server.new_client()
    orders, captures = len(paypal.back_office.orders), len(paypal.back_office.captures)
    paypal.troubles[operation].append("lost")
    paid(server, client)
    assert client.available() == "25.00"
    assert len(paypal.back_office.orders) == orders + 1
    assert len(paypal.back_office.captures) == captures + 1


def test_a_token_that_expires_meanwhile_is_nobodys_trouble(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    _, payment = begun(server, client)
    paypal.expire_tokens()
    come_back(at_paypal(payment))
    assert client.available() == "25.00"


def test_who_gives_up_is_not_charged_for_agreeing_later(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    client.do("cancelPayment", "payment { status }", paymentId=payment["id"])
    come_back(at_paypal(payment))
    tell(server, paypal, "CHECKOUT.ORDER.APPROVED", paypal.back_office.orders[order_id(payment)])
    assert payment_of(client, invoice)["status"] == "CANCELED"
    assert [
        one for one in paypal.back_office.captures.values() if one["custom_id"] == payment["id"]
    ] == []


def test_less_than_was_asked_is_booked_as_what_it_is(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    paypal.back_office.amounts.append({"currency_code": "USD", "value": "24.00"})
    invoice, _ = paid(server, client)
    after = client.invoice(invoice)
    assert (after["amountPaid"], after["amountDue"], client.available()) == (
        "24.00",
        "1.00",
        "24.00",
    )


def test_another_currency_is_never_booked(server: DemoServer, paypal: FakePayPal) -> None:
    client = server.new_client()
    paypal.back_office.amounts.append({"currency_code": "EUR", "value": "25.00"})
    invoice, _ = paid(server, client)
    assert (client.available(), client.invoice(invoice)["amountPaid"]) == ("0.00", "0.00")


def test_a_forged_message_is_refused_at_the_door(server: DemoServer, paypal: FakePayPal) -> None:
    client = server.new_client()
    _, payment = begun(server, client)
    capture = {"id": "1", "status": "COMPLETED", "amount": FIVE, "custom_id": payment["id"]}
    headers, body = paypal.signer.message("PAYMENT.CAPTURE.COMPLETED", capture)
    forged = body.replace(b"5.00", b"9.00")
    url = f"{server.url}/webhooks/paypal"
    assert httpx.post(url, content=forged, headers=headers).status_code == 401
    assert client.available() == "0.00"


# ------------------------------------------------------------------------------- going back


@pytest.mark.parametrize(
    ("end", "available", "status"),
    [("COMPLETED", "20.00", "SUCCEEDED"), ("FAILED", "25.00", "FAILED")],
)
def test_a_refund_that_pends_comes_to_its_end(
    server: DemoServer, paypal: FakePayPal, end: str, available: str, status: str
) -> None:
    client = server.new_client()
    _, payment = paid(server, client)
    paypal.back_office.refund_states.append("PENDING")
    asked = {"paymentId": payment["id"], "amount": client.money("5.00"), "reason": "Asked to"}
    refund = server.staff.do("refundPayment", REFUND, **asked)["refund"]
    assert (refund["status"], client.available()) == ("PENDING", "20.00")
    [given] = paypal.back_office.refunds_of(paypal.back_office.captured(payment["id"]))
    assert given["custom_id"] == refund["id"]
    tell(server, paypal, f"PAYMENT.REFUND.{end}", paypal.back_office.settle(given, end))
    assert client.available() == available
    found = server.staff.ask(
        "query ($id: ID!) { node(id: $id) { ... on Refund { status } } }", id=refund["id"]
    )
    assert found["node"]["status"] == status


def test_a_dispute_of_spent_credit_is_a_debt_until_it_is_won(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    _, payment = paid(server, client)
    spend(server, client, "20.00")
    dispute = paypal.back_office.dispute(paypal.back_office.captured(payment["id"]))
    tell(server, paypal, "CUSTOMER.DISPUTE.CREATED", dispute)
    balance = client.balance()
    assert (balance["available"], balance["debt"], is_frozen(client)) == ("0.00", "20.00", True)
    tell(
        server,
        paypal,
        "CUSTOMER.DISPUTE.RESOLVED",
        paypal.back_office.resolve(dispute, "RESOLVED_SELLER_FAVOUR"),
    )
    balance = client.balance()
    assert (balance["available"], balance["debt"], is_frozen(client)) == ("5.00", "0.00", False)


def test_a_lost_dispute_and_its_reversal_take_the_money_once(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    _, payment = paid(server, client)
    capture = paypal.back_office.captured(payment["id"])
    dispute = paypal.back_office.dispute(capture, FIVE)
    tell(server, paypal, "CUSTOMER.DISPUTE.CREATED", dispute)
    tell(server, paypal, "PAYMENT.CAPTURE.REVERSED", paypal.back_office.reverse(capture, FIVE))
    resolved = paypal.back_office.resolve(dispute, "RESOLVED_BUYER_FAVOUR", FIVE)
    tell(server, paypal, "CUSTOMER.DISPUTE.RESOLVED", resolved)
    client.do("recheckPayment", "payment { status }", paymentId=payment["id"])
    assert (client.available(), is_frozen(client)) == ("20.00", False)
    kinds = [line["kind"] for line in client.statement()]
    assert kinds == ["DEPOSIT_REVERSED", "DEPOSIT"]


def test_what_the_seller_refunds_at_paypal_leaves_the_credit(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    _, payment = paid(server, client)
    capture = paypal.back_office.captured(payment["id"])
    given = paypal.back_office.refund(capture["id"], FIVE, custom_id=payment["id"])
    for _ in range(2):
        tell(server, paypal, "PAYMENT.CAPTURE.REFUNDED", given)
    assert client.available() == "20.00"
