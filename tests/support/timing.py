"""How long answers take that must be alike."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from models.db import sql

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


async def assert_alike(asks: Mapping[str, Callable[[int], Awaitable[object]]], rounds: int) -> None:
    """Medians of interleaved requests: what differs by less than their own spread is no signal.

    Each is asked once before, so that nobody pays for what the first one finds cold.
    """
    times: dict[str, list[float]] = {who: [] for who in asks}
    for turn in range(-1, rounds):
        for who, ask in asks.items():
            await sql.execute("DELETE FROM attempt")
            started = perf_counter()
            await ask(turn)
            if turn >= 0:
                times[who].append(perf_counter() - started)
    typical = {who: median(each) for who, each in times.items()}
    assert max(typical.values()) < 1.5 * min(typical.values()) + 0.002, typical
