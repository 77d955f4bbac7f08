"""Revocations: what ends the sockets and streams of credentials that hold no more.

A session may be signed out, a key revoked and a user disabled by any process, the command line
among them, with or without Redis. So each process that has something open looks for what was
revoked, once for all of it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from models.access.credential import revoked_since
from models.clock import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from models.access.identity import Actor

LOOK_SECONDS: Final = 0.4
#: Longer than a revocation takes to commit and clocks are apart. What is older still is found when
#: credentials are asked for again (`EdgeOptions.recheck_seconds`).
_BACK: Final = timedelta(seconds=10)

log = structlog.get_logger(__name__)


class Revocations:
    """Those of this process's callers; it looks while it is `running`."""

    def __init__(self) -> None:
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._anybody = asyncio.Event()

    async def of(self, actor: Actor | None) -> None:
        """Returns when the session, key or user of that caller was ended; for nobody, never."""
        ended = asyncio.Event()
        ids = {actor.session_id, actor.key_id, actor.user_id} - {None} if actor else set()
        for id in ids:
            self._waiting[id].add(ended)  # type: ignore[index]
        if ids:
            self._anybody.set()
        try:
            await ended.wait()
        finally:
            for id in ids:
                self._waiting[id].discard(ended)  # type: ignore[index]
                if not self._waiting[id]:  # type: ignore[index]
                    del self._waiting[id]  # type: ignore[arg-type]
            if not self._waiting:
                self._anybody.clear()

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
                revoked = await revoked_since(now() - _BACK)
            except Exception as error:  # noqa: BLE001 - a database that is away revokes nothing
                if not failing:
                    log.warning("revocations_not_read", error=type(error).__name__)
                failing = True
            else:
                failing = False
                self._end(revoked)
            await asyncio.sleep(LOOK_SECONDS)

    def _end(self, revoked: set[UUID]) -> None:
        for id in revoked.intersection(self._waiting):
            for ended in self._waiting[id]:
                ended.set()
