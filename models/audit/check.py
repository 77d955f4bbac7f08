"""Checks: a condition that no record may meet, and the sentence that reports it.

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
    """One query and the checks of its rows; of each row only the first that fails is reported.

    `head` are its common table expressions. With a `judge` SQL only chooses the rows, and those are
    wrong that it says are. `scope` chooses the rows that are proven again where only some accounts
    were touched; without one, the sweep is of everything or not at all.

    In the SQL, `$7` is the moment of the audit, `$1` an hour before it and `$6` five minutes, and
    `$2` thirty days after it; `minute_after(x)` is a minute after a moment, for hosts' clocks.
    `told_of(x.id, y)` is whether the text `y` is the id as the API shows it, behind a prefix of
    four letters, `broken(x.y)` whether a JSON column holds none, which comes before it is read, and
    `listed(x.y, …)` whether one of these texts is in a JSON array. What is true of all where
    everything is proven:
    `within(x.y)` of an account that was touched, `within(x.y, table)` or `within(x.y,
    table.column)` of what such an account has in that table, `named(x.y, prefix, table)` of the
    same as the API shows it, and `recent(x.id)` of what is new.
    """

    columns: str
    source: str
    checks: tuple[Check, ...]
    head: str = ""
    judge: Callable[[sql.Row], bool] | None = None
    scope: str = ""

    def query(self, dialect: str, *, narrow: bool = False) -> str:
        """Its SQL: rows with a `fault`, the name of the check that they fail.

        `narrow` is of the `$5` accounts in the JSON array `$3`, and of what is newer than the
        id `$4`.
        """
        cases = " ".join(f"WHEN {one.wrong} THEN '{one.name}'" for one in self.checks)
        limit = f" LIMIT {NAMED_MAX}" if self.judge is None else ""
        heads = [_TOUCHED[dialect], self.head] if narrow else [self.head]
        text = (
            f"SELECT * FROM (SELECT {self.columns}, CASE {cases} END AS fault FROM {self.source}"
            f" WHERE {self.scope if narrow else 'TRUE'}) f WHERE fault IS NOT NULL{limit}"
        )
        if any(heads):
            text = f"WITH {', '.join(filter(None, heads))} {text}"
        return written_out(text, dialect, narrow=narrow)

    def findings(self, rows: list[sql.Row]) -> Iterator[Finding]:
        """What is wrong with these rows of the query."""
        checks = {one.name: one for one in self.checks}
        for row in rows:
            if self.judge is None or self.judge(row):
                check = checks[row["fault"]]
                yield Finding(check.name, check.sentence.format(**_facts(row)), check.warning)


# PostgreSQL plans for as many as a LIMIT lets through.
_TOUCHED: Final = {
    "sqlite": "touched AS MATERIALIZED (SELECT value AS id FROM json_each($3) LIMIT $5)",
    "postgres": "touched AS MATERIALIZED (SELECT CAST(value AS UUID) AS id"
    " FROM json_array_elements_text(CAST(CAST($3 AS TEXT) AS JSON)) LIMIT $5)",
}
# An index helps only where the id stands alone, and is compared with one.
_TOLD_OF: Final = re.compile(r"told_of\(([\w.]+), ([\w.]+)\)")
_SAME_ID: Final = {
    "sqlite": r"\1 = "
    + " || '-' || ".join(
        rf"substr(\2, {at}, {length})"
        for at, length in ((5, 8), (13, 4), (17, 4), (21, 4), (25, 12))
    ),
    "postgres": r"\1 = CASE WHEN substr(\2, 5, 32) ~ '^[0-9a-f]{32}$'"
    r" THEN CAST(substr(\2, 5, 32) AS UUID) END",
}
_LISTED: Final = re.compile(r"listed\(([\w.]+), ([^()]+)\)")
_AMONG: Final = {
    dialect: rf"EXISTS (SELECT 1 FROM {elements}(\1) one WHERE one.value IN (\2))"
    for dialect, elements in (("sqlite", "json_each"), ("postgres", "jsonb_array_elements_text"))
}
_MINUTE_AFTER: Final = re.compile(r"minute_after\(([\w.]+)\)")
_LATER: Final = {
    # Written as moments are stored, to the precision that SQLite has.
    "sqlite": r"strftime('%Y-%m-%d %H:%M:%f000+00:00', \1, '+1 minute')",
    "postgres": r"(\1 + INTERVAL '1 minute')",
}
_BROKEN: Final = re.compile(r"broken\((\w+\.\w+)\)")
_NARROW: Final = (
    (re.compile(r"within\(([\w.]+)\)"), r"\1 IN (SELECT id FROM touched)"),
    (re.compile(r"within\(([\w.]+), (\w+)\)"), r"within(\1, \2.id)"),
    (
        re.compile(r"within\(([\w.]+), (\w+)\.(\w+)\)"),
        r"\1 IN (SELECT \3 FROM \2 WHERE account_id IN (SELECT id FROM touched))",
    ),
    (
        re.compile(r"named\(([\w.]+), (\w+)\)"),
        r"\1 IN (SELECT '\2_' || replace(CAST(id AS TEXT), '-', '') FROM touched)",
    ),
    (
        re.compile(r"named\(([\w.]+), (\w+), (\w+)\)"),
        r"""\1 IN (SELECT '\2_' || replace(CAST(id AS TEXT), '-', '') FROM \3
               WHERE account_id IN (SELECT id FROM touched))""",
    ),
    (re.compile(r"recent\(([\w.]+)\)"), r"\1 > $4"),
)


def written_out(text: str, dialect: str, *, narrow: bool = False) -> str:
    """SQL of checks, as the database takes it."""
    for pattern, condition in _NARROW:
        text = pattern.sub(condition if narrow else "TRUE", text)
    text = _TOLD_OF.sub(_SAME_ID[dialect], text)
    text = _LISTED.sub(_AMONG[dialect], text)
    text = _MINUTE_AFTER.sub(_LATER[dialect], text)
    return _BROKEN.sub(r"NOT json_valid(\1)" if dialect == "sqlite" else "FALSE", text)


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
