"""PayPal is a gateway like any other, and what is said is what PayPal's own document allows."""

from __future__ import annotations

import json

import pytest

from api.gateways.paypal.gateway import PayPalGateway
from api.gateways.paypal.order import request
from models.gateway import PaymentOrder
from models.money import Money
from tests.support.gateways.contract import *  # noqa: F403 - the suite
from tests.support.gateways.contract import Case
from tests.support.paypal import published
from tests.support.paypal.fake import FakePayPal
from tests.support.paypal.orders import captured, refund_order
from tests.support.paypal.referee import CONTRACT, Answered, Asked, faults, referee

USD = Money(2500, "USD")


@pytest.fixture
def case(gateway: PayPalGateway, fake: FakePayPal) -> Case:
    def told(asked: PaymentOrder) -> tuple[dict[str, str], bytes]:
        ordered = fake.back_office.new_order(request(asked, "Kaze Hosting"))
        fake.back_office.capture(fake.back_office.approve(ordered["id"]))
        capture = fake.back_office.captured(asked.id)
        return fake.signer.message("PAYMENT.CAPTURE.COMPLETED", capture)

    def pay(begun: PaymentOrder) -> None:
        fake.back_office.capture(fake.back_office.approve(begun.gateway_ref))

    return Case(gateway, USD, told, pay)


async def test_paypals_own_package_judges_every_exchange(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    if published.models() is None:
        pytest.skip(f"{published.PACKAGE} cannot be installed: it judges nothing")
    asked = await captured(gateway, fake)
    await gateway.refund(refund_order(fake, asked))
    assert {"token", "create", "capture", "refund"} <= set(fake.asked)
    known = [name for name in fake.asked if name != "disputes"]
    assert fake.published == len(known)


@pytest.mark.parametrize(
    ("method", "path", "body", "answer", "found"),
    [
        ("POST", "/v2/checkout/orders", {"intent": "CAPTURE"}, {}, ["lacks purchase_units"]),
        ("POST", "/v2/checkout/orders", {"intent": "BUY", "purchase_units": []}, {}, ["BUY"]),
        ("GET", "/v2/checkout/orders/1", None, {"status": "DONE"}, ["'DONE'"]),
        ("GET", "/v2/checkout/orders/1", None, {"state": "COMPLETED"}, ["has no state"]),
        ("GET", "/v2/payments/captures/1", None, {"final_capture": "yes"}, ["not bool"]),
        ("GET", "/v2/payments/captures/1", None, {"amount": {"value": "1"}}, ["currency_code"]),
        ("GET", "/v2/payments/refunds/1", None, {"links": {}}, ["not a list"]),
        ("POST", "/v2/payments/captures/1/refund", {"amount": "1.00"}, {}, ["not an object"]),
        ("POST", "/v1/oauth2/token", None, {}, ["lacks access_token", "lacks token_type"]),
    ],
)
def test_the_package_finds_what_is_wrong(
    method: str, path: str, body: object, answer: object, found: list[str]
) -> None:
    if published.models() is None:
        pytest.skip(f"{published.PACKAGE} cannot be installed: it judges nothing")
    asked = Asked(method, path, json.dumps(body).encode() if body else b"", {}, {})
    told = published.faults(asked, Answered(201, json.dumps(answer).encode()))
    assert told is not None
    assert [part in fault for part, fault in zip(found, told, strict=True)] == [True] * len(found)


def test_the_package_is_no_judge_of_what_it_does_not_know() -> None:
    asked = Asked("GET", "/v1/customer/disputes", b"", {}, {})
    assert published.faults(asked, Answered(200, b"{}")) is None


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
