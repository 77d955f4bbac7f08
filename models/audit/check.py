"""What a check is: something that must not be, and the sentence that says so of a record.

Checks of one table go together in a sweep, which is one statement: the ledger is read once for all
of them. What SQL cannot work out of few rows (a name-based UUID) is judged in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from models.db import sql
from models.errors import Refusal
from models.money import Money

#: How many records each sweep names at most: when a table is spoiled, some say enough.
NAMED_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Check:
    """`wrong` is SQL that is true of a row that must not be; `sentence` has the row's columns in
    braces, `{due:money}` as an amount. A `warning` may heal by itself and makes no books wrong.
    """

    name: str
    wrong: str
    sentence: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found of one record."""

    check: str
    text: str
    warning: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """One statement and the checks of its rows; of a row the first that is wrong is told.

    `head` are its common table expressions. With a `judge` SQL only chooses the rows, and those are
    wrong that it says are. `$1` is the moment of the audit. In the SQL, `as_text(x.id)` is an id to
    compare with text, and `broken(x.y)` whether a JSON column holds none, which comes before it is
    read.
    """

    columns: str
    source: str
    checks: tuple[Check, ...]
    head: str = ""
    judge: Callable[[sql.Row], bool] | None = None

    def statement(self, dialect: str) -> str:
        """The statement: rows with a `fault`, the name of the check that they fail."""
        cases = " ".join(f"WHEN {one.wrong} THEN '{one.name}'" for one in self.checks)
        limit = f" LIMIT {NAMED_MAX}" if self.judge is None else ""
        text = (
            f"{self.head} SELECT * FROM (SELECT {self.columns}, CASE {cases} END AS fault"
            f" FROM {self.source}) f WHERE fault IS NOT NULL{limit}"
        )
        text = _AS_TEXT.sub(r"\1" if dialect == "sqlite" else r"CAST(\1 AS TEXT)", text)
        return _BROKEN.sub(r"NOT json_valid(\1)" if dialect == "sqlite" else "FALSE", text)

    def findings(self, rows: list[sql.Row]) -> Iterator[Finding]:
        """What is wrong with these rows of the statement."""
        checks = {one.name: one for one in self.checks}
        for row in rows:
            if self.judge is None or self.judge(row):
                check = checks[row["fault"]]
                yield Finding(check.name, check.sentence.format(**_facts(row)), check.warning)


# SQLite keeps ids as text, where an index helps only where the column stands alone, and JSON too.
_AS_TEXT: Final = re.compile(r"as_text\((\w+\.\w+)\)")
_BROKEN: Final = re.compile(r"broken\((\w+\.\w+)\)")


@dataclass(frozen=True, slots=True)
class _Amount:
    """Minor units that `{:money}` writes out."""

    minor: int
    currency: str

    def __format__(self, how: str) -> str:
        if how != "money":
            return str(self.minor)
        try:
            return f"{Money(self.minor, self.currency).amount} {self.currency}"
        except Refusal:  # no currency that there is
            return f"{self.minor} {self.currency}"


def _facts(row: sql.Row) -> Mapping[str, object]:
    currency = str(row.get("currency"))
    return {
        name: _Amount(int(value), currency) if isinstance(value, int | Decimal) else value
        for name, value in row.items()
    }


# ------------------------------------------------------------------------------- pieces of SQL


def hexed(column: str) -> str:
    """An id as sources have it: 32 hexadecimal digits."""
    return f"replace(CAST({column} AS TEXT), '-', '')"


def public(prefix: str, column: str) -> str:
    """An id as the API shows it."""
    return f"'{prefix}_' || {hexed(column)}"


def id_of(text: str, start: int = 1) -> str:
    """The id whose 32 hexadecimal digits `text` has from `start` on, to compare with `as_text`."""
    parts, at = [], start
    for length in (8, 4, 4, 4, 12):
        parts.append(f"substr({text}, {at}, {length})")
        at += length
    return " || '-' || ".join(parts)


def any_of(values: Mapping[str, object] | tuple[str, ...] | frozenset[str]) -> str:
    """A list for IN."""
    return "(" + ", ".join(f"'{value}'" for value in sorted(values)) + ")"
