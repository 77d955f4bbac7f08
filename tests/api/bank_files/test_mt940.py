"""MT940 as banks write it: envelopes, separators, wrapped lines, numbers; and what is refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from api.bank_files import StatementUnreadable, read
from models.bank.reported import ReportedStatement
from models.reference import candidates
from tests.support.bank.files import IBAN, TODAY

pytestmark = pytest.mark.once

REFERENCE = "RF18539007547034"
CUT = (REFERENCE[:5], REFERENCE[5:])
DAY = f"{TODAY:%y%m%d}"
LINE = f":61:{DAY}{TODAY:%m%d}C50,00NTRFNONREF//R1"


def text(*lines: str, opening: str = "0,00", closing: str = "50,00", **fields: str) -> str:
    """A statement of `lines`; `fields` are others than usual, by their tag."""
    head = {"t20": "X", "t25": IBAN, "t28C": "1/1", **fields}
    head_lines = [f":{tag[1:]}:{value}" for tag, value in head.items()]
    balances = f":60F:C{DAY}EUR{opening}", f":62F:C{DAY}EUR{closing}"
    return "\n".join([*head_lines, balances[0], *lines, balances[1], "-", ""])


def only(whole: str, encoding: str = "utf-8") -> ReportedStatement:
    (statement,) = read(whole.encode(encoding), [IBAN])
    return statement


def quoted(statement: ReportedStatement) -> list[set[str]]:
    return [candidates((*line.texts, line.payer_name)) for line in statement.lines]


# ------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("sign", "?>~^<‹›|#*@§`")
@pytest.mark.parametrize("code", ["166", "020", ""])
def test_a_reference_is_whole_whatever_separates_the_parts(sign: str, code: str) -> None:
    details = f":86:{code}?00GUTSCHRIFT?20Rechnung {CUT[0]}?21{CUT[1]}?31DE1?32ERIKA ?33MUSTER"
    statement = only(text(LINE, details.replace("?", sign)))
    assert quoted(statement) == [{REFERENCE}]
    assert statement.lines[0].payer_name == "ERIKA MUSTER"
    assert statement.lines[0].payer_account == "DE1"


@pytest.mark.parametrize("sign", ["?", "~", "^", "‹"])
def test_parts_are_found_where_lines_are_wrapped(sign: str) -> None:
    details = f":86:166?00GUTSCHRIFT?20Rechnung {CUT[0]}?21{CUT[1]}?32ERIKA MUSTER"
    wrapped = "\n".join(details[start : start + 23] for start in range(0, len(details), 23))
    statement = only(text(LINE, wrapped.replace("?", sign)))
    assert quoted(statement) == [{REFERENCE}]
    assert statement.lines[0].payer_name == "ERIKA MUSTER"


def test_several_details_of_one_line_are_one_text() -> None:
    parts = [":86:073", ":86:073~00IP00", f"~20Zaplata {CUT[0]}", f"~21{CUT[1]}", "~32JAN"]
    statement = only(text(LINE, *parts))
    assert quoted(statement) == [{REFERENCE}]
    assert statement.lines[0].payer_name == "JAN"
    plain = only(text(LINE, f":86:{CUT[0]}   ", f":86:{CUT[1]}  ", ":NS:01More"))
    assert quoted(plain) == [{REFERENCE}]
    assert plain.lines[0].texts[-1] == "01More"


def test_details_after_the_balance_are_of_the_statement() -> None:
    whole = text(LINE, f":86:{REFERENCE}").replace("-\n", f":64:C{DAY}EUR50,00\n:86:RF1\n-\n")
    assert quoted(only(whole)) == [{REFERENCE}]
    whole = text(f":86:{REFERENCE}", LINE, ":86:hello")
    assert quoted(only(whole)) == [set()]


NUMBERS = {"1/1": 1, "00042/001": 42, "32701/1": 32701, "7": 7, "": None, "/1": None, "12a": None}
NUMBERS |= {"NONREF": None, "1/2/3": None, "9" * 30: None, "1\n2": None, "-1": None, "\u0661": None}


@pytest.mark.parametrize("written", NUMBERS)
@pytest.mark.parametrize("tag", ["28", "28C"])
def test_an_odd_number_refuses_nothing(tag: str, written: str) -> None:
    statement = only(text(LINE).replace(":28C:1/1", f":{tag}:{written}"))
    assert (statement.number, len(statement.lines)) == (NUMBERS[written], 1)


def test_a_number_may_be_missing() -> None:
    statement = only(text(LINE).replace(":28C:1/1\n", ""))
    assert (statement.number, len(statement.lines)) == (None, 1)


ENVELOPES = {
    "none": "{}",
    "headers": "{{1:F01AAAABEBBAXXX0000000000}}{{2:I940BBBBDEFFXXXXN}}{{4:\n{}",
    "a user header": "{{1:F01A}}{{2:O940A}}{{3:{{108:X}}{{119:Y}}}}{{4:\n{}}}{{5:{{CHK:1}}}}",
    "the same line": "{{1:F01A}}{{2:O940A}}{{4:{}",
    "lines of a bank": "ABNANL2A\n940\nABNANL2A\n{}ABNANL2A\n",
    "a field before": ":940:\n{}",
    "a byte order mark": "\ufeff{}",
    "spaces and an end of file": "\n\n  {}\n\n\x1a",
}


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "  \r\n", "\r\r\n"])
def test_a_statement_is_found_in_its_envelope(envelope: str, ends: str) -> None:
    one = text(LINE, f":86:{REFERENCE}").replace("-\n", "-}\n")
    one = one if envelope in {"headers", "a user header"} else one.replace("-}\n", "-\n")
    whole = "".join(ENVELOPES[envelope].format(each) for each in (one, one))
    statements = read(whole.replace("\n", ends).encode(), [IBAN])
    assert [quoted(each) for each in statements] == [[{REFERENCE}]] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_characters_are_read_in_what_banks_write(encoding: str) -> None:
    details = ":86:166?20ä?32Jürgen Groß"
    assert only(text(LINE, details), encoding).lines[0].payer_name == "Jürgen Groß"
    if encoding != "latin-1":
        angled = text(LINE, f":86:020‹20{CUT[0]}‹21{CUT[1]}")
        assert quoted(only(angled, encoding)) == [{REFERENCE}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp932"])
def test_japanese_characters_are_read(encoding: str) -> None:
    details = f":86:{REFERENCE} カゼホスティング"
    statement = only(text(LINE, details), encoding)
    assert quoted(statement) == [{REFERENCE}]
    assert "カゼホスティング" in statement.lines[0].texts[0]


MARKS = {"C": (True, False), "D": (False, False), "RC": (False, True), "RD": (True, True)}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("funds", ["", "R", "N", "F", "C", "D"])
def test_marks_say_the_direction(mark: str, funds: str) -> None:
    is_credit, is_reversal = MARKS[mark]
    line = f":61:{DAY}{mark}{funds}12,NTRFNONREF"
    whole = text(line, opening="100,", closing="112," if is_credit else "88,")
    (found,) = only(whole).lines
    assert (found.is_credit, found.is_reversal) == (is_credit, is_reversal)
    assert found.amount.minor == 1200


@pytest.mark.parametrize(
    ("value", "entry", "booked"),
    [
        ("261231", "0102", date(2027, 1, 2)),
        ("270102", "1231", date(2026, 12, 31)),
        ("260301", "0228", date(2026, 2, 28)),
        ("240301", "0229", date(2024, 2, 29)),
        ("260230", "0301", date(2026, 3, 1)),
        ("260230", "", date(2026, 2, 28)),
        ("240230", "", date(2024, 2, 29)),
        ("260105", "    ", date(2026, 1, 5)),
    ],
)
def test_the_entry_date_is_in_the_year_next_to_the_value_date(
    value: str, entry: str, booked: date
) -> None:
    (line,) = only(text(f":61:{value}{entry}C50,00NTRF")).lines
    assert line.booked_on == booked


def test_pages_and_other_balances_are_read() -> None:
    first = text(LINE).replace(":62F:", ":62M:")
    second = text(LINE, opening="50,00", closing="100,00", t28C="1/2").replace(":60F:", ":60M:")
    second = second.replace("-\n", f":64:C{DAY}EUR100,00\n:65:C{DAY}EUR100,00\n-\n")
    statements = read((first + second).encode(), [IBAN])
    assert [one.closing.minor for one in statements if one.closing] == [5000, 10000]


def test_a_time_that_is_wrapped_is_no_field() -> None:
    details = [":86:106?00X?24/PL 12-09-2014T16", ":26:37 Fo", ":20:15 x", f":86:{REFERENCE}"]
    assert quoted(only(text(LINE, *details))) == [{REFERENCE}]


# ------------------------------------------------------------------------------- what is not

WHOLE = text(LINE, f":86:{REFERENCE}")
REFUSED = {
    "no line": (WHOLE.replace(LINE + "\n", ""), 6, "does not add up"),
    "a line twice": (WHOLE.replace(LINE, f"{LINE}\n{LINE}"), 8, "does not add up"),
    "another amount": (WHOLE.replace("C50,00", "C05,00"), 7, "does not add up"),
    "a line whose tag is broken": (WHOLE.replace(":61:", ":6l:"), 4, "another line"),
    "two accounts": (WHOLE.replace(":28C:", f":25:{IBAN}\n:28C:"), 3, "a second :25:"),
    "two numbers": (WHOLE.replace(":60F:", ":28C:2/1\n:60F:"), 4, "a second :28C:"),
    "two openings": (WHOLE.replace(":61:", f":60F:C{DAY}EUR0,00\n:61:"), 5, "a second :60F:"),
    "two closings": (WHOLE.replace("-\n", f":62F:C{DAY}EUR50,00\n-\n"), 8, "a second :62F:"),
    "no opening": (WHOLE.replace(f":60F:C{DAY}EUR0,00\n", ""), 4, "not between"),
    "no closing": (WHOLE[: WHOLE.index(":62F:")], 1, "ends before its closing balance"),
    "no closing, and another": (
        WHOLE[: WHOLE.index(":62F:")] + WHOLE,
        1,
        "ends before its closing",
    ),
    "a line after the balance": (WHOLE.replace("-\n", f"{LINE}\n"), 8, "not between"),
    "a line after the end": (WHOLE + f"{LINE}\n", 9, "outside of any statement"),
    "a line before the beginning": (f"{LINE}\n{WHOLE}", 1, "outside of any statement"),
    "an account in the lines": (WHOLE.replace(":86:", ":25:DE1\n:86:"), 6, "a second :25:"),
    "two currencies": (WHOLE.replace("EUR50,00", "USD50,00"), 7, "USD, not EUR"),
    "no mark": (WHOLE.replace("C50,00", "50,00"), 5, "the line"),
    "an unknown mark": (WHOLE.replace("C50,00", "EC50,00"), 5, "the line"),
    "a day that there is not": (WHOLE.replace(f":61:{DAY}", ":61:260431"), 5, "260431 isn't valid"),
    "an entry day that there is not": (WHOLE.replace(f"{TODAY:%m%d}C50", "0230C50"), 5, "0230"),
    "an entry day of zeros": (WHOLE.replace(f"{TODAY:%m%d}C50", "0000C50"), 5, "0000 isn't valid"),
    "a short date": (WHOLE.replace(f":61:{DAY}{TODAY:%m%d}", ":61:26112"), 5, "the line"),
    "a long date": (WHOLE.replace(f":61:{DAY}{TODAY:%m%d}", f":61:20{DAY}"), 5, "the"),
    "a day far ahead": (
        WHOLE.replace(f":61:{DAY}{TODAY:%m%d}", f":61:{TODAY + timedelta(days=800):%y%m%d}"),
        5,
        "isn't possible",
    ),
    "a sum of other lines": (WHOLE.replace("-\n", ":90C:2EUR50,00\n-\n"), 8, "the number or sum"),
    "a sum of another amount": (
        WHOLE.replace("-\n", ":90C:1EUR50,01\n-\n"),
        8,
        "the number or sum",
    ),
    "a sum that is none": (WHOLE.replace("-\n", ":90D:xEUR0,00\n-\n"), 8, "the sum"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_lost_or_misread_is_refused_with_its_line(what: str) -> None:
    whole, line, why = REFUSED[what]
    with pytest.raises(StatementUnreadable, match=rf"^line {line}\b.*{why}"):
        read(whole.encode(), [IBAN])


def test_sums_that_are_right_are_taken() -> None:
    sums = f":90D:0EUR0,00\n:90C:1EUR50,00\n:64:C{DAY}EUR1,00\n-\n"
    assert len(only(WHOLE.replace("-\n", sums)).lines) == 1


@pytest.mark.parametrize("cut", range(0, len(WHOLE) - 2, 7))
def test_a_file_that_is_cut_off_is_never_read_in_part(cut: int) -> None:
    """Behind the closing balance nothing is missing."""
    if cut >= WHOLE.index("50,00\n-"):
        cut = WHOLE.index("50,00\n-") - 1
    with pytest.raises(StatementUnreadable):
        read(WHOLE[:cut].encode(), [IBAN])
