"""Staff give money back through the gateway; the client sees it as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.server.api_client import at_sandbox
from tests.support.server.live import CREDIT, watching

if TYPE_CHECKING:
    from tests.support.server.demo_server import DemoServer

REFUND = "refund { id amount { amount } status reason } payment { refunded { amount } }"
SHOWN = """query ($id: ID!) { node(id: $id) { ... on Payment {
  refunded { amount } refunds { status amount { amount } reason payment { id } }
} } }"""


def test_staff_give_an_unspent_deposit_back_and_the_client_sees_it(server: DemoServer) -> None:
    client = server.new_client()
    payment = client.deposit("25.00")
    with watching(client, CREDIT) as pushed:
        pushed()
        money = client.money("10.00")
        given = server.staff.do(
            "refundPayment", REFUND, paymentId=payment["id"], amount=money, reason="Moved away"
        )
        while (update := pushed())["transaction"] is None:
            assert update["balance"]["available"] == "15.00"
    assert given["refund"]["status"] == "SUCCEEDED"
    assert given["payment"]["refunded"] == "10.00"
    assert update["balance"]["available"] == "15.00"
    shown = client.ask(SHOWN, id=payment["id"])["node"]
    expected = {"status": "SUCCEEDED", "amount": "10.00", "reason": "Moved away"}
    assert shown["refunds"] == [{**expected, "payment": {"id": payment["id"]}}]
    assert client.statement()[0]["kind"] == "DEPOSIT_REVERSED"


def test_more_than_is_unspent_is_refused_in_a_forms_terms(server: DemoServer) -> None:
    client = server.new_client()
    payment = client.deposit("25.00")
    given = {"paymentId": payment["id"], "reason": "Moved away"}
    refused = server.staff.refusal("refundPayment", amount=client.money("25.01"), **given)
    assert (refused["code"], refused["field"]) == ("AMOUNT_OUT_OF_RANGE", ["amount", "amount"])
    at_sandbox(payment, "dispute")
    refused = server.staff.refusal("refundPayment", **given)
    assert (refused["code"], refused["field"]) == ("NOT_REFUNDABLE", ["paymentId"])
    document = "mutation ($i: RefundPaymentInput!) { refundPayment(input: $i) { __typename } }"
    assert client.error(document, i={**given, "idempotencyKey": "a client's"}) == "FORBIDDEN"
