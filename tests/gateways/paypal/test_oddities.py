"""What PayPal hardly ever says: it costs nobody money, and is a problem that is asked again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.gateways.paypal import PayPalGateway
from api.gateways.paypal.merchant import Merchant
from models.gateway import EventKind, GatewayProblem, GatewayUnreachable
from tests.gateways.contract import order
from tests.gateways.paypal import signer
from tests.gateways.paypal.fake import FakePayPal, Refused
from tests.gateways.paypal.orders import USD, begun, captured, refund_order

GONE = Refused(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
BUSY = Refused(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS")


@pytest.mark.parametrize("change", [{"status": "TOMORROW"}, {"amount": {"value": "1"}}])
async def test_a_refund_that_cannot_be_read_is_a_problem(
    gateway: PayPalGateway, fake: FakePayPal, change: dict[str, Any]
) -> None:
    paid = await captured(gateway, fake)
    asked = refund_order(fake, paid)
    await gateway.refund(asked)
    fake.desk.refunds_of(fake.desk.captured(paid.id))[0].update(change)
    with pytest.raises(GatewayProblem):
        await gateway.refund(asked)
    fake.faults.clear()


@pytest.mark.parametrize("operation", ["refund", "order"])
async def test_a_refund_that_waits_for_another_request_is_asked_for_again(
    gateway: PayPalGateway, fake: FakePayPal, operation: str
) -> None:
    asked = refund_order(fake, await captured(gateway, fake))
    fake.troubles[operation].append(BUSY)
    with pytest.raises(GatewayProblem):
        await gateway.refund(asked)
    [event] = await gateway.refund(asked)
    assert event.kind is EventKind.REFUNDED
    fake.faults.clear()


async def test_without_an_answer_about_disputes_nothing_is_said_of_the_money(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    fake.troubles["disputes"].append(BUSY)
    with pytest.raises(GatewayProblem):
        await gateway.fetch(paid)
    fake.faults.clear()


async def test_an_order_that_may_not_be_read_has_not_expired(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await begun(gateway)
    fake.troubles["order"].append(BUSY)
    with pytest.raises(GatewayProblem):
        await gateway.fetch(asked)
    fake.faults.clear()


async def test_an_amount_that_makes_no_sense_is_a_problem(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    fake.desk.captured(paid.id)["amount"] = {"currency_code": "USD", "value": "many"}
    with pytest.raises(GatewayProblem, match="malformed"):
        await gateway.fetch(paid)
    fake.faults.clear()


@pytest.mark.parametrize("is_named", [True, False])
async def test_a_reversal_is_told_though_paypal_has_forgotten_its_order(
    gateway: PayPalGateway, fake: FakePayPal, *, is_named: bool
) -> None:
    paid = await captured(gateway, fake)
    capture = fake.desk.captured(paid.id)
    taken = fake.desk.reverse(capture)
    if is_named:
        fake.troubles["order"].append(GONE)
    else:
        del capture["supplementary_data"]
    told = await gateway.parse_message(*fake.signer.message("PAYMENT.CAPTURE.REVERSED", taken))
    assert [event.kind for event in told] == [EventKind.CAPTURED, EventKind.REFUNDED]


async def test_a_refund_without_its_capture_is_kept_for_people(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    refund = {"id": "1", "status": "COMPLETED", "amount": {"currency_code": "USD", "value": "1"}}
    message = fake.signer.message("PAYMENT.CAPTURE.REFUNDED", refund)
    [event] = await gateway.parse_message(*message)
    assert (event.kind, event.payment, event.capture) == (EventKind.REFUNDED, "", "")


async def test_a_certificate_without_names_is_not_believed(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.certificate = signer.certificate("")
    capture = {"id": "1", "status": "PENDING", "custom_id": "pay_1"}
    await gateway.parse_message(*fake.signer.message("PAYMENT.CAPTURE.PENDING", capture))
    assert fake.asked[-1] == "verify"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (httpx.Response(404, content=b"<html>"), GatewayProblem),
        (httpx.Response(302, headers={"location": "https://evil.example"}), GatewayProblem),
        (httpx.Response(422, json={"details": "none"}), GatewayProblem),
        (
            httpx.Response(200, json={"id": "1", "access_token": "x", "expires_in": 1}),
            GatewayProblem,
        ),
        (httpx.Response(504), GatewayUnreachable),
    ],
)
async def test_an_answer_of_something_else_on_the_way_is_a_problem(
    merchant: Merchant, answer: httpx.Response, problem: type[Exception]
) -> None:
    gateway = PayPalGateway(merchant, transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(problem):
        await gateway.start(order(USD))
    await gateway.close()
    await gateway.close()
