"""PayPal is a gateway like any other, and what is said is what PayPal's own document allows."""

from __future__ import annotations

import pytest

from api.gateways.paypal import PayPalGateway
from api.gateways.paypal.order import request
from models.gateway import PaymentOrder
from models.money import Money
from tests.gateways.contract import *  # noqa: F403 - the suite
from tests.gateways.contract import Case
from tests.gateways.paypal.fake import FakePayPal
from tests.gateways.paypal.orders import captured
from tests.gateways.paypal.referee import CONTRACT, Answered, Asked, faults, referee

USD = Money(2500, "USD")


@pytest.fixture
def case(gateway: PayPalGateway, fake: FakePayPal) -> Case:
    def told(asked: PaymentOrder) -> tuple[dict[str, str], bytes]:
        ordered = fake.desk.new_order(request(asked, "Kaze Hosting"))
        fake.desk.capture(fake.desk.approve(ordered["id"]))
        capture = fake.desk.captured(asked.id)
        return fake.signer.message("PAYMENT.CAPTURE.COMPLETED", capture)

    def pay(begun: PaymentOrder) -> None:
        fake.desk.capture(fake.desk.approve(begun.gateway_ref))

    return Case(gateway, USD, told, pay)


async def test_paypals_own_document_judges_every_exchange(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    if referee() is None:
        pytest.skip(f"PayPal's OpenAPI document is not at {CONTRACT}: nothing is judged")
    await captured(gateway, fake)
    assert fake.judged == len(fake.asked) > 4


def test_the_judge_finds_what_is_wrong() -> None:
    if referee() is None:
        pytest.skip(f"PayPal's OpenAPI document is not at {CONTRACT}: nothing is judged")
    headers = {"content-type": "application/json"}
    asked = Asked("POST", "/v2/checkout/orders", b'{"intent": "CAPTURE"}', {}, headers)
    wrong = faults(asked, Answered(201, b'{"status": "DONE"}'))
    assert ["request" in wrong[0], "answer" in wrong[1]] == [True, True]
