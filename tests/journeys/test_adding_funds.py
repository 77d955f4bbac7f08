"""Adding funds: from the form to the credit, on good days and bad ones."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import httpx
import pypdf

from tests.support.server.api_client import at_sandbox
from tests.support.server.live import CREDIT, watching

if TYPE_CHECKING:
    from tests.support.server.demo_server import DemoServer

FORM = """query ($amount: MoneyInput!) {
  balance { available { amount formatted } pending { amount } version }
  fundsLimits { minimumDeposit { amount } maximumDeposit { amount } maximumBalance { amount } }
  creditPolicy { version url refundableInCash summary }
  gateways(amount: $amount) {
    code name kind currencies fee(amount: $amount) { amount } minimum(currency: "USD") { amount }
  }
}"""


def test_a_client_adds_funds_and_sees_the_credit_arrive(server: DemoServer) -> None:
    client = server.new_client()

    form = client.ask(FORM, amount=client.money("25.00"))
    assert form["balance"]["available"] == {"amount": "0.00", "formatted": "$0.00"}
    assert form["fundsLimits"]["minimumDeposit"] == "5.00"
    assert form["creditPolicy"]["refundableInCash"] is False
    assert httpx.get(form["creditPolicy"]["url"]).status_code == 200
    assert {gateway["code"] for gateway in form["gateways"]} == {"sandbox", "bank-transfer"}
    assert {gateway["fee"] for gateway in form["gateways"]} == {"0.00"}

    with watching(client, CREDIT) as pushed:
        assert pushed()["balance"]["available"] == "0.00"

        invoice = client.add_funds("25.00")
        assert (invoice["status"], invoice["amountDue"]) == ("UNPAID", "25.00")
        assert invoice["total"] == "25.00"
        assert invoice["diagnosis"]["stage"] == "NOT_STARTED"
        assert client.available() == "0.00"

        paid = client.pay(invoice, returnUrl=f"{server.url}/done")
        assert paid["payment"]["status"] == "REQUIRES_ACTION"
        assert paid["payment"]["nextAction"]["__typename"] == "RedirectAction"
        assert paid["invoice"]["diagnosis"]["stage"] == "AWAITING_CLIENT"
        assert paid["balance"]["pending"] == "25.00"
        assert pushed()["balance"]["pending"] == "25.00"

        done = at_sandbox(paid["payment"], "approve")
        assert done["returnUrl"].startswith(f"{server.url}/return/{paid['payment']['id']}")

        update = pushed()
        assert update["transaction"] == {"kind": "DEPOSIT", "amount": "25.00", "version": 1}
        assert update["balance"]["available"] == "25.00"
        assert update["balance"]["version"] == 1

    after = client.invoice(invoice)
    assert (after["status"], after["amountDue"]) == ("PAID", "0.00")
    assert after["diagnosis"]["stage"] == "SETTLED"
    assert after["paidAt"] is not None
    [line] = client.statement()
    assert (line["kind"], line["invoice"]["number"]) == ("DEPOSIT", invoice["number"])


def test_credit_has_a_limit_that_no_deposit_begins_beyond(server: DemoServer) -> None:
    client = server.new_client(credit="49990.00")
    given = {
        "amount": client.money("25.00"),
        "gateway": "sandbox",
        "acceptedPolicyVersion": client.policy_version(),
    }
    refused = client.refusal("addFunds", **given)
    assert (refused["code"], refused["field"]) == ("BALANCE_LIMIT_EXCEEDED", ["amount", "amount"])
    at_sandbox(client.begin(client.add_funds("10.00")), "capture-more", amount="60.00")
    assert client.available() == "50050.00"


def test_the_browser_comes_back_to_known_places_only(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    for url in (
        "https://evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost:5174/",
    ):
        refused = client.refusal("payInvoice", invoiceId=invoice["id"], returnUrl=url)
        assert (refused["code"], refused["field"]) == ("INVALID", ["returnUrl"])
    begun = client.begin(invoice, returnUrl="http://localhost:5173/credit")
    assert begun["status"] == "REQUIRES_ACTION"


def test_the_invoice_downloads_as_a_pdf_that_says_its_number(server: DemoServer) -> None:
    client = server.new_client()
    invoice = client.add_funds("25.00")
    unpaid = httpx.get(invoice["pdfUrl"], timeout=60)
    assert unpaid.headers["content-type"] == "application/pdf"
    assert f'filename="{invoice["number"]}.pdf"' in unpaid.headers["content-disposition"]
    assert invoice["number"] in _text(unpaid.content)
    forged = invoice["pdfUrl"][:-2] + ("aa" if invoice["pdfUrl"][-2:] != "aa" else "bb")
    assert 400 <= httpx.get(forged).status_code < 500

    at_sandbox(client.begin(invoice), "approve")
    paid = httpx.get(client.invoice(invoice)["pdfUrl"], timeout=60)
    assert "25.00" in _text(paid.content)
    assert paid.content != unpaid.content


def _text(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(pdf)).pages)
