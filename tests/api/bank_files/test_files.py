"""Statement files: read to their end, in any encoding and version, or refused whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bank_files import (
    SIZE_MAX,
    Columns,
    Reading,
    StatementUnreadable,
    camt,
    mt940,
    read,
    read_file,
)
from models.bank.reported import ReportedStatement
from tests.support.bank import zengin_files
from tests.support.bank.files import IBAN, TODAY, Day, Transfer

OURS = [IBAN, "1234567"]
DAY = Day(
    (Transfer(2500, "RF18 5390 0754 7034", ref="BANK-1"), Transfer(900, ref="B", is_credit=False)),
    opening=10_000,
)


def the_only(data: bytes) -> ReportedStatement:
    (statement,) = read(data, OURS)
    return statement


@pytest.mark.parametrize("data", [DAY.camt053(), DAY.camt053(2), DAY.mt940()])
def test_a_statement_is_what_the_bank_says(data: bytes) -> None:
    statement = the_only(data)
    assert (statement.account, statement.currency, statement.number) == (IBAN, "EUR", 1)
    assert statement.opening is not None
    assert statement.closing is not None
    assert (statement.opening.minor, statement.closing.minor) == (10_000, 11_600)
    assert statement.closing.on == TODAY
    assert not statement.missing
    credit, debit = statement.lines
    assert (credit.key, credit.amount.minor, credit.is_credit) == ("BANK-1", 2500, True)
    assert (credit.payer_name, credit.booked_on) == ("Erika Mustermann", TODAY)
    assert "RF18 5390 0754 7034" in credit.texts
    assert (debit.key, debit.amount.minor, debit.is_credit) == ("B", 900, False)


def test_a_notification_has_the_keys_of_the_statement() -> None:
    notified, stated = the_only(DAY.camt054()), the_only(DAY.camt053())
    assert [one.key for one in notified.lines] == [one.key for one in stated.lines]
    assert (notified.opening, notified.closing) == (None, None)


def test_the_transfers_of_a_batch_are_lines_of_their_own() -> None:
    day = Day((Transfer(100, "a", ref="R"), Transfer(200, "b", ref="R")), batch="R")
    assert [(one.key, one.amount.minor) for one in the_only(day.camt053()).lines] == [
        ("R:0", 100),
        ("R:1", 200),
    ]
    wrong = day.camt053().replace(b">1.00<", b">1.50<")
    (line,) = the_only(wrong).lines
    assert (line.key, line.amount.minor, line.is_batch) == ("R", 300, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "utf-8-sig"])
def test_camt_is_read_in_the_encoding_that_it_names(encoding: str) -> None:
    text = Day((Transfer(1, "ä", ref="R", payer="Jürgen Groß"),)).camt053().decode()
    data = text.replace("UTF-8", encoding.removesuffix("-sig")).encode(encoding)
    assert the_only(data).lines[0].payer_name == "Jürgen Groß"


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-8-sig"])
def test_mt940_is_read_in_what_banks_write(encoding: str) -> None:
    data = Day((Transfer(1, "ä", ref="R", payer="Jürgen Groß"),)).mt940().decode().encode(encoding)
    assert the_only(data.replace(b"\n", b"\r\n")).lines[0].payer_name == "Jürgen Groß"


@pytest.mark.parametrize(
    "written",
    [
        IBAN,
        "DE89 3704 0044 0532 0130 00",
        f"{IBAN}EUR",
        "37040044/532013000",
        "37040044/0532013000",
    ],
)
def test_an_account_is_ours_however_its_bank_writes_it(written: str) -> None:
    assert the_only(Day(account=written).mt940()).account == IBAN


@pytest.mark.parametrize("written", ["NL41MOCK0000000001", "37040044/532013001", "/", "", "x" * 99])
def test_a_statement_of_another_account_is_refused(written: str) -> None:
    with pytest.raises(StatementUnreadable, match="BANK_ACCOUNTS"):
        read(Day(account=written).mt940(), OURS)


def test_several_statements_in_one_file_are_all_read() -> None:
    second = DAY.next(Transfer(1, ref="C"))
    assert [one.number for one in read(DAY.mt940() + second.mt940(), OURS)] == [1, 2]
    whole, more = DAY.camt053().decode(), second.camt053().decode()
    more = more[more.index("<Stmt>") : more.index("</Stmt>") + 7]
    both = whole.replace("</BkToCstmrStmt>", f"{more}</BkToCstmrStmt>").encode()
    assert [one.number for one in read(both, OURS)] == [1, 2]


MT940_ODDITIES = {
    "no transaction type": ":61:{d}C25,00\n:86:hello\n",
    "a funds code": ":61:{d}CR25,00NTRFNONREF\n:86:hello\n",
    "no entry date": ":61:{s}C25,00NTRFNONREF//X\n:86:hello\n",
    "long references": ":61:{d}C25,00NTRF" + "A" * 60 + "//" + "B" * 23 + "\n:86:hello\n",
    "no details": ":61:{d}C25,00NTRFNONREF//X\n",
    "slashes": ":61:{d}C25,00NTRFEREF//X\n:86:/NAME/Erika/REMI/hello/IBAN/DE1/\n",
    "a reversal": ":61:{d}RD25,00NTRFNONREF//X\n:86:hello\n",
}


@pytest.mark.parametrize("oddity", MT940_ODDITIES)
def test_mt940_is_read_as_banks_bend_it(oddity: str) -> None:
    line = MT940_ODDITIES[oddity].format(d=f"{TODAY:%y%m%d%m%d}", s=f"{TODAY:%y%m%d}")
    data = Day(opening=100).mt940().decode().replace(":62F:", f"{line}{line}:62F:")
    end = data.index(":62F:")
    lines = the_only((data[:end] + data[end:].replace("EUR1,00", "EUR51,00")).encode()).lines
    assert [one.amount.minor for one in lines] == [2500, 2500]
    assert len({one.key for one in lines}) == 2
    assert all(one.is_credit for one in lines)
    assert lines[0].is_reversal == (oddity == "a reversal")


def test_a_line_that_moved_nothing_is_left_out() -> None:
    assert the_only(Day((Transfer(0, ref="Z"), Transfer(1, ref="R"))).camt053()).lines[0].key == "R"
    assert the_only(Day((Transfer(0, ref="Z"),)).mt940()).lines == ()


# ------------------------------------------------------------------------------- hostile

CAMT = DAY.camt053().decode()
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))
HOSTILE_CAMT = {
    "an external entity": CAMT.replace(
        "<Document", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Document', 1
    ).replace("RF18 5390 0754 7034", "&e;"),
    "a billion laughs": CAMT.replace("<Document", f"<!DOCTYPE x [{LAUGHS}]><Document", 1).replace(
        "RF18 5390 0754 7034", "&l9;"
    ),
    "a document type": CAMT.replace("<Document", '<!DOCTYPE x SYSTEM "http://x/y"><Document', 1),
    "an encoding of many bytes": CAMT.replace("UTF-8", "utf-7"),
    "an encoding that there is not": CAMT.replace("UTF-8", "martian"),
    "the wrong encoding": CAMT.replace("Erika", "\udce4"),
    "an end that is missing": CAMT[: len(CAMT) // 2],
    "a negative amount": CAMT.replace(">25.00<", ">-25.00<"),
    "an amount in words": CAMT.replace(">25.00<", ">lots<"),
    "an amount with an exponent": CAMT.replace(">25.00<", ">1e9<"),
    "an amount in other digits": CAMT.replace(">25.00<", ">２５<"),
    "an amount that is not a number": CAMT.replace(">25.00<", ">NaN<"),
    "an empty amount": CAMT.replace(">25.00<", "><"),
    "an amount too exact": CAMT.replace(">25.00<", ">25.001<"),
    "an amount too large": CAMT.replace(">25.00<", ">99999999999999999<"),
    "a currency that there is not": CAMT.replace('Ccy="EUR">25', 'Ccy="XYZ">25'),
    "no currency": CAMT.replace('Ccy="EUR">25', 'x="y">25'),
    "no amount": CAMT.replace("Amt", "Amount"),
    "no direction": CAMT.replace("CdtDbtInd", "Direction"),
    "a direction that there is not": CAMT.replace("CRDT", "SIDE"),
    "no date": CAMT.replace("BookgDt", "SomeDt"),
    "a date that there is not": CAMT.replace(f"<Dt>{TODAY}</Dt>", "<Dt>2026-02-30</Dt>"),
    "a date in words": CAMT.replace(f"<Dt>{TODAY}</Dt>", "<Dt>today</Dt>"),
    "the year 1": CAMT.replace(f"<Dt>{TODAY}</Dt>", "<Dt>0001-01-01</Dt>"),
    "the year 9999": CAMT.replace(f"<Dt>{TODAY}</Dt>", "<Dt>9999-12-31</Dt>"),
    "next year but one": CAMT.replace(str(TODAY), str(TODAY + timedelta(days=400))),
    "no status": CAMT.replace("<Sts>", "<State>").replace("</Sts>", "</State>"),
    "no account": CAMT.replace("Acct>", "Account>"),
    "another message": CAMT.replace("BkToCstmrStmt", "BkToCstmrAcctRpt"),
    "no statement": CAMT.replace("Stmt>", "Stmnt>"),
    "another document": "<html><body>Sign in to your bank</body></html>",
}


@pytest.mark.parametrize("what", HOSTILE_CAMT)
def test_a_hostile_camt_is_refused_with_a_reason(what: str) -> None:
    with pytest.raises(StatementUnreadable) as refused:
        read(HOSTILE_CAMT[what].encode("utf-8", "surrogateescape"), OURS)
    reason = str(refused.value)
    assert reason.startswith(("it ", "its ", "there ", "entry ", "balance "))
    assert "root:" not in reason
    assert len(reason) < 200


MT940 = DAY.mt940().decode()
Form = tuple[bytes, Callable[[bytes, list[str]], list[ReportedStatement]]]
ZENGIN = zengin_files.file(zengin_files.statement(zengin_files.Account()))
CSV = f"d,a,b\r\n{TODAY},5,10\r\n{TODAY},7,17\r\n".encode()
COLUMNS = Columns.parse("date=d,amount=a,balance=b", account="1234567", currency="JPY")
ARCHIVE = BytesIO()
with ZipFile(ARCHIVE, "w") as into:
    into.writestr("a.sta", DAY.mt940())
FORMS: list[Form] = [
    *((DAY.camt053(), camt.read), (DAY.mt940(), mt940.read)),
    *((ZENGIN, read), (ARCHIVE.getvalue(), read)),
    (CSV, lambda data, accounts: read(data, accounts, Reading(COLUMNS))),
]
HOSTILE_MT940 = {
    "nothing": "",
    "a letter": "Dear Sir or Madam",
    "zeros": "\0" * 100,
    "an archive": "PK\3\4" + "\0" * 100,
    "an end that is missing": MT940[: MT940.index(":62F:")],
    "a line cut off": MT940[: MT940.index("NTRF") - 3],
    "no opening balance": MT940.replace(":60F:", ":59F:"),
    "a negative amount": MT940.replace("C25,00", "C-25,00"),
    "an amount in words": MT940.replace("C25,00", "Clots"),
    "two commas": MT940.replace("C25,00", "C2,5,0"),
    "an amount too exact": MT940.replace("C25,00", "C25,001"),
    "a date that there is not": MT940.replace(f":61:{TODAY:%y%m%d}", ":61:261399"),
    "a mark that there is not": MT940.replace(f"{TODAY:%m%d}C25", f"{TODAY:%m%d}X25"),
    "a currency that there is not": MT940.replace("EUR", "XYZ"),
    "the year 2099": MT940.replace(f"{TODAY:%y%m%d}", "991231"),
}


@pytest.mark.parametrize("what", HOSTILE_MT940)
def test_a_hostile_mt940_is_refused_with_a_reason(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StatementUnreadable) as refused:
        read(HOSTILE_MT940[what].encode(), OURS)
    assert len(str(refused.value)) < 200
    assert "0x" not in str(refused.value)
    assert caplog.records == []


def test_a_file_that_is_too_large_is_not_read() -> None:
    endless = BytesIO(CAMT.encode() + b" " * SIZE_MAX)
    with pytest.raises(StatementUnreadable, match="larger than 32 MiB"):
        read_file(endless, OURS)
    assert endless.tell() == SIZE_MAX + 1


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 300_000 + b"</a>" * 300_000,
        CAMT.replace("RF18 5390", "RF18 " * 1_000_000).encode(),
        MT940.replace("RF18 5390", "RF18 " * 1_000_000).encode(),
        (":20:x\n" + ":61:" * 200_000).encode(),
        (":20:x\n:60F:C261122EUR1,\n:86:" + "?20" * 300_000).encode(),
    ],
    ids=["depth", "a long text", "a long field", "many fields", "many subfields"],
)
def test_a_bulky_file_takes_no_long_time(data: bytes) -> None:
    before = time.process_time()
    with suppress(StatementUnreadable):
        read(data, OURS)
    assert time.process_time() - before < 10


@given(st.binary(max_size=300), st.integers(0, 600), st.integers(0, 40), st.sampled_from(FORMS))
def test_a_damaged_file_is_read_or_refused(junk: bytes, at: int, gone: int, form: Form) -> None:
    whole, reader = form
    try:
        statements = reader(whole[:at] + junk + whole[at + gone :], OURS)
    except StatementUnreadable:
        return
    assert all(line.amount.minor > 0 for one in statements for line in one.lines)
