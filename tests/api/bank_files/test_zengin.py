"""Japanese Zengin files: every layout and encoding, and nothing that their own counts deny."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from api.bank_files import Reading, StatementUnreadable, read
from models.bank import account as bank_account
from models.bank.reported import ReportedStatement
from models.reference import candidates
from tests.support.bank.files import TODAY
from tests.support.bank.zengin_files import Account, Entry, era, file, notification, statement

pytestmark = pytest.mark.once

OURS = ["1234567"]
BRANCHES = Reading(branches={"1234567": ("001", "ordinary")})
REFERENCE = "RF18539007547034"
MIXED = Account(
    (
        Entry(8000, f"{REFERENCE} ﾔﾏﾀﾞ ﾀﾛｳ"),
        Entry(300, "ﾃｽｳﾘﾖｳ", is_credit=False, reason="18", summary="ﾃｽｳﾘﾖｳ"),
        Entry(12_000_000_000, "ｶ)ｸﾗｲｱﾝﾄ", edi=REFERENCE),
        Entry(500, "ﾃｲｾｲ", is_credit=False, reason="19"),
    )
)


def only(data: bytes) -> ReportedStatement:
    (found,) = read(data, OURS, BRANCHES)
    return found


@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r", ""])
@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("last", ["", "\x1a", "\r\n\x1a"])
def test_a_statement_is_read_with_any_line_ends(ends: str, encoding: str, last: str) -> None:
    found = only(file(statement(MIXED), ends, encoding) + last.encode())
    assert (found.form, found.currency, found.account) == ("Zengin", "JPY", "1234567")
    assert (found.opening, found.closing) != (None, None)
    assert found.closing is not None
    assert (found.closing.minor, found.closing.on) == (12_000_008_200, TODAY)
    amounts = [(line.amount.minor, line.is_credit, line.is_reversal) for line in found.lines]
    assert amounts[:2] == [(8000, True, False), (300, False, False)]
    assert amounts[2:] == [(12_000_000_000, True, False), (500, False, True)]
    assert found.lines[0].payer_name == f"{REFERENCE} ヤマダ タロウ"
    assert [candidates(line.texts) for line in found.lines[::2]] == [{REFERENCE}] * 2


@pytest.mark.parametrize("digits", [10, 12])
def test_a_notification_is_read(digits: int) -> None:
    entries = Entry(8000, REFERENCE, edi="0" * 20), Entry(77, "ﾄﾘｹｼ", is_credit=False)
    found = only(file(notification(Account(entries), large=digits > 10)))
    assert (found.opening, found.closing) == (None, None)
    said = [(line.amount.minor, line.is_credit, line.is_reversal) for line in found.lines]
    assert said == [(8000, True, False), (77, False, True)]


def test_canceled_transfers_may_be_counted_with_the_rest() -> None:
    records = notification(Account((Entry(8000), Entry(77, is_credit=False))))
    records[-2] = f"8{2:06}{8077:012}{1:06}{77:012}".ljust(200)
    assert len(only(file(records)).lines) == 2


def test_balances_that_the_bank_does_not_tell_are_none() -> None:
    found = only(file(statement(replace(MIXED, opening=None))))
    assert (found.opening, len(found.lines)) == (None, 4)


def test_an_overdraft_is_a_negative_balance() -> None:
    found = only(file(statement(replace(MIXED, opening=-9000))))
    assert found.opening is not None
    assert found.opening.minor == -9000


def test_several_accounts_in_one_file_are_all_read() -> None:
    both = file(statement(Account(), Account(number="7654321")))
    assert [one.account for one in read(both, [*OURS, "7654321"])] == ["1234567", "7654321"]
    assert [len(one.lines) for one in read(both, [*OURS, "7654321"])] == [1, 1]


@pytest.mark.parametrize(
    "own", ["1234567", "0011234567", "001-1234567", "01230011234567", "AAAAJPJTXXX/1234567"]
)
def test_our_number_may_have_branch_bank_or_bic_before_it(own: str) -> None:
    how = Reading(branches={own: ("001", "ordinary")})
    (found,) = read(file(statement(Account())), [own], how)
    assert found.account == bank_account.own_account(own, [own])
    with pytest.raises(StatementUnreadable, match="record 1: its branch is 002"):
        read(file(statement(Account(branch="002"))), [own], how)


def test_of_two_accounts_with_one_number_the_branch_says_which() -> None:
    own = ["001-1234567", "002-1234567"]
    for branch, account in zip(("001", "002"), own, strict=True):
        (found,) = read(file(statement(Account(branch=branch))), own)
        assert found.account == bank_account.own_account(account, own)
    with pytest.raises(StatementUnreadable, match="record 1: its branch is 003"):
        read(file(statement(Account(branch="003"))), own)


@pytest.mark.parametrize("own", ["02340011234567", "DE1234567", "0211234567"])
def test_a_number_behind_another_bank_or_branch_is_not_ours(own: str) -> None:
    with pytest.raises(StatementUnreadable):
        read(file(statement(Account())), [own])


def test_records_may_have_lost_the_spaces_at_their_end() -> None:
    records = [record.rstrip() for record in statement(Account((Entry(8000, edi="x" * 20),)))]
    assert len(only(file(records)).lines) == 1
    with pytest.raises(StatementUnreadable, match=r"^record 2: it has 198 characters"):
        only(file([records[0], records[1][:198], *records[2:]]))


# ------------------------------------------------------------------------------- what is not

ONE = statement(Account())


def changed(number: int, start: int, text: str) -> list[str]:
    """The file with other characters in one record, both counted from 1."""
    record = ONE[number - 1]
    other = record[: start - 1] + text + record[start - 1 + len(text) :]
    return [*ONE[: number - 1], other, *ONE[number:]]


REFUSED = {
    "no end": (ONE[:-1], "record 3, without an end"),
    "no trailer": ([ONE[0], ONE[1], ONE[3]], "record 3: the trailer"),
    "no header": ([ONE[0], ONE[2], *ONE[1:]], "record 3: a 2 is out of place"),
    "two headers": ([ONE[0], *ONE], "record 2: a 1 is out of place"),
    "two ends": ([*ONE, ONE[-1]], "record 4: a 9 is out of place"),
    "a line less": ([ONE[0], *ONE[2:]], "record 2: its counts and sums"),
    "a line more": ([*ONE[:2], *ONE[1:]], "record 4: its counts and sums"),
    "another amount": (changed(2, 25, "000000800000"), "record 3: its counts and sums"),
    "an amount in letters": (changed(2, 25, "00000000800O"), "record 2: amount: .* isn't a number"),
    "an amount with a sign": (
        changed(2, 25, "-00000008000"),
        "record 2: amount: .* isn't a number",
    ),
    "an amount with spaces": (
        changed(2, 25, "    00008000"),
        "record 2: amount: .* isn't a number",
    ),
    "no amount": (changed(2, 25, " " * 12), "record 2: its amount"),
    "no direction": (changed(2, 22, " "), "record 2: its direction"),
    "another direction": (changed(2, 22, "3"), "record 2: its direction"),
    "the other direction": (changed(2, 22, "2"), "record 3: its counts and sums"),
    "no date": (changed(2, 10, " " * 6), "record 2: it has no date"),
    "a date that there is not": (changed(2, 10, "080230"), "record 2: the date 080230 isn't valid"),
    "a year of no era": (changed(2, 10, "261101"), "record 2: the date 261101"),
    "another count": (changed(3, 2, "000002"), "record 3: its counts and sums"),
    "another sum": (changed(3, 8, "0000000008001"), "record 3: its counts and sums"),
    "another count of records": (changed(3, 55, "0000009"), "record 3: its counts and sums"),
    "another balance": (changed(3, 41, "00000000009001"), "record 3: the statement does not add"),
    "another sign": (changed(3, 40, "2"), "record 3: the statement does not add"),
    "an odd sign": (changed(3, 40, "7"), "record 3: the sign"),
    "another count of accounts": (changed(4, 12, "00002"), "record 4: its counts"),
    "another count of all": (changed(4, 2, "0000000009"), "record 4: its counts"),
    "another branch": (changed(1, 42, "002"), "record 1: its branch is 002"),
    "another type": (changed(1, 63, "2"), "record 1: its type"),
    "a deposit for a term": (changed(1, 63, "6"), "record 1: its type"),
    "another account": (changed(1, 64, "0007654321"), "BANK_ACCOUNTS"),
    "ebcdic": (changed(1, 4, "1"), "record 1: it is in EBCDIC"),
    "an unknown kind": (changed(2, 1, "5"), "record 2: the record type '5' isn't known"),
    "a record that is too long": ([ONE[0], ONE[1] + "x", *ONE[2:]], "record 2: it has 201"),
    "kanji": (changed(2, 82, "山田"), "half-width"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("ends", ["\r\n", ""])
def test_what_the_file_itself_denies_is_refused_with_its_record(what: str, ends: str) -> None:
    records, why = REFUSED[what]
    if ends == "" and what == "a record that is too long":
        why = "record 3: the record type 'x' isn't known"
    with pytest.raises(StatementUnreadable, match=why):
        only(file(records, ends))


def test_a_cut_off_file_is_never_read_in_part() -> None:
    whole = file(statement(MIXED), "")
    for cut in range(30, len(whole) - 200, 37):
        with pytest.raises(StatementUnreadable):
            only(whole[:cut])


def test_a_date_next_year_but_one_is_refused() -> None:
    late = Account((Entry(8000, day=TODAY + timedelta(days=500)),))
    with pytest.raises(StatementUnreadable, match=f"record 2: the date {era(late.entries[0].day)}"):
        only(file(statement(late)))
