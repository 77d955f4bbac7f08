"""ISO 20022 statements: camt.052, camt.053 and camt.054, in any version.

After the message definition reports "Bank-to-Customer Cash Management". Elements are found by
their local names, which all versions share; where a version moved one, both places are looked at.
What cannot be read is named by the number of its entry and the path of its element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.bank_files.amounts import decimal
from api.bank_files.camt_entries import is_booked, lines_of
from api.bank_files.camt_values import amount_of, day_of, is_credit
from api.bank_files.lines import StatementUnreadable, at, clean, keyed, own_account
from api.bank_files.xml_document import (
    children,
    count_at,
    first_text,
    name_of,
    one_at,
    parsed,
    value_at,
)
from models.bank.reported import Balance, BankLine, ReportedStatement
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Collection
    from xml.etree.ElementTree import Element

#: The message, and the element that is one statement in it.
_MESSAGES: Final = {
    "BkToCstmrAcctRpt": ("camt.052", "Rpt"),
    "BkToCstmrStmt": ("camt.053", "Stmt"),
    "BkToCstmrDbtCdtNtfctn": ("camt.054", "Ntfctn"),
}
_NUMBER_MAX: Final = 18


def read(data: bytes, accounts: Collection[str]) -> list[ReportedStatement]:
    """The statements in a file, which may have several messages. Raises StatementUnreadable."""
    messages = [one for one in parsed(data).iter() if _kind(one) in _MESSAGES]
    if not messages:
        raise StatementUnreadable("it is XML, but not camt.052, camt.053 or camt.054")
    found = [
        (message, one)
        for message in messages
        for one in children(message, _MESSAGES[_kind(message)][1])
    ]
    read = []
    for number, (message, one) in enumerate(found, 1):
        with at(f"statement {number}," if len(found) > 1 else ""):
            statement = _statement(one, _MESSAGES[_kind(message)][0], accounts)
            _check(statement, one, message)
            read.append(statement)
    return read


def _kind(element: Element) -> str:
    return name_of(element).removesuffix("V01")


def _statement(statement: Element, form: str, accounts: Collection[str]) -> ReportedStatement:
    account = own_account(_account(statement), accounts, _bic(statement))
    opening = closing = None
    said = value_at(statement, "Acct", "Ccy")
    if form == "camt.053":  # of the others they are no beginning and no end
        opening = _balance(statement, said, "OPBD", "PRCD")
        closing = _balance(statement, said, "CLBD")
        said = _one_currency(said, opening, closing)
    lines, pending = _entries(statement, account, said)
    reference, number = clean(first_text(statement, "Id")), _number(statement)
    return ReportedStatement(
        form=form,
        reference=reference,
        account=account,
        currency=said or next((line.amount.currency for line in lines), ""),
        number=int(number) if number.isascii() and number.isdigit() else None,
        opening=opening[0] if opening else None,
        closing=closing[0] if closing else None,
        lines=keyed(lines, f"{form} {reference} {number}"),
        pending=pending,
    )


def _account(statement: Element) -> str:
    places = (("IBAN",), ("Othr", "Id"), ("BBAN",), ("PrtryAcct", "Id"))
    return next(filter(None, (value_at(statement, "Acct", "Id", *one) for one in places)), "")


def _bic(statement: Element) -> str:
    """Of the bank that has the account."""
    bank = ("Acct", "Svcr", "FinInstnId")
    return value_at(statement, *bank, "BICFI") or value_at(statement, *bank, "BIC")


def _number(statement: Element) -> str:
    """An unreadable one is ignored: nothing depends on it."""
    number = first_text(statement, "ElctrncSeqNb") or first_text(statement, "LglSeqNb")
    return number if len(number) <= _NUMBER_MAX else ""


def _entries(statement: Element, account: str, currency: str) -> tuple[list[BankLine], int]:
    """The lines of the entries that the bank has booked, and how many it has not."""
    lines: list[BankLine] = []
    pending = 0
    for number, entry in enumerate(children(statement, "Ntry"), 1):
        with at(f"entry {number}:"):
            if not is_booked(entry):
                pending += 1
                continue
            of_entry = lines_of(entry, account)
            if currency and any(line.amount.currency != currency for line in of_entry):
                raise StatementUnreadable(f"Amt: its currency is not {currency}, the statement's")
            lines += of_entry
    return lines, pending


# ------------------------------------------------------------------------------- balances


def _balance(statement: Element, currency: str, *codes: str) -> tuple[Balance, str] | None:
    """The balance of the first of these codes that there is, and its currency."""
    balances = children(statement, "Bal")
    for code in codes:
        with at(f"balance {code}:"):
            found = {_read(one) for one in balances if _code(one) == code}
            # An account in several currencies has one of each.
            own = {one for one in found if one[1] == currency} if len(found) > 1 else found
            if len(own) == 1:
                return own.pop()
            if found:
                raise StatementUnreadable(f"there are {len(found)} where one belongs")
    return None


def _code(balance: Element) -> str:
    return value_at(balance, "Tp", "CdOrPrtry", "Cd") or value_at(balance, "Tp", "Cd")


def _read(balance: Element) -> tuple[Balance, str]:
    money = amount_of(balance)
    minor = money.minor if is_credit(balance) else -money.minor
    return Balance(minor, day_of(balance, "Dt")), money.currency


def _one_currency(said: str, *balances: tuple[Balance, str] | None) -> str:
    named = {said, *(one[1] for one in balances if one)} - {""}
    if len(named) > 1:
        raise StatementUnreadable(
            f"its balances are not of one currency: {', '.join(sorted(named))}"
        )
    return next(iter(named), "")


def _check(statement: ReportedStatement, element: Element, message: Element) -> None:
    """Whether nothing was lost on the way, or misread. A part, and a selection whose entries the
    bank itself counts, lead from no balance to the other: those are warned of.
    """
    if statement.missing and not _is_part(element, message) and not _is_counted(element):
        raise StatementUnreadable(
            "it does not add up: its entries are "
            f"{statement.missing.amount} {statement.currency} short of its closing balance"
        )


def _is_part(statement: Element, message: Element) -> bool:
    pages = (one_at(statement, "StmtPgntn"), one_at(message, "GrpHdr", "MsgPgntn"))
    return any(
        count_at(page, "PgNb") != 1 or value_at(page, "LastPgInd") not in {"true", "1"}
        for page in pages
        if page is not None
    )


def _is_counted(statement: Element) -> bool:
    """Whether the bank's own count (TxsSummry) is of just these entries."""
    number = count_at(statement, "TxsSummry", "TtlNtries", "NbOfNtries")
    total = value_at(statement, "TxsSummry", "TtlNtries", "Sum")
    booked = [amount_of(one) for one in children(statement, "Ntry") if is_booked(one)]
    if not booked or not total:
        return False
    currency = booked[0].currency
    return (number, decimal(total, currency)) == (len(booked), sum(booked, Money.zero(currency)))
