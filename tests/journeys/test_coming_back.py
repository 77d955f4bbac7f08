"""The browser comes back from a gateway: it is sent on, and nothing that it says is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.rate_windows import begin_early_in
from tests.support.server.api_client import at_sandbox

if TYPE_CHECKING:
    from tests.support.server.api_client import Answer
    from tests.support.server.demo_server import DemoServer


pytestmark = pytest.mark.once


def come_back(server: DemoServer, id: str, says: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(f"{server.url}/return/{id}", params=says, timeout=30)


def begun(server: DemoServer, **how: str) -> tuple[Answer, str]:
    """A payment, and its client's available credit once it is paid."""
    client = server.new_client()
    payment = client.begin(client.add_funds("25.00"), **how)
    payment["client"] = client
    return payment, payment["id"]


def test_a_payment_whose_message_was_lost_is_credited_when_its_browser_is_back(
    server: DemoServer,
) -> None:
    payment, id = begun(server, returnUrl=f"{server.url}/shop?step=3#pay")
    at_sandbox(payment, "lost")
    assert payment["client"].available() == "0.00"
    answer = come_back(server, id)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{server.url}/shop?step=3&payment={id}#pay"
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
def test_what_the_address_says_is_not_believed(server: DemoServer, says: dict[str, str]) -> None:
    payment, id = begun(server, returnUrl=f"{server.url}/shop")
    answer = come_back(server, id, says)
    assert answer.headers["location"] == f"{server.url}/shop?payment={id}"
    assert payment["client"].available() == "0.00"


def test_without_a_return_url_the_browser_comes_to_the_portal(server: DemoServer) -> None:
    _, id = begun(server)
    answer = come_back(server, id)
    assert urlsplit(answer.headers["location"]).path == "/"
    assert answer.headers["location"].endswith(f"?payment={id}")


@pytest.mark.parametrize(
    "id",
    ["pay_00000000000000000000000000000000", "inv_1", "x", "%2e%2e", "%00", "pay_" + "f" * 999],
)
def test_no_other_payment_is_told_from_none(server: DemoServer, id: str) -> None:
    answer = come_back(server, id)
    assert answer.status_code == 404


def test_somebody_elses_payment_leads_to_its_own_shop_and_tells_nothing(server: DemoServer) -> None:
    payment, id = begun(server, returnUrl=f"{server.url}/shop")
    made_up = {"authorization": "Bearer made-up", "cookie": "account_credit_session=made-up"}
    answer = httpx.get(f"{server.url}/return/{id}", headers=made_up)
    assert answer.headers["location"] == f"{server.url}/shop?payment={id}"
    assert payment["client"].email not in answer.text


def test_browsers_that_come_back_again_and_again_ask_the_gateway_a_few_times(
    server: DemoServer,
) -> None:
    payment, id = begun(server, returnUrl=f"{server.url}/shop")
    begin_early_in(60, needed_seconds=20)
    for _ in range(13):
        assert come_back(server, id).status_code == 303
    at_sandbox(payment, "lost")
    come_back(server, id)
    assert payment["client"].available() == "0.00"
    refused = payment["client"].refusal("recheckPayment", paymentId=id)
    assert refused["code"] == "RATE_LIMITED"


def test_only_reading_comes_back(server: DemoServer) -> None:
    _, id = begun(server)
    assert httpx.post(f"{server.url}/return/{id}").status_code == 405
