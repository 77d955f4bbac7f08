"""Closes websockets and streams whose credentials are no longer valid.

A session may be signed out, a key revoked and a user disabled by any process, the command line
among them, with or without Redis; and a user may switch to another account, or get another role in
theirs. So each process with open connections polls for revocations and for changed rights, with
one query each for all of them, and for expiry; and from time to time it re-checks all credentials,
many at once.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from models.access.credential import changed_since, holding, revoked_since
from models.clock import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from models.access.identity import Actor

LOOK_SECONDS: Final = 0.4
#: How often credentials are re-checked although no revocation was found.
RECHECK_SECONDS: Final = 60.0
#: Must exceed commit time plus clock skew. Older revocations are found by the re-check.
_BACK: Final = timedelta(seconds=10)
_RECHECKED_AT_ONCE: Final = 500

log = structlog.get_logger(__name__)


class Watched:
    """An open connection, until its credential is no longer valid or it is closed."""

    __slots__ = ("actor", "checked_at", "ended")

    def __init__(self, actor: Actor, ended: Callable[[], None]) -> None:
        self.actor = actor
        self.ended = ended
        self.checked_at = monotonic()


class Revocations:
    """Those of this process's callers; it looks while it is `running`."""

    def __init__(self) -> None:
        #: By the ids of sessions, keys and users.
        self._by_id: dict[UUID, tuple[Watched, ...]] = {}
        #: Least recently checked first.
        self._by_age: dict[Watched, None] = {}
        self._running_out: list[tuple[datetime, int, Watched]] = []
        self._numbers = count()
        self._anybody = asyncio.Event()

    def call_when_revoked(
        self, actor: Actor | None, ended: Callable[[], None]
    ) -> Callable[[], None]:
        """Call `ended`, once, when the caller's session, key or user is no longer valid; never for
        an anonymous caller. Returns a function that unregisters it.
        """
        if actor is None:
            return _nothing
        watched = Watched(actor, ended)
        self._by_age[watched] = None
        for id in _ids(actor):
            self._by_id[id] = (*self._by_id.get(id, ()), watched)
        if actor.expires_at is not None:
            heapq.heappush(self._running_out, (actor.expires_at, next(self._numbers), watched))
        self._anybody.set()
        return lambda: self._forget(watched)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look, as long as the block runs."""
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        failing = False
        while True:
            await self._anybody.wait()
            try:
                self._end(self._run_out())
                self._end(self._of(await revoked_since(now() - _BACK)))
                changed = self._of(await changed_since(now() - _BACK))
                # They may have been opened after the change.
                self._end(await _no_longer_good(changed))
                self._end(await self._due())
            except Exception as error:  # noqa: BLE001 - a database that is away revokes nothing
                if not failing:
                    log.warning("revocations_not_read", error=type(error).__name__)
                failing = True
            else:
                failing = False
            await asyncio.sleep(LOOK_SECONDS)

    def _run_out(self) -> list[Watched]:
        over = []
        moment = now()
        while self._running_out and self._running_out[0][0] <= moment:
            over.append(heapq.heappop(self._running_out)[2])
        return over

    def _of(self, revoked: set[UUID]) -> list[Watched]:
        found = revoked & self._by_id.keys()
        return [watched for id in found for watched in self._by_id[id]]

    async def _due(self) -> list[Watched]:
        """Of those due for a re-check, the ones no longer valid."""
        before = monotonic() - RECHECK_SECONDS
        some: list[Watched] = []
        for watched in self._by_age:
            if watched.checked_at > before or len(some) == _RECHECKED_AT_ONCE:
                break
            some.append(watched)
        if not some:
            return []
        over = await _no_longer_good(some)
        for watched in some:
            if watched in self._by_age:  # it may have been closed meanwhile
                del self._by_age[watched]
                self._by_age[watched] = None
                watched.checked_at = monotonic()
        return over

    def _end(self, over: Iterable[Watched]) -> None:
        for watched in over:
            if watched in self._by_age:
                self._forget(watched)
                watched.ended()

    def _forget(self, watched: Watched) -> None:
        if watched not in self._by_age:
            return
        del self._by_age[watched]
        for id in _ids(watched.actor):
            rest = tuple(one for one in self._by_id[id] if one is not watched)
            if rest:
                self._by_id[id] = rest
            else:
                del self._by_id[id]
        if not self._by_age:
            self._anybody.clear()
            self._running_out.clear()
        elif len(self._running_out) > 2 * len(self._by_age):
            left = [entry for entry in self._running_out if entry[2] in self._by_age]
            heapq.heapify(left)
            self._running_out = left


async def _no_longer_good(some: Collection[Watched]) -> list[Watched]:
    """Those whose credential gives something else now, or nothing."""
    if not some:
        return []
    good = await holding({watched.actor for watched in some})
    return [watched for watched in some if watched.actor not in good]


def _ids(actor: Actor) -> list[UUID]:
    ids = (actor.session_id, actor.key_id, actor.user_id)
    return [id for id in ids if id is not None]


def _nothing() -> None:
    """Anonymous callers have no credential to revoke."""
