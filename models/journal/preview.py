"""Previews: what a command would do now. It is read without a lock, decided on a journal that is
thrown away, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from models.access.identity import Actor
from models.db.record import new_id
from models.db.transactions import read_only
from models.journal.command import Command, Invocation
from models.journal.journal import Journal, Patience

F = TypeVar("F")
A = TypeVar("A")

#: What changes meanwhile is read again, and in the end from a snapshot of the database.
_LOOKS_MAX: Final = 3


async def preview(
    command: Command[F, Any, Any],
    by: Actor,
    decide: Callable[[F, Invocation[Any], Journal], A],
) -> A:
    """What `decide` makes of what `command` would be decided on, now: it calls the command's own
    `decide`, with what it is given. Raises what the command refuses.

    Every change of an account's money raises its balance's revision, so that what was read belongs
    together where that is still the same.
    """
    by.require_member(command.least_role)
    command.require(by)
    for _ in range(_LOOKS_MAX):
        found, asked, journal = await _looked(command, by)
        if await journal.is_current():
            return decide(found, asked, journal)
    return decide(*await read_only(lambda: _looked(command, by)))


async def _looked(command: Command[F, Any, Any], by: Actor) -> tuple[F, Invocation[Any], Journal]:
    asked: Invocation[Any] = Invocation(by, "", new_id(), None)
    journal = Journal(Patience.LOOKS)
    return await command.read(asked, journal), asked, journal
