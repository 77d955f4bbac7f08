"""Bank transfer: instructions for the client, and the bank's statement in the hands of staff."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from tests.support.server.api_client import BALANCE, INVOICE, PAYMENT
from tests.support.server.live import CREDIT, watching

if TYPE_CHECKING:
    from tests.support.server.api_client import Answer, Portal
    from tests.support.server.demo_server import DemoServer

_lines = count()


def credited(client: Portal, reference: str, amount: str, line: str = "") -> Answer:
    """What staff type in from the bank's statement."""
    return {
        "reference": reference,
        "amount": client.money(amount),
        "bankAccount": "DE89 3704 0044 0532 0130 00",
        "bankTransactionId": line or f"line-{next(_lines)}",
    }


def book(server: DemoServer, statement_line: Answer) -> Answer:
    return server.staff.do("recordBankTransfer", f"{INVOICE} {PAYMENT} {BALANCE}", **statement_line)


def test_a_transfer_becomes_credit_when_the_bank_reports_it(server: DemoServer) -> None:
    client = server.new_client("EUR")
    invoice = client.add_funds("80.00", "bank-transfer")
    begun = client.pay(invoice)
    to_do = begun["payment"]["nextAction"]
    assert (to_do["__typename"], to_do["amount"]) == ("BankTransferAction", "80.00")
    assert to_do["reference"].startswith("RF")
    assert to_do["accountNumber"] == "DE89370400440532013000"
    assert to_do["qrCode"].startswith("data:image/svg+xml")
    assert to_do["reference"] in to_do["instructions"]
    assert begun["invoice"]["diagnosis"]["stage"] == "AWAITING_BANK"

    with watching(client, CREDIT) as pushed:
        assert pushed()["balance"]["pending"] == "80.00"
        booked = book(server, credited(client, to_do["reference"], "80.00"))
        assert booked["payment"]["status"] == "SUCCEEDED"
        assert booked["invoice"]["status"] == "PAID"
        update = pushed()
    assert update["transaction"]["kind"] == "DEPOSIT"
    assert update["balance"]["available"] == "80.00"


def test_the_instructions_are_what_the_country_needs_in_the_clients_language(
    server: DemoServer,
) -> None:
    asked = """query ($id: ID!) { node(id: $id) { ... on Payment { nextAction {
        ... on BankTransferAction { branchName branchCode accountType
          en: instructions(locale: "en") ja: instructions(locale: "ja") } } } } }"""
    for currency, both, japan in (
        ("EUR", ["DE89370400440532013000", "COBADEFFXXX", "Kaze Hosting K.K.", "€80.00"], None),
        ("JPY", ["風銀行", "中央支店 001", "1234567", "カゼホスティング", "¥8,000"], "普通"),
    ):
        client = server.new_client(currency)
        amount = "80.00" if currency == "EUR" else "8000"
        payment = client.begin(client.add_funds(amount, "bank-transfer"))
        told = client.ask(asked, id=payment["id"])["node"]["nextAction"]
        for sentence in (told["en"], told["ja"]):
            facts = [*both[:-1], payment["nextAction"]["reference"], *([japan] if japan else [])]
            assert [fact for fact in facts if fact not in sentence] == []
        assert both[-1] in told["en"]
        assert ("振込依頼人名" in told["ja"], "before your own name" in told["en"]) == (
            (True, True) if japan else (False, False)
        )
        assert told["accountType"] == ("ORDINARY" if japan else None)


def test_people_type_references_as_they_like(server: DemoServer) -> None:
    client = server.new_client("EUR")
    payment = client.begin(client.add_funds("80.00", "bank-transfer"))
    reference = payment["nextAction"]["reference"].lower()
    spaced = " ".join([reference[:4], reference[4:8], reference[8:]])
    assert book(server, credited(client, spaced, "80.00"))["balance"]["available"] == "80.00"


def test_a_line_of_the_statement_is_booked_once(server: DemoServer) -> None:
    client = server.new_client("EUR")
    reference = client.begin(client.add_funds("80.00", "bank-transfer"))["nextAction"]["reference"]
    line = credited(client, reference, "80.00", line="2026-11-03/17")
    for _ in range(2):
        assert book(server, line)["balance"]["available"] == "80.00"
    other = line | {"amount": client.money("81.00")}
    refused = server.staff.refusal("recordBankTransfer", **other)
    assert (refused["code"], refused["field"]) == ("INVALID", ["bankTransactionId"])
    assert client.available() == "80.00"


def test_too_little_leaves_the_rest_due_and_too_much_is_credit(server: DemoServer) -> None:
    client = server.new_client("JPY")
    invoice = client.add_funds("3000", "bank-transfer")
    reference = client.begin(invoice)["nextAction"]["reference"]

    under = book(server, credited(client, reference, "1000"))
    assert (under["invoice"]["status"], under["invoice"]["amountDue"]) == ("UNPAID", "2000")
    assert "2,000" in client.invoice(invoice)["diagnosis"]["explanation"]
    assert under["balance"]["available"] == "1000"

    over = book(server, credited(client, reference, "2500"))
    assert (over["invoice"]["status"], over["invoice"]["amountDue"]) == ("PAID", "0")
    assert over["balance"]["available"] == "3500"
    kinds = sorted(line["kind"] for line in client.statement())
    assert kinds == ["DEPOSIT", "DEPOSIT", "OVERPAYMENT"]


def test_a_statement_line_that_fits_nothing_is_refused(server: DemoServer) -> None:
    client = server.new_client("EUR")
    reference = client.begin(client.add_funds("80.00", "bank-transfer"))["nextAction"]["reference"]
    for change, code, at in (
        ({"reference": "RF18539007547034"}, "NOT_FOUND", ["reference"]),
        (
            {"amount": {"amount": "80.00", "currency": "USD"}},
            "CURRENCY_NOT_SUPPORTED",
            ["amount", "currency"],
        ),
        ({"amount": client.money("0")}, "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
        ({"amount": client.money("80.001")}, "AMOUNT_PRECISION", ["amount", "amount"]),
        ({"bankAccount": " "}, "INVALID", ["bankAccount"]),
    ):
        line = credited(client, reference, "80.00") | change
        refused = server.staff.refusal("recordBankTransfer", **line)
        assert (refused["code"], refused["field"]) == (code, at)
    assert client.balance()["version"] == 0
