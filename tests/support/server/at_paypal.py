"""What payers do at PayPal, and what PayPal says: a server that sends its clients there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.paypal.fake import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, FakePayPal
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server.api_client import Answer, Portal
    from tests.support.servers import Databases


@contextmanager
def open_paypal_server(
    folder: Path, databases: Databases, paypal: FakePayPal
) -> Iterator[DemoServer]:
    """A server whose gateway is `paypal`."""
    keys = {
        "PAYPAL_CLIENT_ID": CLIENT_ID,
        "PAYPAL_CLIENT_SECRET": CLIENT_SECRET,
        "PAYPAL_WEBHOOK_ID": WEBHOOK_ID,
        "PAYPAL_API_URL": paypal.url,
    }
    with open_demo_server(folder, databases, **keys) as opened:
        yield opened
    assert CLIENT_SECRET not in opened.log.read_text()


def begun(server: DemoServer, client: Portal, amount: str = "25.00") -> tuple[Answer, Answer]:
    """A deposit, and its payment that waits for the payer at PayPal."""
    invoice = client.add_funds(amount, "paypal")
    payment = client.begin(invoice, returnUrl=f"{server.url}/done?tab=credit")
    assert payment["nextAction"]["__typename"] == "RedirectAction"
    return invoice, payment


def order_id(payment: Answer) -> str:
    url: str = payment["nextAction"]["url"]
    [id] = parse_qs(urlsplit(url).query)["token"]
    return id


def at_paypal(payment: Answer, *, agree: bool = True) -> str:
    """What the payer does at PayPal; where the browser comes back to."""
    url = payment["nextAction"]["url"] + ("" if agree else "&cancel=1")
    back: str = httpx.get(url).headers["location"]
    return back


def come_back(url: str) -> str:
    """The browser follows PayPal's redirect to us; where we send it."""
    answer = httpx.get(url, timeout=30)
    assert answer.status_code == 303
    sent_to: str = answer.headers["location"]
    return sent_to


def paid(server: DemoServer, client: Portal, amount: str = "25.00") -> tuple[Answer, Answer]:
    """A deposit that the payer has agreed to, and come back from."""
    invoice, payment = begun(server, client, amount)
    come_back(at_paypal(payment))
    return invoice, payment


def tell(server: DemoServer, paypal: FakePayPal, type: str, resource: dict[str, Any]) -> None:
    headers, body = paypal.signer.message(type, resource)
    answer = httpx.post(f"{server.url}/webhooks/paypal", content=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text


def payment_of(client: Portal, invoice: Answer) -> Answer:
    payment: Answer = client.invoice(invoice)["payments"][-1]
    return payment


def post(server: DemoServer, headers: dict[str, str], body: bytes) -> httpx.Response:
    """Send us a message."""
    return httpx.post(f"{server.url}/webhooks/paypal", content=body, headers=headers, timeout=30)
