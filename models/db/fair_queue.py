"""Fair turns at the database: nobody's work shuts out anybody else's.

A process writes to the database from a few places (PostgreSQL's connections for writing; SQLite
has one writer) and reads from a few others. Whoever needs a place says for whom (`called_by`,
`set_caller`), has at most half of them at once, and waits where there is none: places go round
among the callers who wait, one each in turn. So a caller with a thousand requests waits for their
own, and another's first waits for one round at most.

Waiting is bounded: by number, and by time where nothing moves. What is turned away has done nothing
and may be sent again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from models.errors import TooManyAtOnce, TryAgain

#: The caller of what nobody asked for: the worker, the command line.
SYSTEM: Final = "system"
#: How many of one caller may wait; what comes beyond is TooManyAtOnce.
WAITING_MAX: Final = 100
#: While so many wait in all, each caller may have one more: TryAgain.
WAITING_MAX_OF_ALL: Final = 500
#: How long anybody waits while no place becomes free, and in all.
STILL_SECONDS_MAX: Final = 2.0
WAITING_SECONDS_MAX: Final = 10.0

_caller: ContextVar[str] = ContextVar("caller", default=SYSTEM)
_bound: ContextVar[bool] = ContextVar("bound", default=False)
_left: ContextVar[Callable[[], Awaitable[object]] | None] = ContextVar("left", default=None)


@contextmanager
def called_by(caller: str) -> Iterator[None]:
    """What is done in here is done for `caller`."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


def set_caller(caller: str) -> None:
    """What this task does from here on is done for `caller`."""
    _caller.set(caller)


@contextmanager
def while_wanted(left: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """What is done in here stops waiting for its turn once `left()` returns: its caller is gone."""
    token = _left.set(left)
    try:
        yield
    finally:
        _left.reset(token)


def go_on() -> None:
    """What this task does belongs to work that has begun: it waits for its turn, however many wait,
    and whoever has left.
    """
    _bound.set(True)
    _left.set(None)


class FairQueue:
    """Places, and who waits for one. `patience_seconds` is for a queue that stands still.

    A queue that is not `bounded` in number is for what is bounded elsewhere, as reading is by the
    time that a query may take.
    """

    def __init__(
        self,
        places: int,
        *,
        bounded: bool = True,
        patience_seconds: float = STILL_SECONDS_MAX,
    ) -> None:
        self.places = places
        #: How many of them one caller may have.
        self.share = max(1, places // 2)
        self.bounded = bounded
        self.patience_seconds = patience_seconds
        #: How many wait.
        self.waiting = 0
        self._free = places
        self._held: Counter[str] = Counter()
        # In the order of their turns; within a caller first come, first served.
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[object] | None] = set()
        self._given_back = 0

    def is_waiting(self, task: asyncio.Task[object]) -> bool:
        """Whether that task waits here."""
        return task in self._tasks

    async def take(self) -> str:
        """Wait for a place; whose it is, for `give_back`. Raises TooManyAtOnce and TryAgain."""
        caller = _caller.get()
        # Whoever waits while a place is free has their share already.
        if self._free and self._held[caller] < self.share:
            self._give(caller)
        else:
            await self._wait(caller)
        return caller

    def give_back(self, caller: str) -> None:
        """Leave a place to the next."""
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._free += 1
        self._given_back += 1
        while self._free and (next_caller := self._next()) is not None:
            line = self._lines.pop(next_caller)
            line.popleft().set_result(None)
            if line:
                self._lines[next_caller] = line  # behind the others
            self._give(next_caller)

    def _give(self, caller: str) -> None:
        self._held[caller] += 1
        self._free -= 1

    def _next(self) -> str | None:
        """Whose turn it is, of those who have less than their share."""
        return next((one for one in self._lines if self._held[one] < self.share), None)

    async def _wait(self, caller: str) -> None:
        self._admit(caller)
        turn, task = asyncio.get_running_loop().create_future(), asyncio.current_task()
        self._lines.setdefault(caller, deque()).append(turn)
        self._tasks.add(task)
        self.waiting += 1
        try:
            await self._until(turn)
        except BaseException:
            if turn.done():
                self.give_back(caller)  # it came just now
            else:
                self._leave(caller, turn)
            raise
        finally:
            self.waiting -= 1
            self._tasks.discard(task)

    def _admit(self, caller: str) -> None:
        if not self.bounded or _bound.get():
            return
        mine = len(self._lines.get(caller, ()))
        if mine >= WAITING_MAX:
            raise TooManyAtOnce
        if mine and self.waiting >= WAITING_MAX_OF_ALL:
            raise TryAgain

    def _leave(self, caller: str, turn: asyncio.Future[None]) -> None:
        line = self._lines[caller]
        line.remove(turn)
        if not line:
            del self._lines[caller]

    async def _until(self, turn: asyncio.Future[None]) -> None:
        """Until it is this one's turn; raises TryAgain when the caller leaves, or nothing moves."""
        left = _left.get() if self.bounded else None
        leaving = None if left is None else asyncio.ensure_future(left())
        either: set[asyncio.Future[Any]] = {turn} if leaving is None else {turn, leaving}
        until = asyncio.get_running_loop().time() + WAITING_SECONDS_MAX
        try:
            while True:
                before = self._given_back
                await asyncio.wait(
                    either, timeout=self.patience_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if turn.done():
                    return
                stands_still = self._given_back == before
                late = not _bound.get() and asyncio.get_running_loop().time() >= until
                if (leaving is not None and leaving.done()) or stands_still or late:
                    raise TryAgain
        finally:
            if leaving is not None:
                leaving.cancel()
