"""Banks' CSV files by a mapping of their columns: each row whole, or nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from api.bank_files import Columns, ColumnsWrong, Reading, StatementUnreadable, read
from models.bank.reported import ReportedStatement
from models.reference import candidates

pytestmark = pytest.mark.once

OURS = ["1234567", "DE89370400440532013000"]
REFERENCE = "RF18539007547034"
COLUMNS = "date=取引日,debit=出金金額,credit=入金金額,balance=残高,payer=摘要,text=メモ"
HEADING = "取引日,出金金額,入金金額,残高,摘要,メモ"
ROWS = (
    '2026/11/02,,"10,560","11,560",ﾔﾏﾀﾞ ﾀﾛｳ,' + REFERENCE,
    "2026/11/04,300,,11260,手数料,",
    "2026/11/05,,￥８０,11340,カ）クライアント,",
)


def told(columns: str = COLUMNS, **options: Any) -> Reading:
    options = {"account": "1234567", "currency": "JPY", **options}
    return Reading(Columns.parse(columns, **options))


def table(*rows: str, heading: str = HEADING) -> str:
    return "\r\n".join([heading, *(rows or ROWS), ""])


def only(data: str | bytes, how: Reading | None = None) -> ReportedStatement:
    data = data.encode() if isinstance(data, str) else data
    (statement,) = read(data, OURS, how or told())
    return statement


def moved(statement: ReportedStatement) -> list[int]:
    return [one.amount.minor if one.is_credit else -one.amount.minor for one in statement.lines]


# ------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
def test_a_file_is_read_in_what_banks_write(encoding: str, separator: str, ends: str) -> None:
    text = table().replace('"10,560","11,560"', "10560,11560").replace(",", separator)
    found = only(text.replace("\r\n", ends).encode(encoding))
    assert (found.form, found.account, found.currency) == ("CSV", "1234567", "JPY")
    assert moved(found) == [10_560, -300, 80]
    assert found.opening is not None
    assert found.closing is not None
    assert (found.opening.minor, found.closing.minor) == (1000, 11_340)
    assert (found.opening.on, found.closing.on) == (date(2026, 11, 2), date(2026, 11, 5))
    assert found.lines[0].payer_name == "ヤマダ タロウ"
    assert candidates(found.lines[0].texts) == {REFERENCE}


def test_rows_may_be_the_newest_first_and_lines_above_the_heading() -> None:
    text = "口座番号,1234567\r\n\r\n" + table(*ROWS[::-1]) + "\r\n,,,\r\n"
    found = only(text)
    assert moved(found) == [10_560, -300, 80]
    assert [line.booked_on.day for line in found.lines] == [2, 4, 5]


def test_only_what_came_in_may_be_mapped() -> None:
    how = told("date=取引日,amount=入金金額,payer=摘要")
    found = only(table(), how)
    assert moved(found) == [10_560, 80]
    assert (found.opening, found.closing) == (None, None)


def test_columns_may_be_numbered() -> None:
    how = told("date=1,debit=2,credit=3,payer=5,payer=6", heading_rows=1)
    found = only(table(), how)
    assert moved(found) == [10_560, -300, 80]
    assert found.lines[0].payer_name == f"ヤマダ タロウ {REFERENCE}"
    assert moved(only("\n".join(ROWS), told("date=1,debit=2,credit=3"))) == [10_560, -300, 80]


SIGNED = {
    "1,234": 1234,
    "-1,234": -1234,
    "−1234": -1234,
    "▲1,234": -1234,
    "△ 1,234": -1234,
    "(1,234)": -1234,
    "+1,234": 1234,
    "¥1,234": 1234,
    "￥1,234": 1234,
    "-¥1,234": -1234,
    "1,234円": 1234,
    "１，２３４": 1234,
    "JPY 1,234": 1234,
    "1,234,567": 1_234_567,
    "0": 0,
}


@pytest.mark.parametrize("written", SIGNED)
def test_amounts_have_signs_as_banks_write_them(written: str) -> None:
    how = told("date=d,amount=a")
    found = only(f'd,a\n2026-11-01,"{written}"\n2026-11-01,1', how)
    assert moved(found) == [amount for amount in (SIGNED[written], 1) if amount]


def test_a_negative_amount_in_a_column_of_one_direction_takes_something_back() -> None:
    found = only(table("2026/11/02,,-500,,x,", "2026/11/02,-70,,,y,"))
    assert [(line.is_credit, line.is_reversal) for line in found.lines] == [
        (False, True),
        (True, True),
    ]


EUROS = {"": {"12,50": 1250, "12.50": 1250, "1.234,56": 123456, "1,234.56": 123456}}
EUROS |= {",": {"1.234": 123400, "1.234,5": 123450}, ".": {"1,234": 123400, "1,234.5": 123450}}


@pytest.mark.parametrize(
    ("decimal", "written"), [(d, w) for d, some in EUROS.items() for w in some]
)
def test_decimals_are_those_that_are_told(decimal: str, written: str) -> None:
    how = told("date=d,amount=a", currency="EUR", account=OURS[1], decimal=decimal)
    assert moved(only(f'd;a\n2026-11-01;"{written}"', how)) == [EUROS[decimal][written]]


DAYS = ["2026-11-02", "2026/11/2", "2026.11.02", "20261102", "2026年11月2日", "R8.11.2"]
DAYS += ["令和8年11月2日", "2026/11/02 09:30", "2026-11-02T09:30:15", "２０２６/１１/０２"]


@pytest.mark.parametrize("written", DAYS)
def test_dates_whose_year_comes_first_are_read(written: str) -> None:
    found = only(f"d,a\n{written},1", told("date=d,amount=a"))
    assert found.lines[0].booked_on == date(2026, 11, 2)


@pytest.mark.parametrize(
    ("written", "date_format"),
    [("02.11.2026", "%d.%m.%Y"), ("11/02/26", "%m/%d/%y"), ("2-Nov-2026", "%d-%b-%Y")],
)
def test_other_dates_are_read_as_they_are_told(written: str, date_format: str) -> None:
    how = told("date=d,amount=a", date_format=date_format)
    assert only(f"d,a\n{written},1", how).lines[0].booked_on == date(2026, 11, 2)


def test_account_currency_and_reference_may_be_columns() -> None:
    how = told("date=d,amount=a,account=k,currency=c,reference=r", account="", currency="")
    rows = ["2026-11-01,5,1234567,JPY,X1", f"2026-11-01,5.00,{OURS[1]},EUR,X1"]
    statements = read("\n".join(["d,a,k,c,r", *rows]).encode(), OURS, how)
    said = [(one.account, one.currency, one.lines[0].amount.minor) for one in statements]
    assert said == [("1234567", "JPY", 5), (OURS[1], "EUR", 500)]
    assert [one.lines[0].bank_ref for one in statements] == ["X1", "X1"]


def test_formulas_are_texts() -> None:
    payer = '"=HYPERLINK(""http://x"",""RF"")"'
    found = only(table(f"2026/11/02,,5,,{payer},@SUM(1)"))
    assert found.lines[0].payer_name == '=HYPERLINK("http://x","RF")'
    assert found.lines[0].texts[1] == "@SUM(1)"


# ------------------------------------------------------------------------------- what is not

BAD_ROWS = {
    "no date": (",,5,,x,", "the date ''"),
    "a date in words": ("合計,,5,,x,", "the date '合計'"),
    "a date in two ways": ("02/11/2026,,5,,x,", "--date-format"),
    "a day that there is not": ("2026/02/30,,5,,x,", "the date"),
    "a day far ahead": ("2036/02/01,,5,,x,", "isn't possible"),
    "an amount in words": ("2026/11/02,,five,,x,", "the amount 'five'"),
    "a formula for an amount": ("2026/11/02,,=1+1,,x,", "the amount '=1"),
    "an amount with a text": ("2026/11/02,,5 yen,,x,", "the amount"),
    "an amount too exact": ("2026/11/02,,5.5,,x,", "the amount 5.5"),
    "groups that are none": ('2026/11/02,,"1,0",,x,', "the amount"),
    "in and out": ("2026/11/02,5,5,,x,", "both a credit and a debit"),
    "too few columns": ("2026/11/02,,5", "it has 3 columns"),
    "too many columns": ("2026/11/02,,5,,x,,y", "it has 7 columns"),
    "thousands without quotes": ("2026/11/02,,10,560,1000,x,memo", "it has 7 columns"),
    "another balance": ("2026/11/06,,5,11346,x,", "does not follow"),
    "a balance in words": ("2026/11/06,,5,much,x,", "the amount 'much'"),
    "a cell without end": (f"2026/11/06,,5,,{'x' * 20_000},", "field larger"),
    "a quote that does not end": ('2026/11/06,,5,,"x,', "row 5"),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_row_that_is_not_understood_refuses_the_file_with_its_number(what: str) -> None:
    row, why = BAD_ROWS[what]
    with pytest.raises(StatementUnreadable, match=r"^row [56]: ") as refused:
        only(table(*ROWS, row))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no row with the headings"),
        ("a,b,c\n1,2,3", "no row with the headings 取引日"),
        (table(heading=HEADING + ",取引日"), "row 1: there are two columns"),
        (HEADING, "it contains no statement"),
    ],
)
def test_a_file_without_its_columns_is_refused(text: str, why: str) -> None:
    with pytest.raises(StatementUnreadable, match=why):
        only(text)


def test_an_encoding_that_is_not_the_files_is_refused() -> None:
    data = table().encode("cp932")
    with pytest.raises(StatementUnreadable, match="it isn't in utf-8"):
        only(data, told(encoding="utf-8"))
    assert len(only(data, told(encoding="shift_jis_2004")).lines) == 3


def test_a_statement_of_another_account_is_refused() -> None:
    with pytest.raises(StatementUnreadable, match="BANK_ACCOUNTS"):
        only(table(), told(account="7654321"))


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ("", {}),
        ("date=d", {}),
        ("amount=a", {}),
        ("date=d,amount=a,credit=c", {}),
        ("date=d,date=e,amount=a", {}),
        ("date=d,amount", {}),
        ("date=d,amount=", {}),
        ("date=d,cost=a", {}),
        ("date=d,amount=a,currency=c", {}),
        ("date=d,amount=a", {"currency": ""}),
        ("date=d,amount=a", {"account": ""}),
        ("date=d,amount=a", {"decimal": "'"}),
        ("date=d,amount=a", {"separator": ",,"}),
        ("date=d,amount=a", {"date_format": "%m/%d"}),
        ("date=d,amount=a", {"encoding": "martian"}),
    ],
)
def test_options_that_say_nothing_are_refused(columns: str, options: dict[str, str]) -> None:
    with pytest.raises(ColumnsWrong):
        told(columns, **options)


def test_a_heading_with_a_comma_stands_in_quotes() -> None:
    how = told('date=d,"amount=In, EUR"')
    assert moved(only('d,"In, EUR"\n2026-11-01,5', how)) == [5]
