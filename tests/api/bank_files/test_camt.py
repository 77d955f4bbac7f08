"""ISO 20022 as banks write it: versions, directions, dates, batches, pages; and what is refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from api.bank_files import StatementUnreadable, read
from models.bank.reported import ReportedStatement
from tests.support.bank.files import IBAN, TODAY, Day, Transfer

pytestmark = pytest.mark.once

AMOUNT = '<Amt Ccy="EUR">50.00</Amt>'
DATE = f"<BookgDt><Dt>{TODAY}</Dt></BookgDt>"
STATUS = "<Sts><Cd>BOOK</Cd></Sts>"
CREDIT = "<CdtDbtInd>CRDT</CdtDbtInd>"
ENTRY = f"<Ntry>{AMOUNT}{CREDIT}{STATUS}{DATE}</Ntry>"
ROOTS = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}


def balance(code: str, amount: str, currency: str = "EUR", mark: str = "CRDT") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd>'
        f"<Dt><Dt>{TODAY}</Dt></Dt></Bal>"
    )


BALANCES = balance("OPBD", "0.00") + balance("CLBD", "50.00")


def message(
    content: str = BALANCES + ENTRY, form: str = "camt.053", version: str = "08", head: str = ""
) -> str:
    root, child = ROOTS[form]
    root += "V01" if version == "01" else ""
    account = f"<Acct><Id><IBAN>{IBAN}</IBAN></Id></Acct>"
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{form}.001.{version}"><{root}>'
        f"<GrpHdr><MsgId>M</MsgId>{head}</GrpHdr><{child}><Id>S</Id>{account}{content}</{child}>"
        f"</{root}></Document>"
    )


def only(whole: str) -> ReportedStatement:
    (statement,) = read(whole.encode(), [IBAN])
    return statement


# ------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("version", [f"{number:02}" for number in range(1, 14)])
@pytest.mark.parametrize("form", ROOTS)
def test_every_message_is_read_in_every_version(form: str, version: str) -> None:
    statement = only(message(form=form, version=version))
    assert (statement.form, len(statement.lines)) == (form, 1)
    assert (statement.closing is None) == (form != "camt.053")


def test_a_report_within_the_day_leads_from_no_balance_to_the_other() -> None:
    entries = balance("OPBD", "9.00") + balance("CLBD", "1.00") + balance("ITBD", "5.00") + ENTRY
    assert len(only(message(entries, "camt.052")).lines) == 1


@pytest.mark.parametrize(
    "said",
    [
        *("<Dt>2026-03-31</Dt>", "<Dt>2026-03-31Z</Dt>", "<Dt>2026-03-31+13:00</Dt>"),
        *("<DtTm>2026-03-31T23:59:59</DtTm>", "<DtTm>2026-03-31T00:00:00.000000000-12:00</DtTm>"),
        *("<DtTm>2026-03-31T12:00:00Z</DtTm>", "<Dt> 2026-03-31 </Dt>"),
        "<Dt>2026-03-31T00:00:00+02:00</Dt>",
    ],
)
def test_a_date_is_the_day_that_the_bank_writes(said: str) -> None:
    whole = message(
        f"{BALANCES}{ENTRY}".replace(f"<Dt>{TODAY}</Dt></BookgDt>", f"{said}</BookgDt>")
    )
    assert only(whole).lines[0].booked_on == date(2026, 3, 31)


def test_what_is_not_booked_is_counted_and_nothing_else() -> None:
    others = [
        ENTRY.replace("<Cd>BOOK</Cd>", said)
        for said in ("<Cd>PDNG</Cd>", "INFO", "<Cd>FUTR</Cd>", "<Prtry>LATER</Prtry>")
    ]
    statement = only(message(BALANCES + ENTRY + "".join(others)))
    assert (len(statement.lines), statement.pending) == (1, 4)


def details(*amounts: str, more: str = "") -> str:
    parts = "".join(f'<TxDtls><Amt Ccy="EUR">{amount}</Amt></TxDtls>' for amount in amounts)
    return ENTRY.replace("</Ntry>", f"<NtryDtls>{more}{parts}</NtryDtls></Ntry>")


@pytest.mark.parametrize(
    ("entry", "lines"),
    [
        (details("20.00", "30.00"), [(2000, False), (3000, False)]),
        (details("20.00", "30.01"), [(5000, True)]),
        (details("20.00", "29.99"), [(5000, True)]),
        (details("50.00"), [(5000, False)]),
        (details("49.00"), [(5000, False)]),  # the bank kept a fee
        (details("20.00", more="<Btch><NbOfTxs>2</NbOfTxs></Btch>"), [(5000, True)]),
        (details(more="<Btch><NbOfTxs>3</NbOfTxs></Btch>"), [(5000, True)]),
        (details(more="<Btch><NbOfTxs>1</NbOfTxs></Btch>"), [(5000, False)]),
        (details("20.00", "30.00").replace('"EUR">20', '"USD">20'), [(5000, True)]),
    ],
)
def test_a_batch_is_its_transfers_where_they_add_up(
    entry: str, lines: list[tuple[int, bool]]
) -> None:
    found = only(message(BALANCES + entry)).lines
    assert [(line.amount.minor, line.is_batch) for line in found] == lines


def test_several_messages_in_one_file_are_all_read() -> None:
    one = message()
    both = f"<Files>{one}{message(form='camt.054')}</Files>"
    assert [each.form for each in read(both.encode(), [IBAN])] == ["camt.053", "camt.054"]


@pytest.mark.parametrize("encoding", ["shift_jis", "windows-31j", "euc-jp", "utf-16", "utf-8"])
def test_japanese_names_are_read_in_the_encoding_that_is_named(encoding: str) -> None:
    entry = details("50.00").replace(
        "</TxDtls>", "<RltdPties><Dbtr><Nm>風ホスティング</Nm></Dbtr></RltdPties></TxDtls>"
    )
    whole = f'<?xml version="1.0" encoding="{encoding}"?>\n{message(BALANCES + entry)}'
    codec = "cp932" if encoding == "windows-31j" else encoding
    (statement,) = read(whole.encode(codec), [IBAN])
    assert statement.lines[0].payer_name == "風ホスティング"


COUNTED = "<TxsSummry><TtlNtries><NbOfNtries>1</NbOfNtries><Sum>50.00</Sum></TtlNtries></TxsSummry>"
PAGE = "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"
LAST = PAGE.replace("<PgNb>1", "<PgNb>2").replace("false", "true")


@pytest.mark.parametrize("said", [COUNTED, PAGE, LAST])
def test_a_selection_and_a_page_are_read_and_warned_of(said: str) -> None:
    part = balance("OPBD", "0.00") + balance("CLBD", "60.00") + ENTRY
    assert only(message(said + part)).missing.minor == 1000
    head = said.replace("StmtPgntn", "MsgPgntn")
    if said != COUNTED:
        assert only(message(part, head=head)).missing.minor == 1000


# ------------------------------------------------------------------------------- what is not

WHOLE = message()
BAD_ENTRIES = {
    "a direction twice": (CREDIT, CREDIT + CREDIT, "2 CdtDbtInd"),
    "an odd direction": ("CRDT", "C", "CdtDbtInd: 'C'"),
    "a direction in small letters": ("CRDT", "crdt", "CdtDbtInd: 'crdt'"),
    "no direction": (CREDIT, "", "CdtDbtInd: ''"),
    "no status": (STATUS, "", "Sts: ''"),
    "an odd status": ("BOOK", "BOOKED", "Sts"),
    "two statuses": (STATUS, STATUS + STATUS, "2 Sts"),
    "no amount": (AMOUNT, "", "no amount"),
    "two amounts": (AMOUNT, AMOUNT * 2, "2 Amt"),
    "another currency": ('Ccy="EUR">50', 'Ccy="USD">50', "not EUR"),
    "no date": (DATE, "", "no date"),
    "two dates": (DATE, DATE * 2, "2 BookgDt"),
    "a reversal of maybe": (CREDIT, f"{CREDIT}<RvslInd>maybe</RvslInd>", "RvslInd: 'maybe'"),
    "a number in words": (
        "</Ntry>",
        "<NtryDtls><Btch><NbOfTxs>two</NbOfTxs></Btch></NtryDtls></Ntry>",
        "NbOfTxs: 'two'",
    ),
}


@pytest.mark.parametrize("what", BAD_ENTRIES)
def test_an_entry_that_is_not_understood_is_named(what: str) -> None:
    old, new, why = BAD_ENTRIES[what]
    bad = ENTRY.replace(old, new)
    assert bad != ENTRY
    with pytest.raises(StatementUnreadable, match=rf"^entry 2: .*{why}"):
        only(message(ENTRY.replace("50.00", "0.00") + bad + BALANCES))


@pytest.mark.parametrize(
    "said",
    [
        *("2026-02-30", "2026-3-31", "31.03.2026", "20260331", "2026-03-31T", "2026-03-31 12:00"),
        *("2026-03-31T12:00", "2026-03-31T12:00:00+2", "2026-03-31x", "26-03-31", ""),
        *(str(TODAY + timedelta(days=400)), "1999-12-31", "\u0662026-03-31"),
    ],
)
def test_a_date_is_read_whole_or_refused(said: str) -> None:
    with pytest.raises(StatementUnreadable, match=r"^entry 1: .*date"):
        only(WHOLE.replace(f"<Dt>{TODAY}</Dt></BookgDt>", f"<Dt>{said}</Dt></BookgDt>"))


@pytest.mark.parametrize(
    ("balances", "why"),
    [
        (BALANCES + balance("OPBD", "1.00"), "^balance OPBD: there are 2"),
        (BALANCES.replace("50.00", "5O.00"), "^balance CLBD: Amt: the amount '5O.00'"),
        (BALANCES.replace("CRDT", "X"), "^balance OPBD: CdtDbtInd"),
        (BALANCES.replace(str(TODAY), "today"), "^balance OPBD: Dt: the date"),
        (balance("OPBD", "0.00") + balance("CLBD", "50.00", "USD"), "not of one currency"),
        (balance("OPBD", "0.00") + balance("CLBD", "50.01"), "does not add up"),
        (balance("PRCD", "0.00") + balance("CLBD", "50.00", mark="DBIT"), "does not add up"),
        (COUNTED.replace(">1<", ">2<") + BALANCES.replace("50.00", "60.00"), "does not add up"),
    ],
)
def test_balances_that_do_not_fit_are_refused(balances: str, why: str) -> None:
    with pytest.raises(StatementUnreadable, match=why):
        only(message(balances + ENTRY))


def test_the_statement_of_several_is_named() -> None:
    first, second = message(), message(BALANCES + ENTRY.replace("50.00", "5O.00"))
    with pytest.raises(StatementUnreadable, match=r"^statement 2, entry 1: Amt: "):
        read(f"<Files>{first}{second}</Files>".encode(), [IBAN])


def test_an_account_in_several_currencies_has_a_balance_of_each() -> None:
    several = balance("OPBD", "7.00", "USD") + BALANCES + balance("CLBD", "7.00", "USD")
    whole = message(several + ENTRY).replace("</Id></Acct>", "</Id><Ccy>EUR</Ccy></Acct>")
    statement = only(whole)
    assert statement.currency == "EUR"
    assert not statement.missing


def test_the_statements_of_our_tests_are_read_in_all_versions() -> None:
    day = Day((Transfer(2500, "x", ref="R"),), opening=100)
    assert {len(only(day.camt053(version).decode()).lines) for version in range(2, 14)} == {1}
