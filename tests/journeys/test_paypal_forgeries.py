"""Messages that nobody sent: PayPal signs a CRC-32 of the body, and that is no signature of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paypal.back_office import new_id
from tests.support.paypal.forged import forged
from tests.support.paypal.served import served
from tests.support.server.actions import is_frozen
from tests.support.server.at_paypal import (
    begun,
    open_paypal_server,
    order_id,
    paid,
    payment_of,
    post,
    tell,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.paypal.fake import FakePayPal
    from tests.support.server.api_client import Answer
    from tests.support.server.demo_server import DemoServer
    from tests.support.servers import Databases

    Thing = dict[str, Any]

pytestmark = pytest.mark.once

MANY = {"currency_code": "USD", "value": "9999.00"}
FIVE = {"currency_code": "USD", "value": "5.00"}


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


def genuine(paypal: FakePayPal, payment: Answer) -> tuple[dict[str, str], bytes]:
    """What PayPal sends of a payment's capture."""
    capture = paypal.back_office.captured(payment["id"])
    return paypal.signer.message("PAYMENT.CAPTURE.COMPLETED", capture)


def up(paypal: FakePayPal, capture: Thing) -> list[Thing]:
    href = f"{paypal.url}/v2/payments/captures/{capture['id']}"
    return [{"rel": "up", "href": href}]


# Each makes a resource out of a real capture, for the payment whose capture that is.
FORGERIES: dict[str, tuple[str, Callable[[FakePayPal, Thing], Thing]]] = {
    "a capture of more": (
        "PAYMENT.CAPTURE.COMPLETED",
        lambda _, capture: {**capture, "amount": MANY},
    ),
    "another capture": (
        "PAYMENT.CAPTURE.COMPLETED",
        lambda _, capture: {**capture, "id": new_id(), "amount": MANY},
    ),
    "a capture that failed": (
        "PAYMENT.CAPTURE.DENIED",
        lambda _, capture: {**capture, "status": "DENIED"},
    ),
    "a refund": (
        "PAYMENT.CAPTURE.REFUNDED",
        lambda paypal, capture: {
            "id": new_id(),
            "status": "COMPLETED",
            "amount": FIVE,
            "links": up(paypal, capture),
        },
    ),
    "a refund that names the payment alone": (
        "PAYMENT.REFUND.COMPLETED",
        lambda _, capture: {
            "id": new_id(),
            "status": "COMPLETED",
            "amount": FIVE,
            "custom_id": capture["custom_id"],
        },
    ),
    "a reversal": (
        "PAYMENT.CAPTURE.REVERSED",
        lambda paypal, capture: {
            "id": new_id(),
            "status": "COMPLETED",
            "amount": capture["amount"],
            "note_to_payer": "Payment reversed",
            "links": up(paypal, capture),
        },
    ),
    "a dispute": (
        "CUSTOMER.DISPUTE.CREATED",
        lambda _, capture: {
            "dispute_id": f"PP-D-{new_id()}",
            "status": "OPEN",
            "dispute_amount": FIVE,
            "disputed_transactions": [{"seller_transaction_id": capture["id"]}],
        },
    ),
    "a way out of the path": (
        "PAYMENT.CAPTURE.COMPLETED",
        lambda _, capture: {**capture, "id": f"../captures/{capture['id']}", "amount": MANY},
    ),
}


@pytest.mark.parametrize("told", [True, False], ids=["told before", "never told"])
@pytest.mark.parametrize("kind", FORGERIES)
def test_another_body_with_the_same_crc_books_nothing(
    server: DemoServer, paypal: FakePayPal, kind: str, *, told: bool
) -> None:
    client = server.new_client()
    invoice, payment = paid(server, client)
    headers, body = genuine(paypal, payment)
    if told:
        assert post(server, headers, body).status_code == 200
    type, make = FORGERIES[kind]
    fake = forged(body, type, make(paypal, paypal.back_office.captured(payment["id"])))
    answer = post(server, headers, fake)
    assert answer.status_code == 401 if told else answer.status_code in {200, 400}
    assert (client.available(), is_frozen(client)) == ("25.00", False)
    assert [line["amount"] for line in client.statement()] == ["25.00"]
    assert payment_of(client, invoice)["status"] == "SUCCEEDED"
    assert payment_of(client, invoice)["refunded"] == "0.00"


