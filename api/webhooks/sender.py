"""The sender: keeps what is due going out, with a lane or several for each endpoint.

A lane sends to one endpoint, one message after the other, and ends where nothing is due. Each
endpoint has one before any has more, and half of all lanes are for that. Where there are more
endpoints than lanes, a lane ends after its message, and the next is for whoever has waited longest.
So an endpoint that is slow, or has much waiting, keeps its own lanes busy and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from models.errors import Busy
from models.partners import sending
from models.partners.attempt import LANES_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from models.partners.attempt import Caller
    from models.partners.message import Answers

_DRAIN_SECONDS: Final = 18

log = structlog.get_logger(__name__)


class Sender:
    """Sends what is due, as often as `start_due` is called."""

    def __init__(self, caller: Caller, answers: Answers, lanes_max: int = LANES_MAX) -> None:
        self._caller = caller
        self._answers = answers
        self._lanes_max = lanes_max
        self._lanes: Counter[UUID] = Counter()
        #: In which round each endpoint that is due was given its last lane.
        self._served: dict[UUID, int] = {}
        self._round = 0
        self._crowded = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end nothing new is begun, and what is under way ends within a time limit; what
        does not is sent again by another worker.
        """
        self._stopping = False
        try:
            yield
        finally:
            self._stopping = True
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=_DRAIN_SECONDS)
                for task in late:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def under_way(self) -> int:
        """How many lanes there are."""
        return len(self._tasks)

    async def start_due(self) -> int:
        """Begin with whatever is due; how many lanes were opened. It does not wait for them."""
        await sending.disable_ended()
        self._round += 1
        due = await sending.due()
        self._served = {one: self._served.get(one, 0) for one in due}
        before = len(self._tasks)
        for endpoint_id in sorted(due, key=self._served.__getitem__):
            if not self._lanes[endpoint_id] and self._has_room(self._lanes_max):
                self._open(endpoint_id)
        self._crowded = any(not self._lanes[one] for one in due)
        for _ in range(sending.AT_ONCE - 1):
            for endpoint_id in due:
                is_open = 0 < self._lanes[endpoint_id] < sending.AT_ONCE
                if is_open and self._has_room(self._lanes_max // 2):
                    self._open(endpoint_id)
        return len(self._tasks) - before

    async def drained(self) -> None:
        """Wait until all that was begun has ended."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _has_room(self, most: int) -> bool:
        return not self._stopping and len(self._tasks) < most

    def _open(self, endpoint_id: UUID) -> None:
        self._served[endpoint_id] = self._round
        self._lanes[endpoint_id] += 1
        task = asyncio.create_task(self._keep(endpoint_id))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._close(endpoint_id, done))

    def _close(self, endpoint_id: UUID, done: asyncio.Task[None]) -> None:
        self._tasks.discard(done)
        self._lanes[endpoint_id] -= 1
        if not self._lanes[endpoint_id]:
            del self._lanes[endpoint_id]

    async def _keep(self, endpoint_id: UUID) -> None:
        try:
            while not self._stopping and await sending.send_next(
                endpoint_id, self._caller, self._answers
            ):
                if self._crowded:
                    break
        except Busy as busy:
            log.warning("webhooks_put_off", code=busy.code)
        except Exception:
            # What was claimed is due again when its lease ends.
            log.exception("webhooks_failed")
