"""Rows of a table, with their ids."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import sql

_HEX_DIGITS: Final = 32


class Record(Model):
    """A row with a time-ordered UUIDv7 id, which `PREFIX` makes readable and unique in the API."""

    PREFIX: ClassVar[str] = ""

    id = fields.UUIDField(primary_key=True, default=uuid7)
    created_at = fields.DatetimeField(default=now)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        """The id that the API shows: `inv_0192f3…`."""
        return public_id(self.PREFIX, self.id)


def new_id() -> UUID:
    """A UUIDv7: unique, and in the order of creation."""
    return uuid7()


def public_id(prefix: str, id: UUID) -> str:
    """An id as the API shows it: `inv_0192f3…`."""
    return f"{prefix}_{id.hex}"


def parse_id(prefix: str, text: str) -> UUID | None:
    """The UUID in a public id of that prefix; None for anything else."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _HEX_DIGITS or not tail.isascii():
        return None
    try:
        return UUID(hex=tail)
    except ValueError:
        return None


class Changing(Record):
    """A record whose changes are put down one by one and written together."""

    class Meta:
        abstract = True

    def put(self, **columns: object) -> None:
        """Change these columns; `write` makes it last."""
        changes: dict[str, object] = self.__dict__.setdefault("_changes", {})
        changes.update(columns)
        for name, value in columns.items():
            setattr(self, name, value)

    async def change(self, **columns: object) -> None:
        """Change these columns and write them at once."""
        self.put(**columns)
        await self.write()

    async def write(self) -> None:
        """Write what has been put down, in one statement; nothing where nothing was."""
        changes: dict[str, object] = self.__dict__.pop("_changes", {})
        if changes:
            await self._write(changes)

    async def _write(self, changes: dict[str, object]) -> None:
        assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(changes, 2))
        table = self._meta.db_table
        statement = f"UPDATE {table} SET {assignments} WHERE id = $1"
        await sql.execute(statement, self.id, *changes.values())
