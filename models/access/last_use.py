"""When sessions and API keys were last used: noted beside the requests, and written together.

It is written as of then, so some seconds late at most.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from models.clock import now
from models.db import sql, tasks
from models.db.transactions import begin_aside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

#: How long uses are gathered for.
_GATHER_SECONDS: Final = 5.0
_ROWS_MAX: Final = 1000


class LastUse:
    """Of the rows of one table, in one of its columns."""

    def __init__(self, table: str, column: str) -> None:
        self._update = f"UPDATE {table} SET {column} = $1 WHERE id IN"
        self._noted: set[UUID] = set()

    def note(self, id: UUID) -> None:
        """It is used now; written once, however often that is said meanwhile."""
        self._noted.add(id)
        tasks.later(_GATHER_SECONDS, self._begin)

    def _begin(self) -> None:
        ids = sorted(self._noted)
        for start in range(0, len(ids), _ROWS_MAX):
            some = ids[start : start + _ROWS_MAX]
            task = begin_aside(partial(self._write, some))
            # Until then requests still read the old moment, and note it again.
            task.add_done_callback(partial(self._forget, some))

    async def _write(self, ids: Sequence[UUID]) -> None:
        places = sql.placeholders(len(ids), 2)
        await sql.execute(f"{self._update} ({places})", now(), *ids)

    def _forget(self, ids: Sequence[UUID], _task: object) -> None:
        self._noted.difference_update(ids)
