"""The credit statement as CSV (RFC 4180), for spreadsheets and book-keeping programs."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from io import StringIO
from typing import TYPE_CHECKING, Final

from models.money import Money
from models.provider.day import day_of
from schema.core import texts

if TYPE_CHECKING:
    from models.credit.statement import CreditStatement
    from models.ledger.credit_transaction import CreditTransaction

HEAD: Final = ("date", "version", "kind", "description", "amount", "balance", "currency")
#: With these a spreadsheet takes a text for a formula (OWASP, CSV injection); some are full-width.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", *"\uff1d\uff0b\uff0d\uff20")


async def csv_of(statement: CreditStatement, locale: str) -> AsyncIterator[str]:
    """The file in parts: a head, the opening balance, every line, the closing balance.

    The words are in the language of `locale`; names, kinds and numbers are the same in all.
    """
    money = _Amounts(statement.currency)
    # What spreadsheets recognise UTF-8 by.
    yield "\N{ZERO WIDTH NO-BREAK SPACE}" + _row(HEAD)
    first, last = statement.first_day, statement.last_day
    yield _row((first, statement.after_version, "OPENING", "", *money.of("", statement.opening)))
    async for line in statement.lines():
        yield _row(_line(line, locale, money))
    yield _row((last, statement.last_version, "CLOSING", "", *money.of("", statement.closing)))


def _line(line: CreditTransaction, locale: str, money: _Amounts) -> tuple[object, ...]:
    day = day_of(line.created_at)
    key = f"credit.{line.kind}"
    said = texts.say(f"{key}.note", locale, note=line.note) if line.note else texts.say(key, locale)
    return (day, line.version, line.kind, safe(said), *money.of(line.amount, line.balance_after))


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text[:1] in _FORMULA else text


class _Amounts:
    """Amounts of one currency as plain decimals, which are numbers everywhere."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def of(self, amount: int | str, balance: int) -> tuple[str, str, str]:
        """The last three columns; an empty text stays empty."""
        written = self._plain(amount) if isinstance(amount, int) else amount
        return written, self._plain(balance), self._currency

    def _plain(self, minor: int) -> str:
        return f"{Money(minor, self._currency).amount:f}"


def _row(cells: tuple[object, ...]) -> str:
    written = StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