def test_a_capture_that_nobody_has_told_yet_is_booked_as_paypal_has_it(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    _, payment = begun(server, client)
    paypal.back_office.capture(paypal.back_office.approve(order_id(payment)))
    headers, body = genuine(paypal, payment)
    more = {**paypal.back_office.captured(payment["id"]), "amount": MANY}
    fake = forged(body, "PAYMENT.CAPTURE.COMPLETED", more)
    assert post(server, headers, fake).status_code == 200
    assert client.available() == "25.00"


@pytest.mark.parametrize("type", ["CHECKOUT.ORDER.APPROVED", "CHECKOUT.PAYMENT-APPROVAL.REVERSED"])
def test_what_the_payer_has_not_said_is_not_believed(
    server: DemoServer, paypal: FakePayPal, type: str
) -> None:
    other = server.new_client()
    headers, body = genuine(paypal, paid(server, other)[1])
    client = server.new_client()
    invoice, payment = begun(server, client)
    order = paypal.back_office.orders[order_id(payment)]
    resource = {**order, "order_id": order["id"], "status": "APPROVED"}
    assert post(server, headers, forged(body, type, resource)).status_code == 200
    assert payment_of(client, invoice)["status"] == "REQUIRES_ACTION"
    assert client.available() == "0.00"


def test_a_dispute_is_not_won_before_paypal_says_so(server: DemoServer, paypal: FakePayPal) -> None:
    client = server.new_client()
    _, payment = paid(server, client)
    dispute = paypal.back_office.dispute(paypal.back_office.captured(payment["id"]))
    headers, body = paypal.signer.message("CUSTOMER.DISPUTE.CREATED", dispute)
    won = {**dispute, "status": "RESOLVED", "dispute_outcome": {"outcome_code": "NONE"}}
    fake = forged(body, "CUSTOMER.DISPUTE.RESOLVED", won)
    assert post(server, headers, fake).status_code == 503
    assert post(server, headers, body).status_code == 200
    assert post(server, headers, fake).status_code == 401
    assert (client.available(), is_frozen(client)) == ("0.00", True)


def test_a_forged_message_cannot_take_the_id_of_one_that_is_to_come(
    server: DemoServer, paypal: FakePayPal
) -> None:
    headers, body = genuine(paypal, paid(server, server.new_client())[1])
    client = server.new_client()
    _, payment = begun(server, client)
    order = paypal.back_office.capture(paypal.back_office.approve(order_id(payment)))
    [capture] = order["purchase_units"][0]["payments"]["captures"]
    taken = forged(body, "BILLING.PLAN.CREATED", {}, id=f"capture:{capture['id']}:captured")
    assert post(server, headers, taken).status_code == 200
    tell(server, paypal, "PAYMENT.CAPTURE.COMPLETED", capture)
    assert client.available() == "25.00"


def test_an_order_of_somebody_elses_making_does_not_pay_our_payment(
    server: DemoServer, paypal: FakePayPal
) -> None:
    client = server.new_client()
    invoice, payment = begun(server, client)
    ours = paypal.back_office.orders[order_id(payment)]
    unit = {**ours["purchase_units"][0], "payee": {"merchant_id": "EVILEVILEVIL1"}}
    other = paypal.back_office.new_order({"intent": "CAPTURE", "purchase_units": [unit]})
    paypal.back_office.approve(other["id"])
    tell(server, paypal, "CHECKOUT.ORDER.APPROVED", other)
    [capture] = paypal.back_office.capture(other)["purchase_units"][0]["payments"]["captures"]
    tell(server, paypal, "PAYMENT.CAPTURE.COMPLETED", capture)
    assert (client.available(), payment_of(client, invoice)["status"]) == (
        "0.00",
        "REQUIRES_ACTION",
    )


@pytest.mark.parametrize("operation", ["read_capture", "token"])
def test_while_paypal_cannot_be_asked_it_is_told_to_come_again(
    server: DemoServer, paypal: FakePayPal, operation: str
) -> None:
    client = server.new_client()
    _, payment = begun(server, client)
    [capture] = paypal.back_office.capture(paypal.back_office.approve(order_id(payment)))[
        "purchase_units"
    ][0]["payments"]["captures"]
    headers, body = paypal.signer.message("PAYMENT.CAPTURE.COMPLETED", capture)
    if operation == "token":
        paypal.expire_tokens()
    paypal.troubles[operation].append(503)
    answer = post(server, headers, body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert client.available() == "0.00"
    assert [post(server, headers, body).status_code for _ in range(2)] == [200, 200]
    assert client.available() == "25.00"


def test_a_message_that_comes_again_makes_nobody_ask_paypal_again(
    server: DemoServer, paypal: FakePayPal
) -> None:
    _, payment = paid(server, server.new_client())
    message = genuine(paypal, payment)
    assert post(server, *message).status_code == 200
    asked = len(paypal.asked)
    assert {post(server, *message).status_code for _ in range(5)} == {200}
    assert len(paypal.asked) == asked


@pytest.mark.parametrize("what", ["certificate", "signature", "transmission", "body"])
def test_a_crowd_of_unsigned_messages_makes_us_ask_paypal_a_few_times(
    server: DemoServer, paypal: FakePayPal, what: str
) -> None:
    client = server.new_client()
    _, payment = paid(server, client)
    headers, body = genuine(paypal, payment)
    assert post(server, headers, body).status_code == 200  # its certificate is known now
    asked = len(paypal.asked)
    for number in range(60):
        fake, text = dict(headers), body
        if what == "certificate":
            fake["paypal-cert-url"] += f"-{number}"
        elif what == "signature":
            fake["paypal-transmission-sig"] = "A" * 344
        elif what == "transmission":
            fake["paypal-transmission-id"] += f"-{number}"
        else:
            text = body.replace(b"25.00", f"{number}.99".encode())
        assert post(server, fake, text).status_code in {200, 401, 503}
    assert len(paypal.asked) - asked <= 12
    paypal.faults.clear()  # certificates that PayPal does not have
    assert post(server, *genuine(paypal, payment)).status_code == 200
    assert client.available() == "25.00"
