"""SWIFT MT940 statements, as banks bend them.

The fields are read by the package mt-940; what it would overwrite or drop (a line without a
transaction type, the pages of several statements in a file) is kept apart before.
"""

from __future__ import annotations

import logging
import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import mt940

from api.statements.lines import (
    StatementUnreadable,
    checked_day,
    clean,
    keyed,
    money,
    own_account,
    reference_of,
)
from models.bank_statement import Balance, BankLine, Statement

if TYPE_CHECKING:
    from collections.abc import Collection

#: Each statement begins with its reference.
_BEGINNING: Final = re.compile(r"^(?=:20:)", re.MULTILINE)
_LINE: Final = re.compile(r"^:61:", re.MULTILINE)
_SUBFIELD: Final = re.compile(r"\?([0-9]{2})", re.ASCII)
_STRUCTURED: Final = re.compile(r"[0-9]{3}\?[0-9]{2}", re.ASCII)
#: What mt-940 raises at fields that are none.
_BROKEN: Final = (RuntimeError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError)


# It would log a broken field with all that a client wrote in it.
logging.getLogger("mt940").setLevel(logging.CRITICAL)


class _Entry(mt940.tags.StatementGLS):
    """Field 61 with references of any length; one without a type is a line of its own too."""

    def __call__(self, transactions: Any, value: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        return super().__call__(transactions, {**value, "id": value.get("id") or "NMSC"})


# mt-940 finds the processors of a field by the name of its class.
_Entry.__name__ = "Statement"


def read(data: bytes, accounts: Collection[str]) -> list[Statement]:
    """The statements in a file. Raises StatementUnreadable."""
    text = _decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    if not re.search(r"^:20:", text, re.MULTILINE) or not re.search(r"^:6[02]", text, re.MULTILINE):
        raise StatementUnreadable("it is neither camt.053 nor camt.054 nor MT940")
    blocks = _BEGINNING.split(text)[1:]
    return [_statement(block, accounts) for block in blocks]


def _decoded(data: bytes) -> str:
    """SWIFT's own characters are ASCII; banks that write others use UTF-8 or ISO 8859-1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _statement(block: str, accounts: Collection[str]) -> Statement:
    parsed = _parsed(block)
    found = parsed.data
    account = own_account(str(found.get("account_identification", "")), accounts)
    opening = _balance(found, "final_opening_balance", "intermediate_opening_balance")
    closing = _balance(found, "final_closing_balance", "intermediate_closing_balance")
    if opening is None or closing is None:
        raise StatementUnreadable("it ends before its closing balance")
    currency = str(parsed.currency)
    lines = [_line(one.data, account, currency) for one in parsed.transactions]
    reference = clean(str(found.get("transaction_reference", "")))
    number, page = found.get("statement_number"), found.get("sequence_number")
    known_by = f"MT940 {reference} {number}/{page} {opening} {closing}"
    return Statement(
        form="MT940",
        reference=reference,
        account=account,
        currency=currency,
        number=int(number) if number else None,
        opening=opening,
        closing=closing,
        lines=keyed(lines, known_by),
    )


def _parsed(block: str) -> mt940.models.Transactions:
    parsed = mt940.models.Transactions(
        processors={"post_transaction_details": []},
        tags={61: _Entry()},
        options=mt940.Options.all(),
    )
    try:
        parsed.parse(block)
    except _BROKEN as error:
        shown = clean(str(error.args[-1] if error.args else ""))[:40]
        raise StatementUnreadable(f"a field of it is none of MT940: {shown!r}") from None
    if len(parsed.transactions) != len(_LINE.findall(block)):
        raise StatementUnreadable("a line of it cannot be told from the next")
    return parsed


def _balance(found: dict[str, Any], *names: str) -> Balance | None:
    for name in names:
        balance = found.get(name)
        if balance is not None:
            amount = balance.amount
            paid = money(str(abs(amount.amount)), amount.currency).minor
            day = checked_day(date(balance.date.year, balance.date.month, balance.date.day))
            return Balance(-paid if amount.amount < 0 else paid, day)
    return None


# ------------------------------------------------------------------------------- lines


def _line(said: dict[str, Any], account: str, currency: str) -> BankLine:
    mark = str(said["status"]).upper()
    day = said.get("entry_date") or said["date"]
    pieces, name, number = _details(str(said.get("transaction_details") or ""))
    texts = [str(said.get(part) or "") for part in ("customer_reference", "extra_details")]
    return BankLine(
        account=account,
        key="",
        bank_ref=reference_of(str(said.get("bank_reference") or "")),
        amount=money(str(abs(said["amount"].amount)), currency),
        is_credit=mark in {"C", "RD"},
        is_reversal=mark in {"RC", "RD"},
        is_batch=False,
        booked_on=checked_day(date(day.year, day.month, day.day)),
        payer_name=clean(name),
        payer_account=clean(number),
        texts=tuple(clean(text) for text in (*texts, *pieces) if text and text != "NONREF"),
    )


def _details(text: str) -> tuple[list[str], str, str]:
    """Field 86: what was written, the payer's name and account.

    German banks number its parts (`?20` to `?29` and `?60` to `?63` the purpose, `?31` the account,
    `?32` and `?33` the name), others use SWIFT's words between slashes, or neither.
    """
    if not _STRUCTURED.match(text):
        return text.split("\n"), _after("NAME", text), _after("IBAN", text)
    first, *rest = _SUBFIELD.split(text.replace("\n", ""))
    parts = list(zip(rest[::2], rest[1::2], strict=True))
    pieces = [first, *(part for tag, part in parts if tag[0] in "26")]
    name = "".join(part for tag, part in parts if tag in {"32", "33"})
    return pieces, name, next((part for tag, part in parts if tag == "31"), "")


def _after(word: str, text: str) -> str:
    found = re.search(rf"/{word}/([^/]*)", text)
    return found[1] if found else ""
