"""How much one execution may do: objects, and time.

`limits` has measured the document before; this holds where the data is more than it may be. The
clock is looked at with each object: an operation that is past its time ends there, although nothing
in it waits and no timer could ring.
"""

from __future__ import annotations

from math import inf
from time import monotonic

from schema.engine.limits import LimitExceeded


class Exhausted(LimitExceeded):
    """The whole operation has come to its end, whatever is left of it."""


def too_long(seconds_max: float) -> Exhausted:
    """Why a query was stopped that takes longer."""
    return Exhausted(f"The query took longer than {seconds_max:g} seconds.")


class Bounds:
    """Of one execution."""

    __slots__ = ("_deadline", "_left", "objects_max", "seconds_max")

    def __init__(self, objects_max: int, seconds_max: float = inf) -> None:
        self.objects_max = objects_max
        self.seconds_max = seconds_max
        self._left = objects_max
        self._deadline = monotonic() + seconds_max

    def again(self) -> Bounds:
        """The same for the next event of a subscription."""
        return Bounds(self.objects_max, self.seconds_max)

    def count(self, objects: int) -> None:
        """Raises Exhausted where these are more than there may be, or time is up."""
        self._left -= objects
        if self._left < 0:
            raise Exhausted(f"The answer has too many objects: at most {self.objects_max}.")
        if monotonic() > self._deadline:
            raise too_long(self.seconds_max)
