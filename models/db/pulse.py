"""The pulse: checks that the database can be written to, by writing a row."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record
from models.db.transactions import transaction

#: More than a page or two: a disk without room shows.
_BYTES: Final = 16_384
_LEFT_BEHIND: Final = timedelta(minutes=5)


class Pulse(Record):
    """A row written by the check."""

    filler = fields.TextField()

    class Meta:
        table = "pulse"


async def beat() -> None:
    """Write a row and delete it again; raises the error that prevents it."""
    pulse = Pulse(filler=secrets.token_hex(_BYTES // 2))
    await transaction(lambda: sql.add(pulse))
    # A process that ended in between has left its row.
    old = now() - _LEFT_BEHIND
    gone = "DELETE FROM pulse WHERE id = $1 OR created_at < $2"
    await transaction(lambda: sql.execute(gone, pulse.id, old))
