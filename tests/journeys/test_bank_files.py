"""Bank statements at the command line, and what staff do with what they brought."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import httpx
import pytest

from api.settings.defaults import demo_bank_accounts
from tests.support.bank import zengin_files
from tests.support.bank.files import IBAN, TODAY, Day, Transfer
from tests.support.documents.views import needs_pango, pages
from tests.support.providers import key
from tests.support.server.actions import order
from tests.support.server.api_client import BALANCE, INVOICE, PAYMENT, nodes
from tests.support.server.live import CREDIT, watching
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server.api_client import Answer, Portal
    from tests.support.server.demo_server import DemoServer

CREDITS = """query ($state: [BankCreditState!], $first: Int) {
  bankCredits(state: $state, first: $first) {
    totalCount pageInfo { hasNextPage }
    edges { node {
      id kind state parkedReason bankAccount bankTransactionId amount { amount } bookedOn
      payerName payerAccount text note payment { id } duplicateOf { id }
    } }
  }
}"""
CREDIT_FIELDS = "bankCredit { id state note payment { id } }"
_days = count()


def a_day(*transfers: Transfer) -> Day:
    """A statement of our account in euros; each begins where no other ends."""
    number = next(_days)
    return Day(transfers, opening=1_000_000 + number * 977, id=key(), day=TODAY - timedelta(days=1))


def begun(server: DemoServer, amount: str = "80.00") -> tuple[Portal, Answer, str]:
    """A client, the payment that waits for their transfer, and its reference."""
    client = server.new_client("EUR")
    payment = client.begin(client.add_funds(amount, "bank-transfer"))
    return client, payment, payment["nextAction"]["reference"]


def taken(server: DemoServer, folder: Path, *files: bytes) -> list[Answer]:
    """What `import-statement --json` says of the files."""
    names = [folder / f"{key()}.xml" for _ in files]
    for name, data in zip(names, files, strict=True):
        name.write_bytes(data)
    done = server.run("import-statement", "--demo", "--json", *map(str, names))
    assert done.returncode == 0, done.stderr
    told: list[Answer] = json.loads(done.stdout)
    return told


def counted(told: Answer) -> dict[str, int]:
    return {outcome: number for outcome, number in told["counts"].items() if number}


def parked_line(server: DemoServer, folder: Path, minor: int = 8000, **how: Any) -> Answer:
    """A line that quotes nothing, as staff see it."""
    (told,) = taken(server, folder, a_day(Transfer(minor, "server", ref=key(), **how)).camt053())
    id = told["lines"][0]["bankCreditId"]
    return next(
        one for one in nodes(server.staff.ask(CREDITS, first=100)["bankCredits"]) if one["id"] == id
    )


# ------------------------------------------------------------------------------- files


@pytest.mark.once
def test_a_statement_pays_invoices_while_their_clients_watch(
    server: DemoServer, tmp_path: Path
) -> None:
    client, payment, reference = begun(server)
    day = a_day(Transfer(8000, f"thanks {reference.lower()}", ref=key()))
    (tmp_path / "statement.xml").write_bytes(day.camt053())
    done = server.run("import-statement", "--demo", str(tmp_path / "statement.xml"))
    assert done.returncode == 0, done.stderr
    assert "statement.xml: 1 booked, 0 parked, 0 known already, 0 ignored" in done.stdout
    assert f"booked  {TODAY}  80.00 EUR" in done.stdout
    assert reference in done.stdout
    assert client.available() == "80.00"
    assert client.statement()[0]["payment"] == {"id": payment["id"], "status": "SUCCEEDED"}
    with watching(client, CREDIT) as pushed:
        assert pushed()["balance"]["available"] == "80.00"


@pytest.mark.once
@needs_pango
def test_what_an_unpaid_invoice_says_is_to_be_quoted_pays_it(
    server: DemoServer, tmp_path: Path
) -> None:
    """The client has got the PDF, and never presses "Pay Now!"."""
    client = server.new_client("EUR")
    bill = order(server.partner, client, "80.00")["invoice"]
    [page] = pages(httpx.get(client.invoice(bill)["pdfUrl"], timeout=60).content)
    [reference] = re.findall(r"RF[0-9]{2}(?: [0-9A-Z]{4}){3}", page)
    day = a_day(Transfer(8000, f"Invoice, {reference}", ref=key()))
    assert reference.replace(" ", "") == client.invoice(bill)["transferReference"]
    told = taken(server, tmp_path, day.camt053(), day.mt940())
    assert [counted(one) for one in told] == [{"BOOKED": 1}, {"KNOWN": 1}]
    paid = client.invoice(bill)
    assert (paid["status"], [one["status"] for one in paid["payments"]]) == ("PAID", ["SUCCEEDED"])


@pytest.mark.once
def test_the_same_in_every_form_and_order_is_booked_once(
    server: DemoServer, tmp_path: Path
) -> None:
    client, _, reference = begun(server)
    day = a_day(Transfer(8000, reference, ref=key()))
    files = [day.mt940(), day.camt054(2), day.camt053(), day.camt054(13), day.mt940(named=False)]
    told = taken(server, tmp_path, *files, *files)
    assert [counted(one) for one in told] == [
        {"BOOKED": 1},
        *[{"KNOWN": 1}] * 3,
        {"PARKED": 1},
        *[{"KNOWN": 1}] * 5,
    ]
    assert told[4]["lines"][0]["parkedReason"] == "POSSIBLE_DUPLICATE"
    assert client.available() == "80.00"


@pytest.mark.once
def test_standard_input_is_a_file_too(server: DemoServer) -> None:
    client, _, reference = begun(server)
    data = a_day(Transfer(8000, reference, ref=key())).mt940()
    done = subprocess.run(
        server._command("import-statement", "--demo", "-"),
        input=data,
        cwd=server.folder,
        env=server._environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert client.available() == "80.00"


def test_two_processes_that_import_at_once_book_once(server: DemoServer, tmp_path: Path) -> None:
    clients = [begun(server) for _ in range(5)]
    day = a_day(*(Transfer(8000, reference, ref=key()) for _, _, reference in clients))
    files = [day.camt053(), day.camt054(), day.mt940()]
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda file: taken(server, tmp_path, file)[0], files))
    assert sum(one["counts"]["BOOKED"] for one in told) == 5
    assert sum(one["counts"]["KNOWN"] for one in told) == 10
    assert [client.available() for client, _, _ in clients] == ["80.00"] * 5


def test_a_process_that_died_between_two_lines_is_followed_by_one_that_goes_on(
    server: DemoServer, tmp_path: Path
) -> None:
    clients = [begun(server) for _ in range(3)]
    day = a_day(*(Transfer(8000, reference, ref=key()) for _, _, reference in clients))
    file = tmp_path / "statement.xml"
    file.write_bytes(day.camt053())
    dying = [sys.executable, "-m", "tests.support.server.killed", "in a statement"]
    died = subprocess.run(
        [*dying, "import-statement", "--demo", str(file)],
        cwd=server.folder,
        env=server._environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert died.returncode == -9, died.stderr
    assert [client.available() for client, _, _ in clients] == ["80.00", "0.00", "0.00"]
    (told,) = taken(server, tmp_path, day.camt053())
    assert counted(told) == {"KNOWN": 1, "BOOKED": 2}
    assert [client.available() for client, _, _ in clients] == ["80.00"] * 3


@pytest.mark.once
def test_a_file_that_cannot_be_read_to_its_end_books_nothing_and_the_others_are_booked(
    server: DemoServer, tmp_path: Path
) -> None:
    client, _, reference = begun(server)
    bo, _, other = begun(server)
    cut = a_day(Transfer(8000, reference, ref=key())).camt053()[:-20]
    whole = a_day(Transfer(8000, other, ref=key())).camt053()
    for name, data in {"cut.xml": cut, "whole.xml": whole, "strange.txt": b"hello"}.items():
        (tmp_path / name).write_bytes(data)
    names = [str(tmp_path / name) for name in ("cut.xml", "whole.xml", "strange.txt", "none.xml")]
    done = server.run("import-statement", "--demo", *names)
    assert done.returncode == 1
    assert "whole.xml: 1 booked" in done.stdout
    first, second, third = [line for line in done.stderr.splitlines() if "not imported" in line]
    assert "cut.xml is not imported: its XML isn't accepted" in first
    assert "strange.txt is not imported: it isn't" in second
    assert "none.xml is not imported: No such file" in third
    assert (client.available(), bo.available()) == ("0.00", "80.00")


@pytest.mark.once
def test_a_missing_statement_is_a_warning(server: DemoServer, tmp_path: Path) -> None:
    yen = demo_bank_accounts()["JPY"].account_number
    first = Day((), 900, currency="JPY", account=yen, id=key())
    third = first.next(Transfer(100, ref=key())).next(Transfer(100, ref=key()))
    told = taken(server, tmp_path, first.camt053(), third.camt053())
    assert [len(one["warnings"]) for one in told] == [0, 1]
    assert "is missing before" in told[1]["warnings"][0]
    (tmp_path / "third.xml").write_bytes(third.camt053())
    done = server.run("import-statement", "--demo", str(tmp_path / "third.xml"))
    assert done.returncode == 0
    assert done.stderr.startswith(f"Warning: A statement of {yen} is missing before")


@pytest.mark.parametrize(
    "written",
    [f"COBADEFFXXX/{IBAN}/EUR", "370400440532013000", "COBADEFF/0532013000", "37040044/532013000"],
)
@pytest.mark.once
def test_our_account_is_recognised_however_its_bank_writes_it(
    server: DemoServer, tmp_path: Path, written: str
) -> None:
    client, _, reference = begun(server)
    day = a_day(Transfer(8000, reference, ref=key()))
    files = [replace(day, account=written).mt940(), day.camt053()]
    if "/" not in written:
        files.append(replace(day, account=written).camt054())
    told = taken(server, tmp_path, *files)
    assert counted(told[0]) == {"BOOKED": 1}
    assert told[0]["lines"][0]["bankAccount"] == IBAN
    assert [counted(one) for one in told[1:]] == [{"KNOWN": 1}] * (len(files) - 1)
    assert client.available() == "80.00"


@pytest.mark.once
def test_what_may_be_another_banks_account_is_refused_in_a_sentence(
    server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _, reference = begun(server)
    day = a_day(Transfer(8000, reference, ref=key()))
    file = tmp_path / "number.sta"
    for written, says in (
        ("0532013000", f"which could be {IBAN} or an account at another bank: if it"),
        ("DEUTDEFF/0532013000", "which isn't in BANK_ACCOUNTS"),
    ):
        file.write_bytes(replace(day, account=written).mt940())
        done = server.run("import-statement", "--demo", str(file))
        assert done.returncode == 1
        assert f"it is a statement of {written}, {says}" in done.stderr
    assert client.available() == "0.00"
    file.write_bytes(replace(day, account="0532013000").mt940())
    ours = demo_bank_accounts()["EUR"].model_copy(update={"statements_of": ["0532013000"]})
    monkeypatch.setitem(
        server.environment, "BANK_ACCOUNTS", json.dumps({"EUR": ours.model_dump(mode="json")})
    )
    told = taken(server, tmp_path, file.read_bytes(), day.camt053())
    assert [counted(one) for one in told] == [{"BOOKED": 1}, {"KNOWN": 1}]
    assert client.available() == "80.00"


def yen(server: DemoServer, amount: str) -> tuple[Portal, str]:
    """A client who pays in yen, and the reference that their transfer quotes."""
    client = server.new_client("JPY")
    payment = client.begin(client.add_funds(amount, "bank-transfer"))
    return client, payment["nextAction"]["reference"]


def imported(
    server: DemoServer, path: Path, data: bytes, *options: str
) -> subprocess.CompletedProcess[str]:
    path.write_bytes(data)
    return server.run("import-statement", "--demo", *options, str(path))


@pytest.mark.once
def test_a_japanese_bank_pays_invoices_by_zengin_and_by_csv(
    server: DemoServer, tmp_path: Path
) -> None:
    ada, first = yen(server, "8000")
    bo, second = yen(server, "10560")
    entries = zengin_files.Entry(8000, f"{first} ﾔﾏﾀﾞ ﾀﾛｳ"), zengin_files.Entry(999, "ｶ)ｸﾗｲｱﾝﾄ")
    records = zengin_files.statement(zengin_files.Account(entries))
    done = imported(server, tmp_path / "zengin.txt", zengin_files.file(records))
    assert done.returncode == 0, done.stderr
    assert "zengin.txt: 1 booked, 1 parked" in done.stdout
    assert "カ)クライアント" in done.stdout
    table = f'取引日,入金金額,摘要\r\n{TODAY:%Y/%m/%d},"10,560",{second} ﾔﾏﾀﾞ\r\n'
    columns = "date=取引日,amount=入金金額,payer=摘要"
    options = ["--format", "csv", "--columns", columns, "--account", "1234567", "--currency", "JPY"]
    done = imported(server, tmp_path / "bank.csv", table.encode("cp932"), *options)
    assert done.returncode == 0, done.stderr
    assert "bank.csv: 1 booked, 0 parked" in done.stdout
    assert (ada.available(), bo.available()) == ("8000", "10560")


@pytest.mark.once
def test_an_archive_is_booked_whole_or_not_at_all(server: DemoServer, tmp_path: Path) -> None:
    client, _, reference = begun(server)
    day = a_day(Transfer(8000, reference, ref=key()))
    files = {"a.xml": day.camt053(), "b.sta": a_day(Transfer(7, "x", ref=key())).mt940()}
    bad = {**files, "c.sta": day.mt940().replace(b"C80,00", b"C80.0x")}
    for some, code in ((bad, 1), (files, 0)):
        with ZipFile(tmp_path / "day.zip", "w") as into:
            for name, content in some.items():
                into.writestr(name, content)
        done = server.run("import-statement", "--demo", str(tmp_path / "day.zip"))
        assert done.returncode == code
        assert client.available() == ("0.00" if code else "80.00")
        assert code == 0 or "day.zip is not imported: c.sta in it: line 5, :61:" in done.stderr


@pytest.mark.once
def test_options_of_csv_that_say_nothing_are_refused(server: DemoServer, tmp_path: Path) -> None:
    done = imported(
        server, tmp_path / "bank.csv", b"d,a\n", "--format", "csv", "--columns", "date=d"
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "--columns needs `date`, and `amount` or `credit`."


# ------------------------------------------------------------------------------- staff


@pytest.mark.once
def test_staff_assign_a_parked_line_to_an_invoice(server: DemoServer, tmp_path: Path) -> None:
    client = server.new_client("EUR")
    invoice = client.add_funds("81.17", "bank-transfer")
    # An amount of its own: else it may be a line that another test has booked, in another form.
    line = parked_line(server, tmp_path, 8117)
    assert (line["state"], line["parkedReason"]) == ("PARKED", "UNKNOWN_REFERENCE")
    assert (line["amount"], line["bankAccount"]) == ("81.17", IBAN)
    assert line["payerName"] == "Erika Mustermann"
    with watching(client, CREDIT) as pushed:
        pushed()
        done = server.staff.do(
            "assignBankCredit",
            f"{CREDIT_FIELDS} {INVOICE} {PAYMENT} {BALANCE}",
            bankCreditId=line["id"],
            invoiceId=invoice["id"],
        )
        assert pushed()["transaction"]["kind"] == "DEPOSIT"
    assert done["bankCredit"]["state"] == "ASSIGNED"
    assert done["bankCredit"]["payment"]["id"] == done["payment"]["id"]
    assert done["invoice"]["status"] == "PAID"
    assert done["balance"]["available"] == "81.17"
    again = server.staff.refusal(
        "assignBankCredit", bankCreditId=line["id"], invoiceId=invoice["id"]
    )
    assert (again["code"], again["field"]) == ("NOT_ALLOWED", ["bankCreditId"])


@pytest.mark.once
def test_staff_assign_a_parked_line_to_a_reference(server: DemoServer, tmp_path: Path) -> None:
    client, payment, reference = begun(server)
    line = parked_line(server, tmp_path)
    done = server.staff.do(
        "assignBankCredit", PAYMENT, bankCreditId=line["id"], reference=reference.lower()
    )
    assert done["payment"]["id"] == payment["id"]
    assert client.available() == "80.00"


@pytest.mark.once
def test_recording_a_parked_line_by_hand_settles_it(server: DemoServer, tmp_path: Path) -> None:
    client, _, reference = begun(server)
    line = parked_line(server, tmp_path)
    server.staff.do(
        "recordBankTransfer",
        PAYMENT,
        reference=reference,
        amount=client.money("80.00"),
        bankAccount=line["bankAccount"],
        bankTransactionId=line["bankTransactionId"],
    )
    found = server.staff.ask(
        "query ($id: ID!) { node(id: $id) { ... on BankCredit { state } } }", id=line["id"]
    )
    assert found == {"node": {"state": "ASSIGNED"}}
    assert client.available() == "80.00"


@pytest.mark.once
def test_a_line_that_is_booked_is_not_recorded_by_hand_unless_staff_say_despite(
    server: DemoServer, tmp_path: Path
) -> None:
    client, _, reference = begun(server)
    ref = f"NTRF-{key()}"
    (told,) = taken(server, tmp_path, a_day(Transfer(8000, reference, ref=ref)).camt053())
    line = told["lines"][0]["bankCreditId"]
    typed = {
        "reference": reference,
        "amount": client.money("80.00"),
        "bankAccount": f"COBADEFFXXX/{IBAN}",
        "bankTransactionId": f"{ref.lower().replace('-', ' ')}.",
    }
    refusal = """mutation ($input: RecordBankTransferInput!) { recordBankTransfer(input: $input) {
        payment { id } userErrors { code message field
          ... on PossibleDuplicate { bankCredit { id bankTransactionId } } } } }"""
    refused = server.staff.ask(refusal, input={**typed, "idempotencyKey": key()})
    assert refused["recordBankTransfer"]["payment"] is None
    [error] = refused["recordBankTransfer"]["userErrors"]
    assert (error["code"], error["field"]) == ("POSSIBLE_DUPLICATE", ["bankTransactionId"])
    assert error["bankCredit"] == {"id": line, "bankTransactionId": ref}
    for despite, code in ((client.account_id, "NOT_FOUND"), ("", "NOT_FOUND")):
        wrong = server.staff.refusal("recordBankTransfer", **typed, despite=despite)
        assert (wrong["code"], wrong["field"]) == (code, ["despite"])
    assert client.available() == "80.00"
    server.staff.do("recordBankTransfer", PAYMENT, **typed, despite=line)
    assert client.available() == "160.00"


@pytest.mark.once
def test_staff_dismiss_what_is_nothing_to_book(server: DemoServer, tmp_path: Path) -> None:
    line = parked_line(server, tmp_path)
    done = server.staff.do(
        "dismissBankCredit", CREDIT_FIELDS, bankCreditId=line["id"], reason="interest"
    )
    assert done["bankCredit"] == {
        "id": line["id"],
        "state": "DISMISSED",
        "note": "interest",
        "payment": None,
    }
    assert line["id"] not in {
        one["id"] for one in nodes(server.staff.ask(CREDITS, state="PARKED")["bankCredits"])
    }


@pytest.mark.once
def test_what_staff_cannot_do_is_refused(server: DemoServer, tmp_path: Path) -> None:
    client, payment, _ = begun(server)
    line = parked_line(server, tmp_path)
    invoice = client.add_funds("80.00", "bank-transfer")
    for change, code, at in (
        ({}, "INVALID", ["invoiceId"]),
        ({"reference": "RF1", "invoiceId": invoice["id"]}, "INVALID", ["invoiceId"]),
        ({"reference": "RF18539007547034"}, "NOT_FOUND", ["reference"]),
        ({"invoiceId": payment["id"]}, "NOT_FOUND", ["invoiceId"]),
        ({"bankCreditId": invoice["id"], "reference": "RF1"}, "NOT_FOUND", ["bankCreditId"]),
    ):
        refused = server.staff.refusal("assignBankCredit", **{"bankCreditId": line["id"], **change})
        assert (refused["code"], refused["field"]) == (code, at)
    refused = server.staff.refusal("dismissBankCredit", bankCreditId=line["id"], reason=" ")
    assert (refused["code"], refused["field"]) == ("INVALID", ["reason"])
    assert client.error(CREDITS) == "FORBIDDEN"


# ------------------------------------------------------------------------------- a bank


@pytest.fixture(scope="module")
def bank() -> Iterator[str]:
    """A made-up bank of somebody else's making, at nine in the morning of a Monday."""
    pytest.importorskip("mockbank", reason="NOT TESTED with mock-bank: it is not installed")
    port = free_port()
    command = [sys.executable, "-u", "-m", "mockbank", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--clock", "2026-11-23T09:00"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield f"http://127.0.0.1:{port}/_mock"
        process.terminate()


def test_what_a_bank_reports_is_booked_in_each_form(
    bank: str, server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with httpx.Client() as http:
        account = http.get(f"{bank}/accounts/ACME").json()["iban"]
        accounts = {"EUR": {"beneficiary": "ACME", "bank_name": "Mock", "account_number": account}}
        monkeypatch.setitem(server.environment, "BANK_ACCOUNTS", json.dumps(accounts))
        clients = [begun(server) for _ in range(3)]
        notes: list[Any] = [
            {"reference": clients[0][2]},
            {"note": f"for my server {clients[1][2]} and thank you very much", "wrap": 35},
            {"note": ["no", "reference"]},
        ]
        for note in notes:
            credit = {"account": "ACME", "amount": 8000, "debtor": {"name": "Ada"}, **note}
            http.post(f"{bank}/credits", json=credit).raise_for_status()
        http.post(f"{bank}/advance?days=3").raise_for_status()
        mail = [one for one in http.get(f"{bank}/mailbox").json() if one["account"] == "ACME"]
    files = [one["body"].encode() for one in sorted(mail, key=lambda one: str(one["type"]))]
    assert {one["type"] for one in mail} == {"camt.053.001.08", "camt.054.001.08"}
    told = [*taken(server, tmp_path, *files[::-1]), *taken(server, tmp_path, *files)]
    assert sum(one["counts"]["BOOKED"] for one in told) == 2
    assert sum(one["counts"]["PARKED"] for one in told) == 1
    assert sum(one["counts"]["KNOWN"] for one in told) == 3 * 3
    assert [warning for one in told for warning in one["warnings"]] == []
    assert [client.available() for client, _, _ in clients] == ["80.00", "80.00", "0.00"]
