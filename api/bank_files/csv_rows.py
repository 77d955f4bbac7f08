"""The rows of a bank's CSV file: dates, amounts with signs, and texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from api.bank_files.amounts import written
from api.bank_files.lines import (
    StatementUnreadable,
    at,
    checked_day,
    clean,
    own_account,
    reference_of,
)
from models.bank.reported import BankLine
from models.errors import CurrencyNotSupported
from models.money import Money, exponent
from models.text import common_width

if TYPE_CHECKING:
    from collections.abc import Collection

    from api.bank_files.csv_columns import Columns

_TIME: Final = r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?"
#: The year comes first, and so there is one way to read it.
_DAY: Final = re.compile(
    rf"([0-9]{{4}})(?:([-/.年])([0-9]{{1,2}})[-/.月]([0-9]{{1,2}})日?|([0-9]{{2}})([0-9]{{2}})){_TIME}",
    re.ASCII,
)
_ERA_DAY: Final = re.compile(
    rf"(?:R|令和)([0-9]{{1,2}}|元)[-/.年]([0-9]{{1,2}})[-/.月]([0-9]{{1,2}})日?{_TIME}", re.ASCII
)
_ERA: Final = 2018
_MINUS: Final = re.compile(r"[-\u2212\u25b2\u25b3]")
_SIGNS: Final = re.compile(r"^[¥€$£\\]|円$")


@dataclass(frozen=True, slots=True)
class Row:
    """What a row says; a row that moved nothing has a line of zero. `balance` is after it, in
    signed minor units, where it is told.
    """

    number: int
    line: BankLine
    balance: int | None

    @property
    def moved(self) -> int:
        """In signed minor units."""
        return self.line.amount.minor if self.line.is_credit else -self.line.amount.minor


class Cells:
    """The cells of a row by their meaning."""

    def __init__(self, cells: list[str], places: list[tuple[str, int]]) -> None:
        """Raises StatementUnreadable where a column is not there."""
        lacking = [place for _, place in places if place >= len(cells)]
        if lacking:
            raise StatementUnreadable(
                f"it has {len(cells)} columns, but column {min(lacking) + 1} is needed"
            )
        self._said = [(what, _folded(cells[place])) for what, place in places]

    def all(self, meaning: str) -> list[str]:
        """What is said in the columns of a meaning, without the empty."""
        return [text for what, text in self._said if what == meaning and text]

    def one(self, meaning: str) -> str:
        """The same of the only one; empty if there is none."""
        return next(iter(self.all(meaning)), "")


def row_of(number: int, cells: Cells, accounts: Collection[str], columns: Columns) -> Row:
    """What a row says. Raises StatementUnreadable."""
    currency = _currency(columns.currency or cells.one("currency"))
    amount, is_reversal = _moved(cells, currency, columns.decimal)
    balance = _signed(cells.one("balance"), currency, columns.decimal)
    payer = clean(" ".join(cells.all("payer")))
    line = BankLine(
        account=own_account(columns.account or cells.one("account"), accounts),
        key="",
        bank_ref=reference_of(cells.one("reference")),
        amount=Money(abs(amount), currency),
        is_credit=amount > 0,
        is_reversal=is_reversal,
        is_batch=False,
        booked_on=_day(cells.one("date"), columns.date_format),
        payer_name=payer,
        payer_account=clean(cells.one("payer_account")),
        texts=tuple(clean(text) for text in (*cells.all("payer"), *cells.all("text"))),
    )
    return Row(number, line, balance)


def _folded(cell: str) -> str:
    return common_width(cell).strip()


def _currency(code: str) -> str:
    try:
        exponent(code)
    except CurrencyNotSupported:
        raise StatementUnreadable(f"the currency {clean(code)[:10]!r} isn't known") from None
    return code


# ------------------------------------------------------------------------------- amounts


def _moved(cells: Cells, currency: str, decimal: str) -> tuple[int, bool]:
    """Signed minor units, and whether they take something back: a negative amount in a column
    that has one direction. Where nothing is said, nothing moved.
    """
    told = {
        what: _signed(cells.one(what), currency, decimal) or 0
        for what in ("amount", "credit", "debit")
    }
    if told["credit"] and told["debit"]:
        raise StatementUnreadable("it has both a credit and a debit")
    moved = told["amount"] + told["credit"] - told["debit"]
    return moved, min(told["credit"], told["debit"]) < 0


def _signed(text: str, currency: str, decimal: str) -> int | None:
    """Signed minor units; None where a cell is empty."""
    bare = text.replace(currency, "").strip()
    if bare in {"", "-"}:
        return None
    is_negative = bool(_MINUS.match(bare)) or (bare.startswith("(") and bare.endswith(")"))
    bare = bare[1:-1] if bare.startswith("(") and is_negative else bare
    bare = _SIGNS.sub("", _MINUS.sub("", bare, count=1) if _MINUS.match(bare) else bare)
    bare = _SIGNS.sub("", bare.removeprefix("+").strip())
    # Of a currency without decimals a comma is of thousands.
    money = written(bare, currency, separator=decimal or ("" if exponent(currency) else "."))
    return -money.minor if is_negative else money.minor


# ------------------------------------------------------------------------------- dates


def _day(text: str, date_format: str) -> date:
    with at(f"the date {clean(text)[:30]!r}:"):
        try:
            if date_format:
                return checked_day(datetime.strptime(text, date_format).date())  # noqa: DTZ007
            return checked_day(_year_first(text))
        except ValueError:
            hint = f" as {date_format}" if date_format else "; give its format with --date-format"
            raise StatementUnreadable(f"it isn't valid{hint}") from None


def _year_first(text: str) -> date:
    era = _ERA_DAY.fullmatch(text)
    if era:
        year = 1 if era[1] == "元" else int(era[1])
        return date(_ERA + year, int(era[2]), int(era[3]))
    found = _DAY.fullmatch(text)
    if not found:
        raise ValueError(text)
    return date(int(found[1]), int(found[3] or found[5]), int(found[4] or found[6]))
