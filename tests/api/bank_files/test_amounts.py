"""Amounts in statement files: understood whole, or the file is refused with the place."""

from __future__ import annotations

import pytest

from api.bank_files import StatementUnreadable, amounts, read
from models.money import Money
from tests.support.bank.files import IBAN, TODAY

pytestmark = pytest.mark.once

WRITTEN = {
    ("EUR", "1234,56"): 123456,
    ("EUR", "1234.56"): 123456,
    ("EUR", "1.234,56"): 123456,
    ("EUR", "1,234.56"): 123456,
    ("EUR", "1 234,56"): 123456,
    ("EUR", "1\u202f234,56"): 123456,
    ("EUR", "1'234.56"): 123456,
    ("EUR", "1.234.567,8"): 123456780,
    ("EUR", "1.234.567"): 123456700,
    ("EUR", "0" * 40 + "1234,56"): 123456,
    ("EUR", "00001.234,56"): 123456,
    ("EUR", "12"): 1200,
    ("EUR", "12,"): 1200,
    ("EUR", ",56"): 56,
    ("EUR", "0,00"): 0,
    ("EUR", "0,500"): 50,
    ("EUR", "1234,5"): 123450,
    ("EUR", "1234,500"): 123450,
    ("EUR", "10000000000,00"): 10**12,
    ("JPY", "1234,"): 1234,
    ("JPY", "1.234.567"): 1234567,
    ("KWD", "1,234"): 1234,
    ("KWD", "1234,567"): 1234567,
}
TWO_WAYS = [("EUR", "1,234"), ("EUR", "1.234"), ("EUR", "001,000"), ("JPY", "1,234")]
TWO_WAYS += [("JPY", "1.000"), ("KWD", "1.234")]
NONE = ["", " ", ",", ".", ",,", "1,2,3", "1,00,000", "1.23.456", "12 34", "12, 50", "1,234.567,89"]
NONE += ["1.234,567.89", "-1,00", "+1,00", "1,00-", "1e3", "1,0O", "l,00", "NaN", "0x10"]
NONE += ["\u0661\u0662,00", "\uff11\uff12,00", "1_000,00", "1234,567", "1,2345", "1/2", "(1,00)"]
NONE += ["9" * 18, "9" * 200, "1'23,00", "1,,00", "1..00", "1 2345,00"]


@pytest.mark.parametrize(("currency", "text"), WRITTEN)
def test_an_amount_that_can_be_read_in_one_way_is_read(currency: str, text: str) -> None:
    assert amounts.written(text, currency) == Money(WRITTEN[currency, text], currency)


@pytest.mark.parametrize(("currency", "text"), TWO_WAYS)
def test_an_amount_that_can_be_read_in_two_ways_is_refused(currency: str, text: str) -> None:
    with pytest.raises(StatementUnreadable, match="two ways"):
        amounts.written(text, currency)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(StatementUnreadable, match="the amount"):
        amounts.written(text, "EUR")


@pytest.mark.parametrize("text", ["1.234.50", "1.234.567", "1,234.50.0", "1.2,3"])
def test_a_separator_that_is_told_comes_once(text: str) -> None:
    with pytest.raises(StatementUnreadable, match="the amount"):
        amounts.written(text, "KWD", separator=".")


def mt940(line: str, opening: str = "C{d}EUR0,00", closing: str = "C{d}EUR0,00") -> bytes:
    """A statement whose fields are as they are given; {d} is the day."""
    day = f"{TODAY:%y%m%d}"
    fields = [
        *(":20:X", f":25:{IBAN}", ":28C:1/1", f":60F:{opening.format(d=day)}"),
        *((f":61:{day}{TODAY:%m%d}{line}",) if line else ()),
        f":62F:{closing.format(d=day)}",
    ]
    return "\r\n".join([*fields, "-", ""]).encode()


