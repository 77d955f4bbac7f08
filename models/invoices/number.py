"""Numbers of documents, without gaps."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Protocol

from tortoise import fields

from models.db import sql
from models.db.record import Table
from models.journal.journal import Journal, Writer


class NumberSeries(Table):
    """The last number that was given out in a series."""

    name = fields.CharField(max_length=64, primary_key=True)
    last_number = fields.BigIntField()

    class Meta:
        table = "number_series"


class Numbered(Protocol):
    """A document that waits for its number."""

    @property
    def series(self) -> str:
        """The series that numbers it."""

    def take(self, number: str) -> None:
        """Have this number: `INV-2026-000042`."""


def series_of(prefix: str, day: date) -> str:
    """The series of a document's year."""
    return f"{prefix}-{day.year}"


def give_number(journal: Journal, document: Numbered) -> None:
    """Give a document the next number of its series when everything has been decided.

    That is the last lock: the series is held until the commit, which is what makes it gapless.
    """
    numbers: _Numbers = journal.kept("numbers") or journal.keep("numbers", _Numbers())
    journal.note(numbers)
    numbers.waiting.append(document)


class _Numbers(Writer):
    """The documents of a transaction that wait for their numbers."""

    def __init__(self) -> None:
        self.waiting: list[Numbered] = []

    async def begin(self) -> None:
        by_series: defaultdict[str, list[Numbered]] = defaultdict(list)
        for document in self.waiting:
            by_series[document.series].append(document)
        for series, documents in sorted(by_series.items()):
            last = await _draw(series, len(documents))
            for number, document in enumerate(documents, last - len(documents) + 1):
                document.take(f"{series}-{number:06d}")


async def _draw(series: str, count: int) -> int:
    [row] = await sql.fetch(
        "INSERT INTO number_series (name, last_number) VALUES ($1, $2) ON CONFLICT (name)"
        " DO UPDATE SET last_number = number_series.last_number + $2 RETURNING last_number",
        series,
        count,
    )
    return int(row["last_number"])
