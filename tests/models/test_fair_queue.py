"""Turns go round among those who wait: however many one has waiting, another's first comes soon."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from models.db import fair_queue
from models.db.fair_queue import FairQueue, called_by
from models.errors import TooManyAtOnce, TryAgain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Ward:
    """Work at a queue that goes on until it is let go; the order in which it got its turns."""

    def __init__(self, places: int, **how: float) -> None:
        self.queue = FairQueue(places, **how)  # type: ignore[arg-type]
        self.order: list[str] = []
        self.at_once: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.free = asyncio.Semaphore(0)

    def come(self, caller: str, count: int = 1) -> list[asyncio.Task[None]]:
        with called_by(caller):
            return [asyncio.create_task(self._work(caller)) for _ in range(count)]

    async def _work(self, caller: str) -> None:
        held = await self.queue.take()
        self.order.append(caller)
        self.at_once[caller] += 1
        self.most |= self.at_once
        try:
            await self.free.acquire()
        finally:
            self.at_once[caller] -= 1
            self.queue.give_back(held)

    async def let_go(self, count: int) -> None:
        for _ in range(count):
            self.free.release()
        await settled()


async def settled() -> None:
    """All that can go on without anybody's doing has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_caller_has_at_most_half_of_the_places_and_leaves_the_rest_free() -> None:
    ward = Ward(8)
    many = ward.come("many", 50)
    await settled()
    assert (len(ward.order), ward.queue.waiting) == (4, 46)
    other = ward.come("other")
    await settled()
    assert ward.order[-1] == "other"
    await ward.let_go(51)
    await asyncio.gather(*many, *other)
    assert ward.most == {"many": 4, "other": 1}


async def test_at_a_single_writer_callers_take_turns_however_many_each_has_waiting() -> None:
    ward = Ward(1)
    tasks = ward.come("a", 90)
    await settled()
    tasks += [*ward.come("b", 3), *ward.come("c", 1)]
    await settled()
    await ward.let_go(94)
    await asyncio.gather(*tasks)
    assert ward.order[:8] == ["a", "a", "b", "c", "a", "b", "a", "b"]
    assert Counter(ward.order) == {"a": 90, "b": 3, "c": 1}


async def test_of_one_caller_the_first_to_come_is_the_first_served() -> None:
    queue, order = FairQueue(1), []
    held = await queue.take()

    async def work(n: int) -> None:
        mine = await queue.take()
        order.append(n)
        queue.give_back(mine)

    tasks = [asyncio.create_task(work(n)) for n in range(20)]
    await settled()
    queue.give_back(held)
    await asyncio.gather(*tasks)
    assert order == list(range(20))


async def test_the_hundred_and_first_that_waits_is_turned_away_and_only_that_callers() -> None:
    ward = Ward(1)
    tasks = ward.come("many", 101)
    await settled()
    [beyond] = ward.come("many")
    with pytest.raises(TooManyAtOnce):
        await beyond
    other = ward.come("other")
    await settled()
    await ward.let_go(2)
    assert ward.order == ["many", "many", "other"]
    await ward.let_go(100)
    await asyncio.gather(*tasks, *other)
    assert ward.queue.waiting == 0


async def test_when_very_many_wait_each_caller_still_may_have_one_waiting() -> None:
    ward = Ward(1)
    tasks = [task for n in range(5) for task in ward.come(f"crowd {n}", 100 + (n == 0))]
    await settled()
    assert ward.queue.waiting == fair_queue.WAITING_MAX_OF_ALL
    tasks += ward.come("somebody")
    await settled()
    [second] = ward.come("somebody")
    with pytest.raises(TryAgain):
        await second
    await ward.let_go(12)
    assert "somebody" in ward.order
    await ward.let_go(600)
    await asyncio.gather(*tasks)


async def test_while_nothing_moves_those_who_wait_are_told_to_try_again() -> None:
    ward = Ward(1, patience_seconds=0.01)
    first = ward.come("a")
    await settled()
    for late in (*ward.come("b"), *ward.come("a")):
        with pytest.raises(TryAgain):
            await late
    assert (ward.queue.waiting, ward.order) == (0, ["a"])
    await ward.let_go(1)
    await asyncio.gather(*first)
    await ward.let_go(1)
    assert ward.come("c")
    await settled()
    assert ward.order == ["a", "c"]


async def _canceled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _left(gone: Callable[[], None], task: asyncio.Task[None]) -> None:
    gone()
    with pytest.raises(TryAgain):
        await task


@pytest.mark.parametrize("how", ["canceled", "left"])
async def test_who_goes_away_leaves_the_queue_and_takes_no_turn(how: str) -> None:
    ward, gone = Ward(1), asyncio.Event()
    first = ward.come("a")
    await settled()
    with fair_queue.while_wanted(gone.wait):
        [leaver] = ward.come("leaver")
    last = ward.come("b")
    await settled()
    goes: Awaitable[None] = _canceled(leaver) if how == "canceled" else _left(gone.set, leaver)
    await goes
    assert ward.queue.waiting == 1
    await ward.let_go(2)
    await asyncio.gather(*first, *last)
    assert ward.order == ["a", "b"]


async def test_a_turn_that_comes_as_its_caller_is_canceled_goes_to_the_next() -> None:
    ward = Ward(1)
    first = ward.come("a")
    await settled()
    [leaver], last = ward.come("leaver"), ward.come("b")
    await settled()
    ward.free.release()
    await first[0]  # the leaver's turn has come, and it does not know yet
    await _canceled(leaver)
    await settled()
    assert ward.order[-1] == "b"
    await ward.let_go(1)
    await asyncio.gather(*last)


async def test_work_that_has_begun_waits_whoever_has_left_and_however_many_wait() -> None:
    ward, gone = Ward(1), asyncio.Event()
    tasks = ward.come("a", 101)
    await settled()

    async def goes_on() -> None:
        fair_queue.go_on()
        await asyncio.gather(*ward.come("a"))

    with fair_queue.while_wanted(gone.wait):
        begun = asyncio.create_task(goes_on())
    gone.set()
    await settled()
    assert ward.queue.waiting == 101
    await ward.let_go(102)
    await asyncio.gather(begun, *tasks)
    assert len(ward.order) == 102
