"""The browser comes back from a gateway: it is sent on, and nothing that it says is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.journeys.portal import at_sandbox
from tests.windows import begin_early_in

if TYPE_CHECKING:
    from tests.journeys.portal import Answer
    from tests.journeys.shop import Shop


pytestmark = pytest.mark.once


def come_back(shop: Shop, id: str, says: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(f"{shop.url}/return/{id}", params=says, timeout=30)


def begun(shop: Shop, **how: str) -> tuple[Answer, str]:
    """A payment, and its client's available credit once it is paid."""
    client = shop.new_client()
    payment = client.begin(client.add_funds("25.00"), **how)
    payment["client"] = client
    return payment, payment["id"]


def test_a_payment_whose_message_was_lost_is_credited_when_its_browser_is_back(shop: Shop) -> None:
    payment, id = begun(shop, returnUrl=f"{shop.url}/shop?step=3#pay")
    at_sandbox(payment, "lost")
    assert payment["client"].available() == "0.00"
    answer = come_back(shop, id)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{shop.url}/shop?step=3&payment={id}#pay"
    assert answer.headers["cache-control"] == "no-store"
    assert payment["client"].available() == "25.00"


@pytest.mark.parametrize(
    "says",
    [
        {"status": "paid", "redirect_status": "succeeded"},
        {"returnUrl": "https://evil.example/", "url": "//evil.example"},
        {"payment": "pay_00000000000000000000000000000000", "token": "EC-1", "PayerID": "X"},
    ],
)
def test_what_the_address_says_is_not_believed(shop: Shop, says: dict[str, str]) -> None:
    payment, id = begun(shop, returnUrl=f"{shop.url}/shop")
    answer = come_back(shop, id, says)
    assert answer.headers["location"] == f"{shop.url}/shop?payment={id}"
    assert payment["client"].available() == "0.00"


def test_without_a_return_url_the_browser_comes_to_the_portal(shop: Shop) -> None:
    _, id = begun(shop)
    answer = come_back(shop, id)
    assert urlsplit(answer.headers["location"]).path == "/"
    assert answer.headers["location"].endswith(f"?payment={id}")


@pytest.mark.parametrize(
    "id",
    ["pay_00000000000000000000000000000000", "inv_1", "x", "%2e%2e", "%00", "pay_" + "f" * 999],
)
def test_no_other_payment_is_told_from_none(shop: Shop, id: str) -> None:
    answer = come_back(shop, id)
    assert answer.status_code == 404


def test_somebody_elses_payment_leads_to_its_own_shop_and_tells_nothing(shop: Shop) -> None:
    payment, id = begun(shop, returnUrl=f"{shop.url}/shop")
    made_up = {"authorization": "Bearer made-up", "cookie": "account_credit_session=made-up"}
    answer = httpx.get(f"{shop.url}/return/{id}", headers=made_up)
    assert answer.headers["location"] == f"{shop.url}/shop?payment={id}"
    assert payment["client"].email not in answer.text


def test_browsers_that_come_back_again_and_again_ask_the_gateway_a_few_times(shop: Shop) -> None:
    payment, id = begun(shop, returnUrl=f"{shop.url}/shop")
    begin_early_in(60, needed_seconds=20)
    for _ in range(13):
        assert come_back(shop, id).status_code == 303
    at_sandbox(payment, "lost")
    come_back(shop, id)
    assert payment["client"].available() == "0.00"
    refused = payment["client"].refusal("recheckPayment", paymentId=id)
    assert refused["code"] == "RATE_LIMITED"


def test_only_reading_comes_back(shop: Shop) -> None:
    _, id = begun(shop)
    assert httpx.post(f"{shop.url}/return/{id}").status_code == 405
