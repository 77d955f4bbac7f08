"""What PayPal hardly ever says: it costs nobody money, and is a problem that is asked again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.gateways.paypal.gateway import PayPalGateway
from api.gateways.paypal.merchant import Merchant
from models.gateway import EventKind, GatewayProblem, GatewayUnreachable
from tests.support.gateways.contract import order
from tests.support.paypal import signer
from tests.support.paypal.fake import FakePayPal, Refused
from tests.support.paypal.orders import USD, begun, captured, refund_order

GONE = Refused(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
BUSY = Refused(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS")


@pytest.mark.parametrize("change", [{"status": "TOMORROW"}, {"amount": {"value": "1"}}])
async def test_a_refund_that_cannot_be_read_is_a_problem(
    gateway: PayPalGateway, fake: FakePayPal, change: dict[str, Any]
) -> None:
    paid = await captured(gateway, fake)
    asked = refund_order(fake, paid)
    await gateway.refund(asked)
    fake.back_office.refunds_of(fake.back_office.captured(paid.id))[0].update(change)
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
    fake.back_office.captured(paid.id)["amount"] = {"currency_code": "USD", "value": "many"}
    with pytest.raises(GatewayProblem, match="malformed"):
        await gateway.fetch(paid)
    fake.faults.clear()


async def test_a_reversal_is_told_though_paypal_has_forgotten_its_order(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    taken = fake.back_office.reverse(fake.back_office.captured(paid.id))
    fake.troubles["order"].append(GONE)
    told = await gateway.parse_message(*fake.signer.message("PAYMENT.CAPTURE.REVERSED", taken))
    assert [event.kind for event in told] == [EventKind.CAPTURED, EventKind.REFUNDED]
    assert {event.gateway_ref for event in told} == {paid.gateway_ref}


async def test_of_a_capture_without_an_order_the_order_that_we_know_is_asked(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    capture = fake.back_office.captured(paid.id)
    taken = fake.back_office.reverse(capture)
    del capture["supplementary_data"]
    asked, refunded = await gateway.parse_message(
        *fake.signer.message("PAYMENT.CAPTURE.REVERSED", taken)
    )
    assert (asked.kind, asked.payment) == (EventKind.APPROVED, paid.id)
    assert (refunded.kind, refunded.payment) == (EventKind.REFUNDED, "")
    assert refunded.capture == capture["id"]


async def test_a_refund_whose_message_does_not_name_its_capture_is_found(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    taken = fake.back_office.reverse(fake.back_office.captured(paid.id))
    message = fake.signer.message("PAYMENT.CAPTURE.REFUNDED", {**taken, "links": []})
    told = await gateway.parse_message(*message)
    assert [event.kind for event in told] == [EventKind.CAPTURED, EventKind.REFUNDED]


@pytest.mark.parametrize(
    ("type", "state"),
    [("PAYMENT.CAPTURE.COMPLETED", "PENDING"), ("PAYMENT.CAPTURE.DENIED", "PENDING")],
)
async def test_while_paypal_is_behind_its_own_message_it_is_not_taken(
    gateway: PayPalGateway, fake: FakePayPal, type: str, state: str
) -> None:
    paid = await captured(gateway, fake)
    capture = fake.back_office.captured(paid.id)
    message = fake.signer.message(type, capture)
    fake.back_office.settle(capture, state)
    with pytest.raises(GatewayUnreachable, match="older"):
        await gateway.parse_message(*message)
    fake.back_office.settle(capture, "COMPLETED")
    [event] = await gateway.parse_message(*message)
    assert event.kind is EventKind.CAPTURED


async def test_a_certificate_without_names_is_not_believed(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.certificate = signer.certificate("")
    paid = await captured(gateway, fake)
    capture = fake.back_office.captured(paid.id)
    await gateway.parse_message(*fake.signer.message("PAYMENT.CAPTURE.COMPLETED", capture))
    assert "verify" in fake.asked


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
