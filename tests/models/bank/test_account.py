"""One account in whatever notation is one account, and two are never taken for one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace

import pytest
from stdnum import iban
from tortoise.connection import get_connection

from api.bank_files import read
from api.settings.defaults import demo_bank_accounts
from api.settings.settings import SettingsError, load_settings
from models.bank import import_statement
from models.bank.account import AccountUnclear, account_of_ours, own_account, own_keys
from models.bank.by_hand import RecordBankTransfer
from models.bank.reported import ReportedStatement
from models.db import connection, sql, transactions
from models.errors import Invalid
from models.journal.command import run
from tests.support.bank.files import IBAN, Transfer
from tests.support.bank.imports import a_day, counts, paid, waiting
from tests.support.factories import STAFF
from tests.support.providers import key, wire_provider

OURS = [f"COBADEFFXXX/{IBAN}", "1234567", "EXAMUS33XXX/000123456789"]


def german(bank: str, number: str) -> str:
    bban = bank + number.zfill(10)
    return f"DE{iban.calc_check_digits(f'DE00{bban}')}{bban}"


@pytest.mark.once
@pytest.mark.parametrize(
    "written",
    [
        IBAN,
        "de89 3704 0044 0532 0130 00",
        "ＤＥ８９ 3704 0044 0532 0130 00",
        f"{IBAN}EUR",
        f"{IBAN}/EUR",
        f"{IBAN} EUR",
        f"COBADEFFXXX/{IBAN}",
        f"COBADEFF/{IBAN}/EUR",
        f"COBADEFFXXX{IBAN}",
        f"COBADEFFXXX{IBAN}EUR",
        "370400440532013000",
        "37040044532013000",
        "COBADEFF/370400440532013000",
        "37040044/532013000",
        "37040044/0532013000",
        "37040044/000532013000",
        "37040044/0532013000EUR",
        "COBADEFF/37040044/532013000",
        "COBADEFF/0532013000",
        "COBADEFFXXX/532013000",
        "COBADEFF370/532013000",
    ],
)
def test_our_account_is_found_in_every_notation(written: str) -> None:
    assert own_account(written, OURS) == IBAN
    assert account_of_ours(written, OURS) == IBAN


@pytest.mark.once
@pytest.mark.parametrize(
    "written",
    [
        german("37040044", "532013001"),
        german("50040000", "532013000"),
        "DE88370400440532013000",
        "50040000/532013000",
        "DEUTDEFF/0532013000",
        "COBAATWX/0532013000",
        "37040044/5320130000",
        "370400440532013001",
        "37040044",
        "EUR",
        "/",
        "",
        "0",
        "x" * 99,
        "EXAMUS44/000123456789",
    ],
)
def test_another_account_is_none_of_ours(written: str) -> None:
    assert own_account(written, OURS) is None
    assert account_of_ours(written, OURS) is None


@pytest.mark.once
@pytest.mark.parametrize("written", ["BOTKJPJT/1234567", "001/1234567"])
def test_a_bank_that_we_do_not_know_makes_a_number_unclear(written: str) -> None:
    for find in (own_account, account_of_ours):
        with pytest.raises(AccountUnclear):
            find(written, OURS)


@pytest.mark.once
def test_a_number_alone_is_ours_for_staff_and_unclear_in_a_file() -> None:
    assert account_of_ours("532013000", OURS) == IBAN
    with pytest.raises(AccountUnclear):
        own_account("532013000", OURS)
    assert own_account("532013000", OURS, "COBADEFFXXX") == IBAN
    assert own_account("532013000", OURS, "DEUTDEFF") is None
    assert own_account("532013000", [*OURS, "532013000"]) == IBAN
    assert own_account("00123456789", OURS) == "000123456789"
    twin = german("50040000", "532013000")
    for find in (own_account, account_of_ours):
        with pytest.raises(AccountUnclear):
            find("532013000", [*OURS, twin])


@pytest.mark.once
@pytest.mark.parametrize(
    ("ours", "written"),
    [
        ("GB29NWBK60161331926819", "60-16-13/31926819"),
        ("GB29NWBK60161331926819", "NWBKGB2L/31926819"),
        ("NL91ABNA0417164300", "ABNANL2A/417164300"),
        ("FR7630006000011234567890189", "30006/00001/12345678901"),
        ("FR7630006000011234567890189", "30006 00001 12345678901 89"),
        ("AT611904300234573201", "19043/234573201"),
        ("CH9300762011623852957", "00762/011623852957"),
        ("37040044/532013000", IBAN),
        (f"COBADEFFXXX/{IBAN}", IBAN),
        ("370400440532013000", IBAN),
    ],
)
def test_banks_of_many_countries_are_understood(ours: str, written: str) -> None:
    assert own_account(written, [ours]) == own_keys((ours,))[next(iter(own_keys((ours,))))]


@pytest.mark.once
def test_an_account_that_is_named_twice_has_one_key() -> None:
    twice = ("37040044/532013000", f"COBADEFFXXX/{IBAN}", IBAN, "0532013000")
    assert set(own_keys(twice).values()) == {IBAN}


@pytest.mark.once
@pytest.mark.parametrize("unclear", ["BOTKJPJT/1234567", "001/1234567"])
def test_settings_whose_accounts_cannot_be_told_apart_are_refused(unclear: str) -> None:
    yen = demo_bank_accounts()["JPY"].model_copy(update={"statements_of": [unclear]})
    said = "BANK_ACCOUNTS has two numbers that could be the same account"
    with pytest.raises(SettingsError, match=said):
        load_settings(secret=False, bank_accounts={"JPY": yen})


# ------------------------------------------------------------------------------- what came before


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    "written",
    [f"COBADEFFXXX/{IBAN}", f"COBADEFFXXX{IBAN}", f"{IBAN}EUR", "37040044/532013000", "532013000"],
)
async def test_lines_that_came_under_another_notation_are_known(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    wire_provider(monkeypatch, own_accounts=tuple(OURS))
    ada, begun = await waiting()
    day = a_day(paid(begun), account=IBAN)
    (statement,) = read(day.camt053(), OURS)
    (done,) = (await import_statement.import_statement(_on(statement, written))).taken
    assert done.outcome == "BOOKED"
    assert await counts(day.camt053(), day) == {"KNOWN": 1}
    nameless = replace(day, transfers=(paid(begun, ref=""),))
    assert await counts(nameless.mt940(), day) == {"PARKED": 1}
    assert await ada.amounts() == (2500, 0, 0, 0)


def _on(statement: ReportedStatement, written: str) -> ReportedStatement:
    """As it was taken in when its account went by another name."""
    lines = tuple(replace(line, account=written) for line in statement.lines)
    return replace(statement, account=written, lines=lines)


@pytest.mark.usefixtures("provider")
async def test_what_staff_type_is_our_account_in_whatever_notation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch, own_accounts=tuple(OURS))
    ada, begun = await waiting()
    day = a_day(paid(begun), account=IBAN)
    ref = day.transfers[0].ref
    for written in (f"COBADEFFXXX/{IBAN}", "37040044/532013000", "532013000", IBAN):
        await run(
            RecordBankTransfer(begun.reference, Decimal(25), "USD", written, ref), STAFF, key()
        )
    assert await counts(day.camt053(), day) == {"KNOWN": 1}
    assert await ada.kinds() == ["DEPOSIT"]
    with pytest.raises(Invalid) as refused:
        await run(
            RecordBankTransfer(begun.reference, Decimal(26), "USD", "BOTKJPJT/1234567", ref),
            STAFF,
            key(),
        )
    assert (refused.value.field, refused.value.problem) == (
        ("bank_account",),
        "bank_account_unclear",
    )
    assert await ada.amounts() == (2500, 0, 0, 0)


class _Undo(Exception):
    """Everything is as it was."""


@pytest.mark.usefixtures("provider")
async def test_statements_of_old_notations_are_the_accounts() -> None:
    day = a_day(Transfer(100, ref="NTRF-77a1."), account=IBAN, opening=900)
    (statement,) = read(day.mt940(), OURS)
    done = await import_statement.import_statement(_on(statement, f"COBADEFFXXX{IBAN}"))
    credit = done.taken[0].record
    assert credit is not None
    migration = import_module("models.migrations.0016_bank_lines")

    async def again() -> None:
        editor = SimpleNamespace(client=get_connection("default"), DIALECT=connection.dialect())
        await migration._drop_index(None, editor)
        await sql.execute("UPDATE bank_credit SET folded = NULL")
        await migration._fill(None, editor)
        rows = await sql.fetch("SELECT bank_account FROM bank_statement WHERE opening = 900")
        assert {row["bank_account"] for row in rows} == {IBAN}
        row = await sql.fetch_one("SELECT folded FROM bank_credit WHERE id = $1", credit.id)
        assert row == {"folded": "NTRF77A1"}
        raise _Undo

    with pytest.raises(_Undo):
        await transactions.transaction(again)
