"""Orders: a partner's or staff's invoices, paid with credit, a gateway or both, and voided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.server.actions import order
from tests.support.server.api_client import BALANCE, INVOICE, INVOICES, LINES, at_sandbox, nodes
from tests.support.server.live import INVOICE_OF, watching

if TYPE_CHECKING:
    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer


def test_a_partners_order_is_paid_with_credit_at_one_click(server: DemoServer) -> None:
    client = server.new_client(credit="100.00")
    ordered = server.partner.do(
        "createInvoice",
        INVOICE,
        accountId=client.account_id,
        currency="USD",
        lines=[
            {"description": "Server", "quantity": "3", "unitPrice": "10.00", "taxRate": "0.1"},
            {"description": "Domain", "unitPrice": "9.99", "taxRate": "0.1"},
        ],
        reference="ORDER-7",
    )["invoice"]
    assert (ordered["kind"], ordered["status"]) == ("ORDER", "UNPAID")
    assert ordered["total"] == "43.99"
    assert ordered["reference"] == "ORDER-7"
    assert client.invoice(ordered)["creditApplicable"] == "43.99"

    paid = client.pay(ordered, useCredit=True)
    assert paid["payment"] is None
    assert paid["invoice"]["status"] == "PAID"
    assert paid["invoice"]["creditApplied"] == "43.99"
    assert paid["balance"]["available"] == "56.01"
    [line, _] = client.statement()
    assert (line["kind"], line["amount"]) == ("INVOICE_PAYMENT", "-43.99")


def test_credit_that_does_not_suffice_is_refused_with_what_there_is(server: DemoServer) -> None:
    client = server.new_client(credit="10.00")
    invoice = order(server.partner, client, "30.00")["invoice"]
    refused = client.refusal("payInvoice", invoiceId=invoice["id"], useCredit=True)
    assert refused["code"] == "INSUFFICIENT_CREDIT"
    assert (refused["available"], refused["required"]) == ("10.00", "30.00")
    assert client.available() == "10.00"


def test_credit_goes_first_and_the_gateway_pays_the_rest(server: DemoServer) -> None:
    client = server.new_client(credit="10.00")
    invoice = order(server.staff, client, "30.00")["invoice"]
    with watching(client, INVOICE_OF, id=invoice["id"]) as pushed:
        pushed()
        begun = client.pay(invoice, useCredit=True, gateway="sandbox")
        assert begun["payment"]["amount"] == "20.00"
        assert (begun["balance"]["available"], begun["balance"]["reserved"]) == ("0.00", "10.00")
        at_sandbox(begun["payment"], "approve")
        while (shown := pushed())["status"] != "PAID":
            assert shown["creditApplied"] == "0.00"
    assert (shown["creditApplied"], shown["amountPaid"]) == ("10.00", "30.00")
    balance = client.balance()
    assert (balance["available"], balance["reserved"]) == ("0.00", "0.00")


def test_credit_that_was_reserved_is_free_again_when_the_payment_fails(server: DemoServer) -> None:
    client = server.new_client(credit="10.00")
    invoice = order(server.staff, client, "30.00")["invoice"]
    how = {"useCredit": True, "creditLimit": "4.00", "gateway": "sandbox"}
    begun = client.pay(invoice, **how)
    assert (begun["payment"]["amount"], begun["balance"]["reserved"]) == ("26.00", "4.00")
    at_sandbox(begun["payment"], "decline")
    assert client.available() == "10.00"
    begun = client.pay(invoice, **how)
    client.do("cancelPayment", "", paymentId=begun["payment"]["id"])
    assert client.available() == "10.00"
    assert client.invoice(invoice)["amountDue"] == "30.00"


def test_who_likes_it_pays_new_orders_from_credit_by_itself(server: DemoServer) -> None:
    client = server.new_client(credit="50.00")
    client.do("updateAccount", "account { autoApplyCredit }", autoApplyCredit=True)
    whole = order(server.partner, client, "30.00")
    assert whole["invoice"]["status"] == "PAID"
    assert whole["balance"]["available"] == "20.00"
    part = order(server.partner, client, "30.00")["invoice"]
    assert (part["status"], part["creditApplied"], part["amountDue"]) == (
        "UNPAID",
        "20.00",
        "10.00",
    )
    not_this_time = order(server.partner, client, "5.00", applyCredit=False)["invoice"]
    assert not_this_time["creditApplied"] == "0.00"


def test_a_voided_invoice_gives_the_credit_back_where_it_came_from(server: DemoServer) -> None:
    client = server.new_client(credit="50.00")
    client.do("redeemVoucher", "balance { version }", code=server.vouchers("8.00")[0])
    invoice = order(server.partner, client, "30.00")["invoice"]
    client.pay(invoice, useCredit=True)
    assert client.balance()["promotional"] == "0.00"

    voided = server.partner.do(
        "voidInvoice", f"{INVOICE} {BALANCE}", invoiceId=invoice["id"], reason="Ordered twice"
    )
    assert voided["invoice"]["status"] == "VOID"
    assert voided["invoice"]["voidReason"] == "Ordered twice"
    assert voided["invoice"]["creditNoteNumber"].startswith("CN-")
    assert voided["invoice"]["diagnosis"]["stage"] == "CLOSED"
    assert voided["balance"]["available"] == "58.00"
    assert voided["balance"]["promotional"] == "8.00"
    assert client.statement()[0]["kind"] == "INVOICE_PAYMENT_RETURNED"
    again = server.partner.refusal("voidInvoice", invoiceId=invoice["id"], reason="Again")
    assert again["code"] == "INVOICE_NOT_VOIDABLE"
    late = client.refusal("payInvoice", invoiceId=invoice["id"], useCredit=True)
    assert late["code"] == "INVOICE_NOT_PAYABLE"


def test_money_that_paid_a_voided_invoice_becomes_credit(server: DemoServer) -> None:
    client = server.new_client(credit="10.00")
    invoice = order(server.staff, client, "30.00")["invoice"]
    at_sandbox(client.begin(invoice, useCredit=True, gateway="sandbox"), "approve")
    assert client.available() == "0.00"
    server.staff.do("voidInvoice", INVOICE, invoiceId=invoice["id"], reason="Out of stock")
    assert client.available() == "30.00"


def test_an_invoice_whose_payment_is_open_cannot_be_voided(server: DemoServer) -> None:
    client = server.new_client()
    invoice = order(server.staff, client, "30.00")["invoice"]
    payment = client.begin(invoice, gateway="sandbox")
    refused = server.staff.refusal("voidInvoice", invoiceId=invoice["id"], reason="Mistake")
    assert refused["code"] == "PAYMENT_IN_PROGRESS"
    client.do("cancelPayment", "", paymentId=payment["id"])
    voided = server.staff.do("voidInvoice", INVOICE, invoiceId=invoice["id"], reason="Mistake")
    assert voided["invoice"]["status"] == "VOID"
    at_sandbox(payment, "capture-late")
    assert client.available() == "30.00"
    assert client.statement()[0]["kind"] == "OVERPAYMENT"


def test_a_deposit_is_neither_paid_with_credit_nor_voided_once_paid(server: DemoServer) -> None:
    client = server.new_client(credit="50.00")
    invoice = client.add_funds("20.00")
    refused = client.refusal("payInvoice", invoiceId=invoice["id"], useCredit=True)
    assert refused["code"] == "CREDIT_NOT_APPLICABLE"
    at_sandbox(client.begin(invoice), "approve")
    refused = server.staff.refusal("voidInvoice", invoiceId=invoice["id"], reason="Mistake")
    assert refused["code"] == "INVOICE_NOT_VOIDABLE"
    assert client.available() == "70.00"


def test_lists_are_paged_and_filtered(server: DemoServer) -> None:
    client = server.new_client(credit="100.00")
    for number in range(5):
        invoice = order(server.partner, client, f"{number + 1}.00", reference=f"P-{number}")
        client.pay(invoice["invoice"], useCredit=number < 3) if number < 3 else None
    client.add_funds("20.00")

    assert _walk(client, INVOICES, "invoices", "reference") == [
        None,
        *[f"P-{number}" for number in (4, 3, 2, 1, 0)],
    ]
    amounts = _walk(client, LINES, "creditTransactions", "amount")
    assert amounts == ["-3.00", "-2.00", "-1.00", "100.00"]

    def numbers(**wanted: object) -> list[str | None]:
        return [one["reference"] for one in client.invoices(filter=wanted)]

    assert numbers(status=["PAID"]) == ["P-2", "P-1", "P-0"]
    assert numbers(kind="FUNDS") == [None]
    assert numbers(reference="P-4") == ["P-4"]
    assert numbers(status=["UNPAID"], kind="ORDER") == ["P-4", "P-3"]
    assert numbers(overdue=True) == []
    assert numbers(issuedBefore="2020-01-01T00:00:00Z") == []
    payments = client.statement(filter={"kind": ["INVOICE_PAYMENT"]})
    assert [line["version"] for line in payments] == [4, 3, 2]
    assert client.statement(filter={"createdBefore": "2020-01-01T00:00:00Z"}) == []


def _walk(client: Portal, document: str, name: str, column: str) -> list[object]:
    """That column of the whole list, two entries a page."""
    found: list[object] = []
    after = None
    while True:
        page = client.ask(document, first=2, after=after)[name]
        found += [node[column] for node in nodes(page)]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(found)
            return found
