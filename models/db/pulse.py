"""Whether the database takes what is written to it: something is."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import transaction

#: More than a page or two: a disk without room shows.
_BYTES: Final = 16_384
_LEFT_BEHIND: Final = timedelta(minutes=5)


class Pulse(Record):
    """Something that was written to see whether it can be."""

    filler = fields.TextField()

    class Meta:
        table = "pulse"


async def beat() -> None:
    """Write something and take it away again; raises what keeps it from being written."""
    row = {"id": new_id(), "created_at": now(), "filler": secrets.token_hex(_BYTES // 2)}
    await transaction(lambda: sql.insert("pulse", [row]))
    # Who ended in between has left its own.
    old = now() - _LEFT_BEHIND
    gone = "DELETE FROM pulse WHERE id = $1 OR created_at < $2"
    await transaction(lambda: sql.execute(gone, row["id"], old))
