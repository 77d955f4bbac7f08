"""Records: rows of a table, with their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model, ModelMeta
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import sql

if TYPE_CHECKING:
    from models.db.changes import Changes

_HEX_DIGITS: Final = 32


class _Made(ModelMeta):
    """Makes models without a look for comments in their source, a tenth of a start."""

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> ModelMeta:
        return super().__new__(cls, name, bases, {"_no_comments": True, **attrs})


class Table(Model, metaclass=_Made):
    """A table with a key of its own making."""

    class Meta:
        abstract = True


class Record(Table):
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

    #: The column that shows whether another transaction has written since it was read.
    REVISION: ClassVar[str | None] = None

    def put(self, **columns: object) -> None:
        """Change these columns; `write_to` makes it last."""
        if (note := self.__dict__.get("_note")) is not None:
            note(self)
        changes: dict[str, object] = self.__dict__.setdefault("_changes", {})
        changes.update(columns)
        for name, value in columns.items():
            setattr(self, name, value)

    async def change(self, **columns: object) -> None:
        """Change these columns and write them at once; for records without concurrent writers."""
        assert self.REVISION is None, "what others change as well is written by a journal"
        self.put(**columns)
        changes = sql.encoded(type(self), self._taken())
        assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(changes, 2))
        statement = f"UPDATE {sql.table_of(type(self))} SET {assignments} WHERE id = $1"
        await sql.execute(statement, self.id, *changes.values())

    def note_by(self, note: Callable[[Changing], None]) -> None:
        """Tell `note` before it changes, until it is written."""
        self.__dict__["_note"] = note

    def remembered(self) -> dict[str, object]:
        """What `go_back` takes."""
        changes: dict[str, object] = self.__dict__.get("_changes", {})
        return {**self.__dict__, "_changes": dict(changes)}

    def go_back(self, state: dict[str, object]) -> None:
        """Restore what `remembered` returned."""
        self.__dict__.update(state)

    def forget_changes(self) -> None:
        """Nothing is to be written of it: it is inserted as it is."""
        self._taken()

    def write_to(self, changes: Changes) -> bool:
        """Have what has been put down written with `changes`; whether there was anything."""
        if not (columns := self._taken()):
            return False
        revision: int | None = getattr(self, self.REVISION) if self.REVISION else None
        changes.update(type(self), self.id, sql.encoded(type(self), columns), revision)
        if self.REVISION and revision is not None:
            setattr(self, self.REVISION, revision + 1)
        return True

    def _taken(self) -> dict[str, object]:
        self.__dict__.pop("_note", None)
        columns: dict[str, object] = self.__dict__.pop("_changes", {})
        return columns

    @classmethod
    async def outdated(cls, records: Sequence[Changing]) -> bool:
        """Whether another transaction has written one of these since it was read."""
        statement = f"SELECT id, {cls.REVISION} AS revision FROM {sql.table_of(cls)} WHERE "
        rows = await sql.fetch(statement + sql.any_of("id", 1), [one.id for one in records])
        now_at = {row["id"]: row["revision"] for row in rows}
        return any(now_at.get(one.id) != getattr(one, str(cls.REVISION)) for one in records)
