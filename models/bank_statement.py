"""Bank statements: what a reader makes of a file, and which statements have come.

A reader knows its format and nothing of us; `models.bank_import` decides what a line means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from tortoise import fields

from models import sql
from models.base import Record, new_id, now
from models.money import Money


@dataclass(frozen=True, slots=True)
class BankLine:
    """One movement on an account of ours, booked by the bank; `amount` is positive.

    `bank_ref` is the bank's own reference of the entry, the same in every form that it is reported
    in, or empty. `key` is the line's own: of a transfer that was booked alone it is `bank_ref`, of
    the n-th in a batch `bank_ref:n`, of a line without reference made from what it says and the
    statement that says it. `is_batch` is a sum of several transfers that are not told apart.
    `texts` is all that payer and bank wrote, in their order.
    """

    account: str
    key: str
    bank_ref: str
    amount: Money
    is_credit: bool
    is_reversal: bool
    is_batch: bool
    booked_on: date
    payer_name: str
    payer_account: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """What was on the account, in signed minor units, and when."""

    minor: int
    on: date


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement or notification of one account. A notification (camt.054) has no balances.

    `form` is `camt.053`, `camt.054` or `MT940`; `pending` counts what the bank had not booked yet.
    """

    form: str
    reference: str
    account: str
    currency: str
    number: int | None
    opening: Balance | None
    closing: Balance | None
    lines: tuple[BankLine, ...]
    pending: int = 0

    @property
    def missing(self) -> Money:
        """What its entries lack to lead from the opening to the closing balance."""
        if self.opening is None or self.closing is None:
            return Money.zero(self.currency)
        moved = sum(one.amount.minor if one.is_credit else -one.amount.minor for one in self.lines)
        return Money(self.closing.minor - self.opening.minor - moved, self.currency)


class GapKind(StrEnum):
    """How it shows that a statement has not come."""

    BALANCE = "BALANCE"
    "It does not begin with the balance that the one before it ended with."
    NUMBER = "NUMBER"
    "Its number does not follow that of the one before it."


class BankStatement(Record):
    """A statement that has come. Balances are signed minor units, dates ISO 8601 texts.

    `gap` says that one is missing before it; it is cleared when that one comes.
    """

    bank_account = fields.CharField(max_length=64)
    currency = fields.CharField(max_length=3)
    form = fields.CharField(max_length=16)
    reference = fields.CharField(max_length=140)
    number = fields.BigIntField(null=True)
    opening = fields.BigIntField()
    closing = fields.BigIntField()
    opened_on = fields.CharField(max_length=10)
    closed_on = fields.CharField(max_length=10)
    fingerprint = fields.CharField(max_length=64)
    gap = fields.CharField(max_length=8, default="")

    class Meta:
        table = "bank_statement"


@dataclass(frozen=True, slots=True)
class Gap:
    """A statement before which another is missing, and the closest one that is there."""

    kind: GapKind
    statement: BankStatement
    before: BankStatement


async def remember(statement: Statement) -> None:
    """Note that it has come, once; inside a transaction. One without balances leaves no trace."""
    opening, closing = statement.opening, statement.closing
    if opening is None or closing is None:
        return
    row: sql.Row = {
        "bank_account": statement.account,
        "currency": statement.currency,
        "form": statement.form,
        "reference": statement.reference[:140],
        "number": statement.number,
        "opening": opening.minor,
        "closing": closing.minor,
        "opened_on": opening.on.isoformat(),
        "closed_on": closing.on.isoformat(),
    }
    row["fingerprint"] = hashlib.sha256(sql.json(row).encode()).hexdigest()
    row |= {"id": new_id(), "created_at": now(), "gap": ""}
    await sql.insert("bank_statement", [row], ignore_conflicts=True)


async def days_beside(statement: Statement, names: Sequence[str]) -> set[date]:
    """The days of `statement` on which another of its account, which has these `names`, ends with
    the balance that it opens with, or opens with the one that it ends with.
    """
    opening, closing = statement.opening, statement.closing
    days = [line.booked_on for line in statement.lines]
    if opening is None or closing is None or not days:
        return set()
    rows = await sql.records(
        BankStatement,
        "SELECT * FROM bank_statement WHERE currency = $1 AND opening <> closing"
        " AND (closing = $2 OR opening = $3) AND closed_on >= $4 AND opened_on <= $5"
        f" AND bank_account IN ({sql.placeholders(len(names), 6)})",
        statement.currency,
        opening.minor,
        closing.minor,
        min(days).isoformat(),
        max(days).isoformat(),
        *names,
    )
    ended = {row.closed_on for row in rows if row.closing == opening.minor}
    began = {row.opened_on for row in rows if row.opening == closing.minor}
    return {date.fromisoformat(day) for day in ended | began}


_OF_ACCOUNT: Final = (
    "SELECT * FROM bank_statement WHERE bank_account = $1 AND currency = $2 AND closed_on"
)


async def gaps(statement: Statement) -> list[Gap]:
    """Where statements of its account are missing: before it, and what was noted before; inside a
    transaction, which notes what has changed.
    """
    account, currency = statement.account, statement.currency
    if statement.closing is None:
        return []
    looked_at = await sql.records(
        BankStatement,
        f"{_OF_ACCOUNT} = $3 UNION SELECT * FROM bank_statement"
        " WHERE bank_account = $1 AND currency = $2 AND gap <> '' ORDER BY closed_on, id",
        account,
        currency,
        statement.closing.on.isoformat(),
    )
    found = [(one, await _gap_before(one)) for one in looked_at]
    for one, gap in found:
        noted = gap.kind.value if gap else ""
        if noted != one.gap:
            await sql.execute("UPDATE bank_statement SET gap = $2 WHERE id = $1", one.id, noted)
    return [gap for _, gap in found if gap]


async def _gap_before(one: BankStatement) -> Gap | None:
    # Several of one day are pages, or the same in another form: in whatever order they follow.
    before = await sql.records(
        BankStatement,
        f"{_OF_ACCOUNT} <= $3 AND closed_on >= COALESCE((SELECT MAX(closed_on) FROM bank_statement"
        " WHERE bank_account = $1 AND currency = $2 AND closed_on < $3), $3)"
        " AND id <> $4 ORDER BY closed_on, id",
        one.bank_account,
        one.currency,
        one.closed_on,
        one.id,
    )
    earlier = [other for other in before if other.closed_on < one.closed_on]
    if not earlier:
        return None  # the first that came
    fitting = [other for other in before if other.closing == one.opening]
    if not fitting:
        return Gap(GapKind.BALANCE, one, earlier[-1])
    numbered = [other for other in fitting if other.form == one.form and other.number is not None]
    if one.number is None or not numbered:
        return None
    last = max(numbered, key=lambda other: other.number or 0)
    skipped = one.number - (last.number or 0) > 1
    return Gap(GapKind.NUMBER, one, last) if skipped else None