@pytest.mark.parametrize("amount", ["1234.56", "1.234,56", "1 234,56", "0" * 20 + "1234,56"])
@pytest.mark.parametrize("mark", ["C", "CR", "C ", "C\r\n"])
@pytest.mark.parametrize("kind", ["NTRFNONREF//R1", "N166NONREF", "FMSC1//R", "S051", ""])
def test_the_amount_of_a_line_of_mt940_is_read_whole(amount: str, mark: str, kind: str) -> None:
    data = mt940(f"{mark}{amount}{kind}", closing="C{d}EUR1234,56")
    ((line,),) = (one.lines for one in read(data, [IBAN]))
    assert line.amount == Money(123456, "EUR")


# The balances say 1.00, which a reader finds that takes the beginning.
@pytest.mark.parametrize(
    "amount",
    ["1,000", "1.000", "1,00,0", "1,00O0", "1,00 x", "1,0-0", "1,00EUR", "1O0,00", "1\u0660,00"],
)
def test_the_beginning_of_an_amount_is_never_taken(amount: str) -> None:
    data = mt940(f"C{amount}NTRFNONREF//R1", closing="C{d}EUR1,00")
    with pytest.raises(StatementUnreadable, match=r"^line 5, :61: .*(amount|line)"):
        read(data, [IBAN])


@pytest.mark.parametrize("field", ["opening", "closing"])
@pytest.mark.parametrize(
    "balance",
    [
        *("C{d}EUR1,000", "C{d}EUR1,00 EUR", "C{d}EUR", "C{d}1,00", "X{d}EUR1,00", "C261399EUR1,0"),
        *("C{d}EUR1,00\r\n2,00", "C{d}eur1,00", "CD{d}EUR1,00", "", "C{d}EUR-1,00", "C{d}XYZ1,00"),
    ],
)
def test_a_balance_is_read_whole_or_refused(field: str, balance: str) -> None:
    number = {"opening": 4, "closing": 5}[field]
    with pytest.raises(StatementUnreadable, match=rf"^line {number}, :6[02]F: "):
        read(mt940("", **{field: balance}), [IBAN])


# ------------------------------------------------------------------------------- ISO 20022

DECIMALS = {"1": 100, "1.5": 150, " 1.50 ": 150, "+1": 100, ".5": 50, "1.": 100, "1.50000": 150}
DECIMALS |= {"0" * 30 + "1.5": 150, "\n1.50\t": 150}
NO_DECIMALS = ["", "1e3", "1,5", "1.234,56", "1.5.0", "1 500", "-1", "NaN", "INF", "0x1", "1_0"]
NO_DECIMALS += ["1.505", "\u0661", "\uff11", "1<!-- -->.5.5", "1<x/>00", "+-1", "1.5 EUR", "9" * 20]


def camt(amount: str, attributes: str = 'Ccy="EUR"', more: str = "") -> bytes:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>'
        f"<Ntfctn><Id>N</Id><Acct><Id><IBAN>{IBAN}</IBAN></Id></Acct><Ntry>"
        f"<Amt {attributes}>{amount}</Amt>{more}<CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{TODAY}</Dt></BookgDt></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    ).encode()


@pytest.mark.parametrize("amount", DECIMALS)
def test_an_amount_of_iso_20022_is_a_decimal(amount: str) -> None:
    ((line,),) = (one.lines for one in read(camt(amount), [IBAN]))
    assert line.amount == Money(DECIMALS[amount], "EUR")


@pytest.mark.parametrize("amount", NO_DECIMALS)
def test_what_is_no_decimal_is_refused_with_its_entry_and_element(amount: str) -> None:
    with pytest.raises(StatementUnreadable, match=r"^entry 1: Amt"):
        read(camt(amount), [IBAN])


@pytest.mark.parametrize(
    ("attributes", "more"),
    [("", ""), ('Ccy="XYZ"', ""), ('Ccy=""', ""), ('ccy="EUR"', ""), ('Ccy="EUR"', "<Amt>2</Amt>")],
)
def test_an_amount_without_its_currency_or_with_another_beside_it_is_refused(
    attributes: str, more: str
) -> None:
    with pytest.raises(StatementUnreadable, match=r"^entry 1: .*Amt"):
        read(camt("1.00", attributes, more), [IBAN])
