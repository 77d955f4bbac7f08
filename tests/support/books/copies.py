"""Copies of rows, by SQL behind the code's back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.db import sql

if TYPE_CHECKING:
    from collections.abc import Mapping


async def copying(table: str, instead: Mapping[str, str], where: str = "1 = 1") -> str:
    """A statement that adds a copy of one such row, with this SQL `instead` of its own columns."""
    (row,) = await sql.fetch(f"SELECT * FROM {table} LIMIT 1")
    values = ", ".join(instead.get(name, name) for name in row)
    return (
        f"INSERT INTO {table} ({', '.join(row)}) SELECT {values} FROM {table} WHERE {where} LIMIT 1"
    )
