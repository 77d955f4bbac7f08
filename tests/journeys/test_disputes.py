"""A gateway takes money back: refunds, disputes, debt, and what ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.server.actions import is_frozen, order, spend
from tests.support.server.api_client import at_sandbox
from tests.support.server.live import CREDIT, streaming

if TYPE_CHECKING:
    from tests.support.server.demo_server import DemoServer


def test_a_dispute_of_spent_credit_is_a_debt_until_it_is_won(server: DemoServer) -> None:
    client = server.new_client()
    payment = client.deposit("25.00")
    assert spend(server, client, "20.00")["status"] == "PAID"
    next_order = order(server.partner, client, "3.00")["invoice"]

    with streaming(client, CREDIT) as pushed:
        assert pushed()["balance"]["available"] == "5.00"
        at_sandbox(payment, "dispute")
        taken = pushed()
        assert taken["transaction"]["kind"] == "DEPOSIT_REVERSED"
        assert (taken["balance"]["available"], taken["balance"]["debt"]) == ("0.00", "20.00")

        assert is_frozen(client)
        client.do("redeemVoucher", "balance { version }", code=server.vouchers("10.00")[0])
        assert pushed()["balance"]["available"] == "10.00"
        refused = client.refusal("payInvoice", invoiceId=next_order["id"], useCredit=True)
        assert refused["code"] == "ACCOUNT_FROZEN"
        assert spend(server, client, "1.00")["creditApplied"] == "0.00"

        at_sandbox(payment, "win-dispute")
        won = pushed()
        assert won["transaction"]["kind"] == "DEPOSIT_REINSTATED"
        assert (won["balance"]["available"], won["balance"]["debt"]) == ("15.00", "0.00")

    assert not is_frozen(client)
    assert client.pay(next_order, useCredit=True)["invoice"]["status"] == "PAID"


def test_a_lost_dispute_leaves_a_debt_that_the_next_deposit_repays(server: DemoServer) -> None:
    client = server.new_client()
    payment = client.deposit("25.00")
    spend(server, client, "20.00")
    at_sandbox(payment, "dispute")
    at_sandbox(payment, "lose-dispute")
    assert client.balance()["debt"] == "20.00"
    assert is_frozen(client)

    client.deposit("30.00")
    balance = client.balance()
    assert (balance["available"], balance["debt"]) == ("10.00", "0.00")
    assert not is_frozen(client)
    kinds = [line["kind"] for line in client.statement()]
    assert kinds == ["DEPOSIT", "DEBT_REPAID", "DEPOSIT_REVERSED", "INVOICE_PAYMENT", "DEPOSIT"]


def test_a_refunded_deposit_takes_its_credit_with_it(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    payment = client.begin(invoice)
    at_sandbox(payment, "approve")
    at_sandbox(payment, "refund", amount="10.00")
    part = client.invoice(invoice)
    assert (client.available(), part["amountPaid"]) == ("15.00", "15.00")
    assert part["payments"][0]["refunded"] == "10.00"
    at_sandbox(payment, "refund")
    after = client.invoice(invoice)
    assert (after["status"], after["diagnosis"]["stage"]) == ("REFUNDED", "CLOSED")
    balance = client.balance()
    assert (balance["available"], balance["debt"]) == ("0.00", "0.00")


def test_an_order_whose_payment_is_taken_back_is_due_again(server: DemoServer) -> None:
    client = server.new_client()
    invoice = order(server.partner, client, "30.00")["invoice"]
    payment = client.begin(invoice, gateway="sandbox")
    at_sandbox(payment, "approve")
    at_sandbox(payment, "refund")
    after = client.invoice(invoice)
    assert (after["status"], after["amountDue"]) == ("UNPAID", "30.00")
    assert client.statement() == []
    at_sandbox(client.begin(invoice, gateway="sandbox"), "approve")
    assert client.invoice(invoice)["status"] == "PAID"


def test_staff_can_stop_and_allow_spending(server: DemoServer) -> None:
    client = server.new_client(credit="50.00")
    invoice = order(server.partner, client, "5.00")["invoice"]

    def freeze(*, on: bool) -> None:
        given = {"accountId": client.account_id, "spendingFrozen": on}
        server.staff.do("updateAccount", "account { spendingFrozen }", **given)

    freeze(on=True)
    refused = client.refusal("payInvoice", invoiceId=invoice["id"], useCredit=True)
    assert refused["code"] == "ACCOUNT_FROZEN"
    freeze(on=False)
    assert client.pay(invoice, useCredit=True)["invoice"]["status"] == "PAID"
