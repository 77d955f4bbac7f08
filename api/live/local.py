"""The live feed: what wakes subscriptions when something has been committed.

A wake is only a hint. Who is woken reads the database, and reads it from time to time unasked, so
a lost wake delays and never loses. What a topic is named stands where it is rung
(`transactions.ring`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, Self, TypeAlias

#: Is called with topics that rang; with None where any may have. Neither blocks nor raises.
Hearer: TypeAlias = Callable[[Collection[str] | None], None]


class LiveFeed(Protocol):
    """Tells who hears it what has been committed."""

    def ring(self, topics: Collection[str]) -> None:
        """Wake who listens to these. Neither blocks nor raises."""
        ...

    def hear(self, hearer: Hearer) -> None:
        """Call this for whatever rings from now on."""
        ...

    @property
    def problem(self) -> str | None:
        """A sentence while wakes of other processes do not arrive; None otherwise."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


class LocalFeed:
    """The feed within one process."""

    def __init__(self) -> None:
        self._hearers: list[Hearer] = []

    @property
    def problem(self) -> str | None:
        """There are no other processes."""
        return None

    def ring(self, topics: Collection[str] | None) -> None:
        """See LiveFeed. None is everybody: something may have been missed."""
        for hearer in self._hearers:
            hearer(topics)

    def hear(self, hearer: Hearer) -> None:
        """See LiveFeed."""
        self._hearers.append(hearer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""
