"""Bank statements that have come, and the gaps where one is missing between them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from tortoise import fields

from models.bank.reported import ReportedStatement
from models.db import sql
from models.db.record import Record


class BankStatement(Record):
    """A statement that has come. Balances are signed minor units, dates ISO 8601 texts.

    `day_ends` are the balances after each day within it, with spaces between. `gap` says that one
    is missing before it; it is cleared when that one comes.
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
    day_ends = fields.TextField(default="")
    gap = fields.CharField(max_length=8, default="")

    class Meta:
        table = "bank_statement"

    @property
    def ends(self) -> frozenset[int]:
        """The balances from which another statement may go on."""
        return frozenset({self.closing, *map(int, self.day_ends.split())})


@dataclass(frozen=True, slots=True)
class Gap:
    """A statement before which another is missing, and the closest one that is there."""

    statement: BankStatement
    before: BankStatement


async def remember(statement: ReportedStatement) -> None:
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
    await sql.add_new(BankStatement(**row, gap="", day_ends=_day_ends(statement)))


async def days_beside(statement: ReportedStatement, names: Sequence[str]) -> set[date]:
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


def _day_ends(statement: ReportedStatement) -> str:
    """The balances after its days, where its lines lead from one balance to the other."""
    if statement.opening is None or statement.missing:
        return ""
    lines = sorted(statement.lines, key=lambda line: line.booked_on)
    moved = [line.amount.minor if line.is_credit else -line.amount.minor for line in lines]
    balances = accumulate(moved, initial=statement.opening.minor)
    next(balances)
    ends = {line.booked_on: end for line, end in zip(lines, balances, strict=True)}
    return " ".join(map(str, ends.values()))


async def gaps(statement: ReportedStatement) -> list[Gap]:
    """Where statements of its account are missing: before it, and what was noted before; inside a
    transaction, which notes what has changed. Numbers say nothing: banks count them in many ways.
    """
    if statement.closing is None:
        return []
    looked_at = await sql.records(
        BankStatement,
        "SELECT * FROM bank_statement WHERE bank_account = $1 AND currency = $2"
        " AND (closed_on = $3 OR gap <> '') ORDER BY closed_on, id",
        statement.account,
        statement.currency,
        statement.closing.on.isoformat(),
    )
    found = [(one, await _gap_before(one)) for one in looked_at]
    for one, gap in found:
        noted = "BALANCE" if gap else ""
        if noted != one.gap:
            await sql.execute("UPDATE bank_statement SET gap = $2 WHERE id = $1", one.id, noted)
    return [gap for _, gap in found if gap]


async def _gap_before(one: BankStatement) -> Gap | None:
    beside = [other for other in await _beside(one) if not _is_within(other, one)]
    earlier = [other for other in beside if other.closed_on < one.closed_on]
    if not earlier:
        return None  # the first that came
    if any(one.opening in other.ends or _begins_alike(other, one) for other in beside):
        return None
    return Gap(one, earlier[-1])


async def _beside(one: BankStatement) -> list[BankStatement]:
    """Those that end when it begins, or later, and begin before it ends: pages of one day, other
    forms of the same, exports whose days overlap.
    """
    return await sql.records(
        BankStatement,
        "SELECT * FROM bank_statement WHERE bank_account = $1 AND currency = $2 AND id <> $3"
        " AND opened_on <= $4 AND closed_on >= COALESCE((SELECT MAX(closed_on) FROM bank_statement"
        " WHERE bank_account = $1 AND currency = $2 AND closed_on < $5), $5)"
        " ORDER BY closed_on, id",
        one.bank_account,
        one.currency,
        one.id,
        one.closed_on,
        one.opened_on,
    )


def _is_within(other: BankStatement, one: BankStatement) -> bool:
    """Whether it is of some of the other's days alone, and so not what comes before it."""
    inside = one.opened_on <= other.opened_on and other.closed_on <= one.closed_on
    alike = (one.opened_on, one.closed_on) == (other.opened_on, other.closed_on)
    return inside and not alike and not _begins_alike(other, one)


def _begins_alike(other: BankStatement, one: BankStatement) -> bool:
    """Whether one that came before begins where it does: what is missing is missing before that."""
    is_same = other.opened_on == one.opened_on or other.closed_on == one.closed_on
    return is_same and other.opening == one.opening and other.id < one.id
