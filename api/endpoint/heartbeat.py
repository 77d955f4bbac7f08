"""One timer for the heartbeats of all connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from asyncio import TimerHandle

#: Beats due within 1 % of the interval are sent together.
_TURNS: Final = 100


class Beating(Protocol):
    """Whatever has a heartbeat."""

    def beat(self) -> None:
        """It is time. Neither blocks nor raises."""


class Heartbeats:
    """Each of its members beats every so many seconds, beginning a while after it was added."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        #: When each is due: the one that has waited for longest first.
        self._due: dict[Beating, float] = {}
        self._timer: TimerHandle | None = None

    def add(self, member: Beating) -> None:
        """It beats from now on."""
        self._due[member] = asyncio.get_running_loop().time() + self.seconds
        if self._timer is None:
            self._wait(self.seconds)

    def discard(self, member: Beating) -> None:
        """Stop its beats."""
        self._due.pop(member, None)
        if self._timer is not None and not self._due:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        soon = now + self.seconds / _TURNS
        due = []
        for member, moment in self._due.items():
            if moment > soon:
                break
            due.append(member)
        for member in due:
            del self._due[member]
            self._due[member] = now + self.seconds
        if self._due:
            self._wait(max(next(iter(self._due.values())) - now, self.seconds / _TURNS))
        for member in due:
            if member in self._due:  # another's beat may have ended it
                member.beat()
