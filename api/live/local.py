"""The live feed: what wakes subscriptions when something has been committed.

A wake is only a hint. Who is woken reads the database, and reads it from time to time unasked, so
a lost wake delays and never loses. What a topic is named stands where it is rung
(`transactions.ring`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, Self


class Bell(Protocol):
    """What a listener waits on."""

    async def wait(self, timeout_seconds: float) -> bool:
        """Returns when one of the topics was rung since the last wait (True), or too late."""
        ...


class LiveFeed(Protocol):
    """Rings bells by topic."""

    def ring(self, topics: set[str]) -> None:
        """Wake who listens to these. Neither blocks nor raises."""
        ...

    def listen(self, topics: Iterable[str]) -> AbstractAsyncContextManager[Bell]:
        """A bell for these topics; what is rung from now on is not missed."""
        ...

    @property
    def listeners(self) -> int:
        """How many are listening now."""
        ...

    @property
    def problem(self) -> str | None:
        """A sentence while wakes of other processes do not arrive; None otherwise."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


class _Bell:
    """However often it is rung between two waits, the next wait returns once."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()

    async def wait(self, timeout_seconds: float) -> bool:
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.rung.wait()
        except TimeoutError:
            return False
        self.rung.clear()
        return True


class LocalFeed:
    """The feed within one process. A bell is one event: nothing queues up for a slow listener."""

    def __init__(self) -> None:
        self._bells: dict[str, set[_Bell]] = {}
        self._listeners = 0

    @property
    def listeners(self) -> int:
        """See LiveFeed."""
        return self._listeners

    @property
    def problem(self) -> str | None:
        """There are no other processes."""
        return None

    def ring(self, topics: Iterable[str]) -> None:
        """See LiveFeed."""
        for topic in topics:
            for bell in self._bells.get(topic, ()):
                bell.rung.set()

    def ring_all(self) -> None:
        """Wake everybody: something may have been missed."""
        self.ring(list(self._bells))

    @asynccontextmanager
    async def listen(self, topics: Iterable[str]) -> AsyncIterator[Bell]:
        """See LiveFeed."""
        bell, topics = _Bell(), tuple(topics)
        self._listeners += 1
        for topic in topics:
            self._bells.setdefault(topic, set()).add(bell)
        try:
            yield bell
        finally:
            self._listeners -= 1
            for topic in topics:
                self._forget(topic, bell)

    def _forget(self, topic: str, bell: _Bell) -> None:
        bells = self._bells[topic]
        bells.discard(bell)
        if not bells:
            del self._bells[topic]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""
