"""How much one execution may do: objects, and time.

`limits` has measured the document before; this holds where the data is more than it may be. The
clock is looked at with each object: an operation that is past its time ends there, although nothing
in it waits and no timer could ring. One that waits is ended by `Timeouts`.
"""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Self

from schema.engine.limits import LimitExceeded

if TYPE_CHECKING:
    from types import TracebackType


class Exhausted(LimitExceeded):
    """The whole operation has come to its end, whatever is left of it."""


def too_long(seconds_max: float) -> Exhausted:
    """Why a query was stopped that takes longer."""
    return Exhausted(f"The query took longer than {seconds_max:g} seconds.")


class Bounds:
    """Of one execution."""

    __slots__ = ("_deadline", "left", "objects_max", "seconds_max")

    def __init__(self, objects_max: int, seconds_max: float = inf) -> None:
        self.objects_max = objects_max
        self.seconds_max = seconds_max
        #: How many objects there may be yet.
        self.left = objects_max
        self._deadline = monotonic() + seconds_max

    def again(self) -> Bounds:
        """The same for the next event of a subscription."""
        return Bounds(self.objects_max, self.seconds_max)

    def count(self, objects: int) -> None:
        """Raises Exhausted where these are more than there may be, or time is up."""
        self.left -= objects
        if self.left < 0:
            raise Exhausted(f"The answer has too many objects: at most {self.objects_max}.")
        if monotonic() > self._deadline:
            raise too_long(self.seconds_max)


class Timeouts:
    """Ends what takes longer than so many seconds, as `asyncio.timeout` does, with one timer for
    all that is under way: `with timeouts.one(): …`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: What is under way, and when its time is up: all have as much, so the oldest come first.
        self._under_way: dict[Timeout, float] = {}

    def one(self) -> Timeout:
        """Of what the current task does next."""
        return Timeout(self)

    def begin(self, timeout: Timeout) -> None:
        """Its time begins."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._timer, self._under_way = loop, None, {}
        until = self._under_way[timeout] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(until, self._ring)

    def end(self, timeout: Timeout) -> None:
        """It is over. The timer may ring for nobody: it is not set anew for each."""
        self._under_way.pop(timeout, None)

    def _ring(self) -> None:
        assert self._loop is not None
        self._timer = None
        for timeout, until in list(self._under_way.items()):
            if until > self._loop.time():
                self._timer = self._loop.call_at(until, self._ring)
                return
            self.end(timeout)
            timeout.ring()


class Timeout:
    """Raises TimeoutError in its task when its time is up before it is left."""

    __slots__ = ("_cancelling", "_has_rung", "_task", "_timeouts")

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._has_rung = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._timeouts.begin(self)
        return self

    def ring(self) -> None:
        """Time is up."""
        self._has_rung = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timeouts.end(self)
        if self._has_rung:
            # As asyncio.timeout has it: who was canceled by somebody else as well, is canceled.
            is_ours = self._task.uncancel() <= self._cancelling
            if is_ours and kind is asyncio.CancelledError:
                raise TimeoutError from error
