"""Clicks that come twice, at once, or again after the server was killed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx

from tests.support.server.actions import adding, at_once, order
from tests.support.server.api_client import INVOICE, PAYMENT, at_sandbox

if TYPE_CHECKING:
    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer


def test_one_click_that_arrives_many_times_at_once_is_one(server: DemoServer) -> None:
    client = server.new_client(credit="30.00")
    given = adding(client, "one-click")
    invoices = at_once(8, lambda _: client.do("addFunds", INVOICE, **given)["invoice"]["id"])
    assert len(set(invoices)) == 1
    assert len(client.invoices()) == 1

    bought = order(server.partner, client, "20.00")["invoice"]
    how = {"useCredit": True, "idempotencyKey": "pay-once"}
    paid = at_once(8, lambda _: client.pay(bought, **how)["invoice"]["status"])
    assert set(paid) == {"PAID"}
    assert client.available() == "10.00"

    funds = {"gateway": "sandbox", "idempotencyKey": "begin-once"}
    begun = at_once(8, lambda _: client.begin({"id": invoices[0]}, **funds))
    assert len({payment["id"] for payment in begun}) == 1
    assert len({payment["nextAction"]["url"] for payment in begun}) == 1


def test_one_voucher_cannot_be_redeemed_twice_at_once(server: DemoServer) -> None:
    clients = [server.new_client() for _ in range(4)]
    [code] = server.vouchers("10.00")
    payloads = at_once(4, lambda n: clients[n].attempt("redeemVoucher", "", code=code))
    codes = sorted(error["code"] for payload in payloads for error in payload["userErrors"])
    assert codes == ["VOUCHER_REFUSED"] * 3
    assert sorted(client.available() for client in clients) == ["0.00"] * 3 + ["10.00"]


def test_two_windows_cannot_spend_the_same_credit(server: DemoServer) -> None:
    client = server.new_client(credit="30.00")
    bought = [order(server.partner, client, "20.00")["invoice"] for _ in range(4)]
    payloads = at_once(
        4, lambda n: client.attempt("payInvoice", "", invoiceId=bought[n]["id"], useCredit=True)
    )
    codes = [error["code"] for payload in payloads for error in payload["userErrors"]]
    assert codes == ["INSUFFICIENT_CREDIT"] * 3
    assert client.available() == "10.00"


def test_a_key_is_for_one_thing(server: DemoServer) -> None:
    client = server.new_client()
    client.do("addFunds", INVOICE, **adding(client, "once"))
    other = client.refusal("addFunds", **adding(client, "once", "26.00"))
    assert (other["code"], other["field"]) == ("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])
    assert len(client.invoices()) == 1
    somebody_else = server.new_client()
    somebody_else.do("addFunds", INVOICE, **adding(somebody_else, "once", "26.00"))


def test_a_refusal_does_not_use_a_key_up(server: DemoServer) -> None:
    client = server.new_client()
    invoice = order(server.partner, client, "20.00")["invoice"]
    wish = {"invoiceId": invoice["id"], "useCredit": True, "idempotencyKey": "try"}
    assert client.refusal("payInvoice", **wish)["code"] == "INSUFFICIENT_CREDIT"
    client.deposit("25.00")
    assert client.do("payInvoice", INVOICE, **wish)["invoice"]["status"] == "PAID"


def test_after_kill_9_every_answer_holds_and_every_click_counts_once(server: DemoServer) -> None:
    client = server.new_client()
    answered = client.do("addFunds", INVOICE, **adding(client, "before"))["invoice"]
    payment = client.begin(answered, idempotencyKey="pay-before")
    at_sandbox(payment, "approve")

    # Clicks are under way when it dies: some are answered, some are cut off.
    outcomes = at_once(12, lambda n: _clicked(server, client, n))
    server.connections.close()
    server.start()

    again = client.do("addFunds", INVOICE, **adding(client, "before"))["invoice"]
    assert (again["id"], again["number"]) == (answered["id"], answered["number"])
    same = client.do("payInvoice", PAYMENT, invoiceId=answered["id"], idempotencyKey="pay-before")
    assert same["payment"]["id"] == payment["id"]
    assert client.available() == "25.00"

    retried = [_invoice_of(client, number) for number in range(12)]
    for before, after in zip(outcomes, retried, strict=True):
        assert before in {"cut off", after}
    numbers = [invoice["number"] for invoice in client.invoices()]
    assert len(numbers) == len(set(numbers)) == 13


def _clicked(server: DemoServer, client: Portal, number: int) -> str:
    """What the click was answered. Whoever clicked first kills the server once answered."""
    try:
        made = _invoice_of(client, number)
    except httpx.TransportError:
        return "cut off"
    if number == 0:
        server.stop(signal.SIGKILL)
    return made


def _invoice_of(client: Portal, number: int) -> str:
    given = adding(client, f"click-{number}-at-the-end")
    invoice_id: str = client.do("addFunds", INVOICE, **given)["invoice"]["id"]
    return invoice_id
