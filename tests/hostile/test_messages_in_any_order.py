"""Signed messages of a gateway from outside, over HTTP: every order and repetition ends the same.

tests/models/payments/test_settlement_order.py shows it of the domain for many more cases.
"""

from __future__ import annotations

import os
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.sandbox_messages import message, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server.api_client import Answer, Portal
    from tests.support.servers import Databases

pytestmark = pytest.mark.once

SOAK = bool(os.environ.get("SOAK"))
#: The natural order of everything that can be said of one payment of $25.00.
NEWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("payment.processing", {}),
    ("payment.captured", {"capture": "c", "amount": "25.00", "currency": "USD"}),
    ("payment.failed", {"failure": "card_declined"}),
    ("payment.disputed", {"dispute": "d", "amount": "25.00", "currency": "USD"}),
    ("payment.dispute_won", {"dispute": "d", "amount": "25.00", "currency": "USD"}),
    ("payment.refunded", {"refund": "r", "amount": "25.00", "currency": "USD"}),
)
#: A third of the 720 orders in soak; a dozen that are far from each other otherwise.
ORDERS = list(permutations(range(len(NEWS))))
CHOSEN = ORDERS[::3] if SOAK else [ORDERS[0], ORDERS[-1], *Random(3).sample(ORDERS, 10)]


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    with open_demo_server(tmp_path_factory.mktemp("messages-server"), databases) as server:
        yield server


@pytest.mark.parametrize("kind", ["a deposit", "an order", "a split"])
def test_signed_messages_in_any_order_and_repeated_end_the_same(
    server: DemoServer, kind: str
) -> None:
    natural = _told(server, kind, list(range(len(NEWS))))
    assert natural["balance"]["debt"] == "0.00"
    dice = Random(kind)
    for order in CHOSEN:
        again = dice.choices(order, k=3)
        assert _told(server, kind, [*order, *again]) == natural, (order, again)


def _told(server: DemoServer, kind: str, order: list[int]) -> Answer:
    """What a new client sees after the messages came in that order."""
    client = server.new_client(credit="10.00")
    payment, invoice = _begun(server, client, kind)
    with httpx.Client(transport=server.connections) as http:
        for place, number in enumerate(order):
            name, data = NEWS[number]
            named = {key: _named(key, value, payment) for key, value in data.items()}
            body = message(name, payment, **named)
            # A repetition comes under its old id, or as news under a new one.
            known = number in order[:place] and place % 2
            headers = signed(body, id=f"{payment['id']}-{number}" if known else "")
            answer = http.post(f"{server.url}/webhooks/sandbox", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
    return _end(client, invoice)


def _begun(server: DemoServer, client: Portal, kind: str) -> tuple[Answer, Answer]:
    if kind == "a deposit":
        invoice = client.add_funds("25.00")
        return client.begin(invoice), invoice
    price = "25.00" if kind == "an order" else "31.00"
    invoice = server.staff.do(
        "createInvoice",
        "invoice { id }",
        accountId=client.account_id,
        currency="USD",
        lines=[{"description": "Hosting", "unitPrice": price}],
        applyCredit=False,
    )["invoice"]
    split: dict[str, Any] = {"useCredit": True, "creditLimit": "6.00"} if kind == "a split" else {}
    return client.begin(invoice, gateway="sandbox", **split), invoice


def _named(key: str, value: str, payment: Answer) -> str:
    return f"{payment['id']}:{value}" if key in {"capture", "dispute", "refund"} else value


def _end(client: Portal, invoice: Answer) -> Answer:
    shown = client.invoice(invoice)
    balance = client.balance()
    # How often credit went back and forth depends on the order; where it ended does not.
    del balance["version"]
    names = ("status", "amountPaid", "amountDue", "creditApplied")
    paid = [{**one, "id": ""} for one in shown["payments"]]
    return {"balance": balance, "payments": paid, **{name: shown[name] for name in names}}
