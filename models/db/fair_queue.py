"""Fair turns at the database: no caller's work starves another's.

A process writes to the database in a few places (PostgreSQL's connections for writing; SQLite has
one writer) and reads in a few others. Each caller of work (models.db.caller) may hold at most half
of the places, and waits while none is free: places are given to the waiting callers round-robin. So
a caller with a thousand requests waits for their own, and another caller's first request waits for
one round at most.

Small work needs no place of its own: it waits likewise until it is taken (`wait_to_be_taken`), and
the holder of one place takes many at once (`take`), again round-robin.

Waiting is bounded: by number, and by time without progress. Work that is turned away has done
nothing and may be sent again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from models.db.caller import BESIDE, LANE, current_caller, disconnected, has_begun
from models.errors import TooManyAtOnce, TryAgain

#: Callers that wait for others, who are counted.
_FOR_OTHERS: Final = frozenset({LANE, BESIDE})
#: How many of one caller may wait; what comes beyond is TooManyAtOnce.
WAITING_MAX: Final = 100
#: While so many wait in all, each caller may have one more: TryAgain.
WAITING_MAX_OF_ALL: Final = 500
#: How long a caller waits without progress of the queue, and in all.
STILL_SECONDS_MAX: Final = 2.0
WAITING_SECONDS_MAX: Final = 10.0

#: After this, check whether the caller has disconnected: most have had their turn by then.
_SOON_SECONDS: Final = 0.02


@dataclass(eq=False, slots=True)
class _Waiting:
    """One waiter for a `turn`, with the work to be taken then, if any."""

    turn: asyncio.Future[None]
    load: Any = None


#: By caller, in the order of their turns; within a caller first come, first served.
_Queues = dict[str, deque[_Waiting]]


class FairQueue:
    """Places and their waiters. `patience_seconds` bounds waiting without progress.

    With `lane_has_place` one of several places is reserved for the lane, which never waits for row
    locks: transactions that do must not hold up the others.

    A queue that is not `bounded` in number is for what is bounded elsewhere, as reading is by the
    time that a query may take.
    """

    def __init__(
        self,
        places: int,
        *,
        bounded: bool = True,
        patience_seconds: float = STILL_SECONDS_MAX,
        lane_has_place: bool = False,
    ) -> None:
        self.places = places
        self._kept = int(lane_has_place and places > 1)
        #: How many of them one caller may have.
        self.share = max(1, places // 2)
        self.bounded = bounded
        self.patience_seconds = patience_seconds
        #: How many wait.
        self.waiting = 0
        self._free = places
        self._held: Counter[str] = Counter()
        self._queues: _Queues = {}
        self._unbatched: _Queues = {}
        #: Whether a lane runs that takes the unbatched.
        self.is_served = False
        #: The last batch's size, for the next lane.
        self.batch_size = 0
        self._tasks: set[asyncio.Task[object] | None] = set()
        self._given_back = 0

    def is_waiting(self, task: asyncio.Task[object]) -> bool:
        """Whether that task waits here."""
        return task in self._tasks

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place, and have it in here. Raises TooManyAtOnce and TryAgain."""
        caller = current_caller()
        # A caller that waits while a place is free has its share already.
        if self._has_place(caller):
            self._give(caller)
        else:
            await self._wait_for_place(caller)
        try:
            yield
        finally:
            self._leave_to_the_next(caller)

    @property
    def has_unbatched(self) -> bool:
        """Whether anything waits to be taken."""
        return bool(self._unbatched)

    async def wait_to_be_taken(self, load: object) -> None:
        """Wait until `load` is taken. Raises TooManyAtOnce and TryAgain."""
        await self._wait(current_caller(), self._unbatched, load)

    def take(self, most: int, fits: Callable[[Any], bool]) -> list[Any]:
        """Take up to `most` of those that wait, one of each caller in turn; a caller whose
        next does not fit beside what has been taken stays for this time.
        """
        taken: list[Any] = []
        staying: _Queues = {}
        while self._unbatched and len(taken) < most:
            caller = next(iter(self._unbatched))
            queue = self._unbatched.pop(caller)
            if not fits(queue[0].load):
                staying[caller] = queue
                continue
            one = queue.popleft()
            one.turn.set_result(None)
            taken.append(one.load)
            if queue:
                self._unbatched[caller] = queue  # behind the others
        others = dict(self._unbatched)
        # Each waiter looks itself up in this very dictionary.
        self._unbatched.clear()
        self._unbatched.update(staying | others)
        return taken

    def _leave_to_the_next(self, caller: str) -> None:
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._free += 1
        self._given_back += 1
        while (next_caller := self._next()) is not None:
            queue = self._queues.pop(next_caller)
            queue.popleft().turn.set_result(None)
            if queue:
                self._queues[next_caller] = queue  # behind the others
            self._give(next_caller)

    def _give(self, caller: str) -> None:
        self._held[caller] += 1
        self._free -= 1

    def _next(self) -> str | None:
        """Whose turn it is."""
        return next(filter(self._has_place, self._queues), None)

    def _has_place(self, caller: str) -> bool:
        """Whether there is a place for it, and it has less than its share."""
        kept = 0 if caller == LANE or self._held[LANE] else self._kept
        return self._free > kept and self._held[caller] < self.share

    async def _wait_for_place(self, caller: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        try:
            await self._wait(caller, self._queues, turn=turn)
        except BaseException:
            if turn.done():
                self._leave_to_the_next(caller)  # it came just now
            raise

    async def _wait(
        self,
        caller: str,
        queues: _Queues,
        load: object = None,
        turn: asyncio.Future[None] | None = None,
    ) -> None:
        self._admit(caller)
        waiting = _Waiting(turn or asyncio.get_running_loop().create_future(), load)
        task = asyncio.current_task()
        queues.setdefault(caller, deque()).append(waiting)
        self._tasks.add(task)
        self.waiting += caller not in _FOR_OTHERS
        try:
            await self._until(waiting.turn)
        finally:
            if not waiting.turn.done():
                _leave(queues, caller, waiting)
            self.waiting -= caller not in _FOR_OTHERS
            self._tasks.discard(task)

    def _admit(self, caller: str) -> None:
        if not self.bounded or has_begun():
            return
        mine = sum(len(queues.get(caller, ())) for queues in (self._queues, self._unbatched))
        if mine >= WAITING_MAX:
            raise TooManyAtOnce
        if mine and self.waiting >= WAITING_MAX_OF_ALL:
            raise TryAgain

    async def _until(self, turn: asyncio.Future[None]) -> None:
        """Until it is this one's turn; raises TryAgain when the caller leaves, or nothing moves."""
        await asyncio.wait((turn,), timeout=_SOON_SECONDS)
        if turn.done():
            return
        left = disconnected() if self.bounded else None
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
                late = not has_begun() and asyncio.get_running_loop().time() >= until
                if (leaving is not None and leaving.done()) or stands_still or late:
                    raise TryAgain
        finally:
            if leaving is not None:
                leaving.cancel()


def _leave(queues: _Queues, caller: str, waiting: _Waiting) -> None:
    queue = queues[caller]
    queue.remove(waiting)
    if not queue:
        del queues[caller]
