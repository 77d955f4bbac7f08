"""SWIFT MT940 statements, as banks bend them: a field is understood whole, or nothing is read."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from api.bank_files import mt940_fields
from api.bank_files.amounts import written
from api.bank_files.lines import (
    StatementUnreadable,
    at,
    checked_day,
    clean,
    keyed,
    own_account,
    reference_of,
)
from api.bank_files.mt940_details import Details, details
from api.bank_files.texts import decoded
from models.bank.reported import Balance, BankLine, ReportedStatement
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from api.bank_files.mt940_fields import Field

_BALANCE: Final = re.compile(r"([CD])([0-9]{6})([A-Z]{3})(.+)", re.ASCII)
#: Value date, entry date, mark, funds code, amount, type, and what is left: the references. An
#: amount ends where letters begin, and so they must be a type.
_ENTRY: Final = re.compile(
    r"([0-9]{6})([0-9]{4}| {4})?(R[CD]|[CD])([A-Z](?=[\s0-9.,]))?\s?"
    r"([^A-Za-z/\n]+)([NFS][A-Z0-9 ]{3})?([^\n]*)(.*)",
    re.ASCII | re.DOTALL,
)
_NUMBER: Final = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9}))?", re.ASCII)
_SUM: Final = re.compile(r"([0-9]{1,9})([A-Z]{3})(.+)", re.ASCII)


def read(data: bytes, accounts: Collection[str]) -> list[ReportedStatement]:
    """The statements in a file. Raises StatementUnreadable."""
    found = list(mt940_fields.statements(decoded(data)))
    if not found:
        raise StatementUnreadable("it isn't camt.052, camt.053, camt.054, MT940 or Zengin")
    return [_statement(fields, accounts) for fields in found]


def _statement(fields: list[Field], accounts: Collection[str]) -> ReportedStatement:
    by_tag = {field.tag: field for field in reversed(fields)}
    with at(by_tag.get("25", by_tag["20"]).place):
        account = own_account(_account(by_tag), accounts)
    opening, currency = _balance(by_tag["60"])
    closing, closing_currency = _balance(by_tag["62"])
    if closing_currency != currency:
        raise by_tag["62"].unreadable(f"its currency is {closing_currency}, not {currency}")
    reference = clean(by_tag["20"].text)
    number, page = _number(by_tag.get("28"))
    known_by = f"MT940 {reference} {number}/{page} {opening} {closing}"
    statement = ReportedStatement(
        form="MT940",
        reference=reference,
        account=account,
        currency=currency,
        number=int(number) if number else None,
        opening=opening,
        closing=closing,
        lines=keyed(_lines(fields, account, currency), known_by),
    )
    _check(statement, by_tag["62"])
    _check_sums(statement, fields)
    return statement


def _account(by_tag: dict[str, Field]) -> str:
    """The account; of 25P the second line is the bank's BIC."""
    return by_tag["25"].text.strip().partition("\n")[0] if "25" in by_tag else ""


def _number(field: Field | None) -> tuple[str | None, str | None]:
    """Number and page; an unreadable one is ignored: nothing depends on it."""
    found = _NUMBER.fullmatch(field.text.strip()) if field else None
    return (found[1], found[2]) if found else (None, None)


def _balance(field: Field) -> tuple[Balance, str]:
    found = _BALANCE.fullmatch(field.value)
    if found is None:
        raise field.unreadable(f"the balance {clean(field.value)[:30]!r} isn't valid")
    mark, day, currency, amount = found.groups()
    with at(field.place):
        minor = written(amount, currency).minor
        return Balance(-minor if mark == "D" else minor, checked_day(_day(day))), currency


def _check(statement: ReportedStatement, field: Field) -> None:
    """Whether nothing was lost on the way, or misread."""
    if statement.missing:
        raise field.unreadable(
            "the statement does not add up: its lines are "
            f"{statement.missing.amount} {statement.currency} short of its closing balance"
        )


def _check_sums(statement: ReportedStatement, fields: list[Field]) -> None:
    """Fields 90C and 90D count the lines; where reversals belong banks do not agree."""
    for field in fields:
        if field.tag != "90" or any(line.is_reversal for line in statement.lines):
            continue
        found = _SUM.fullmatch(field.value)
        if found is None:
            raise field.unreadable(f"the sum {clean(field.value)[:30]!r} isn't valid")
        with at(field.place):
            said = int(found[1]), written(found[3], found[2])
        if said != _sum_of(statement, is_credit=field.letter == "C"):
            raise field.unreadable("the number or sum of the statement's lines doesn't match")


def _sum_of(statement: ReportedStatement, *, is_credit: bool) -> tuple[int, Money]:
    amounts = [line.amount for line in statement.lines if line.is_credit == is_credit]
    return len(amounts), sum(amounts, Money.zero(statement.currency))


# ------------------------------------------------------------------------------- lines


def _lines(fields: list[Field], account: str, currency: str) -> Iterator[BankLine]:
    """The lines, each with the texts that follow it; after the balance they are the statement's."""
    entry: Field | None = None
    texts: list[str] = []
    for field in fields:
        if field.tag in {"86", "NS"}:
            texts.append(field.text)
            continue
        if entry is not None:
            yield _line(entry, details(texts), account, currency)
        entry, texts = (field if field.tag == "61" else None), []


def _line(field: Field, said: Details, account: str, currency: str) -> BankLine:
    found = _ENTRY.fullmatch(field.text.strip())
    if found is None:
        raise field.unreadable(f"the line {clean(field.text)[:30]!r} isn't valid")
    value, entry, mark, _, amount, kind, references, more = found.groups()
    references = references.strip()
    if kind is None and references and not references.startswith("//"):
        raise field.unreadable(f"the amount {clean(amount + references)[:30]!r} isn't valid")
    ours, _, theirs = references.partition("//")
    with at(field.place):
        money = written(amount, currency)
        day = checked_day(_booked_on(value, (entry or "").strip()))
    texts = [ours, more.strip("\n"), *said.pieces]
    return BankLine(
        account=account,
        key="",
        bank_ref=reference_of(theirs),
        amount=money,
        is_credit=mark in {"C", "RD"},
        is_reversal=mark in {"RC", "RD"},
        is_batch=False,
        booked_on=day,
        payer_name=clean(said.payer_name),
        payer_account=clean(said.payer_account),
        texts=tuple(clean(text) for text in texts if text and text != "NONREF"),
    )


def _booked_on(value: str, entry: str) -> date:
    """The entry date, which has no year: it is in the one that brings it next to the value date."""
    about = _value_date(value)
    if not entry:
        return about
    days = [_on(about.year + years, int(entry[:2]), int(entry[2:])) for years in (-1, 0, 1)]
    told = [day for day in days if day is not None]
    if not told:
        raise StatementUnreadable(f"the date {entry} isn't valid")
    return min(told, key=lambda day: abs(day - about))


def _value_date(text: str) -> date:
    """The value date; banks whose months have thirty days for interest have a 30 February."""
    if text[2:] in {"0229", "0230"}:
        return _on(2000 + int(text[:2]), 2, 29) or _day(f"{text[:2]}0228")
    return _day(text)


def _day(text: str) -> date:
    """YYMMDD. Raises StatementUnreadable."""
    day = _on(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    if day is None:
        raise StatementUnreadable(f"the date {text} isn't valid")
    return day


def _on(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
