"""Turns go round among those who wait: however many one has waiting, another's first comes soon."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from models.db import fair_queue
from models.db.caller import LANE, called_by, go_on, while_wanted
from models.db.fair_queue import FairQueue
from models.errors import TooManyAtOnce, TryAgain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class QueuedWork:
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
        async with self.queue.turn():
            self.order.append(caller)
            self.at_once[caller] += 1
            self.most |= self.at_once
            try:
                await self.free.acquire()
            finally:
                self.at_once[caller] -= 1

    async def let_go(self, count: int) -> None:
        for _ in range(count):
            self.free.release()
        await settled()


async def settled() -> None:
    """All that can go on without anybody's doing has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_caller_has_at_most_half_of_the_places_and_leaves_the_rest_free() -> None:
    work = QueuedWork(8)
    many = work.come("many", 50)
    await settled()
    assert (len(work.order), work.queue.waiting) == (4, 46)
    other = work.come("other")
    await settled()
    assert work.order[-1] == "other"
    await work.let_go(51)
    await asyncio.gather(*many, *other)
    assert work.most == {"many": 4, "other": 1}


async def test_the_lane_has_a_place_of_its_own_however_many_wait_in_theirs() -> None:
    work = QueuedWork(4, lane_has_place=True)
    others = [task for n in range(8) for task in work.come(f"caller {n}")]
    await settled()
    assert len(work.order) == 3, "one stays"
    batches = work.come(LANE, 2)
    await settled()
    assert work.order[3:] == [LANE], "its second waits like the others"
    await work.let_go(10)
    await asyncio.gather(*others, *batches)
    assert work.most[LANE] == 1
    alone = QueuedWork(1, lane_has_place=True)
    last = alone.come("somebody")
    await settled()
    assert alone.order == ["somebody"], "of a single one nothing can stay"
    await alone.let_go(1)
    await asyncio.gather(*last)


async def test_a_caller_whose_next_does_not_fit_stays_first_and_leaves_when_it_likes() -> None:
    queue = FairQueue(1)
    waiting = {}
    for caller in ("a", "b", "c"):
        with called_by(caller):
            waiting[caller] = asyncio.create_task(queue.wait_to_be_taken(caller))
    await settled()
    assert queue.take(1, lambda load: load != "a") == ["b"]
    with called_by("d"):
        waiting["d"] = asyncio.create_task(queue.wait_to_be_taken("d"))
    await settled()
    waiting["c"].cancel()
    await settled()
    assert queue.take(2, lambda _load: True) == ["a", "d"]
    assert not queue.has_unbatched
    await asyncio.gather(*waiting.values(), return_exceptions=True)
    assert queue.waiting == 0


async def test_at_a_single_writer_callers_take_turns_however_many_each_has_waiting() -> None:
    work = QueuedWork(1)
    tasks = work.come("a", 90)
    await settled()
    tasks += [*work.come("b", 3), *work.come("c", 1)]
    await settled()
    await work.let_go(94)
    await asyncio.gather(*tasks)
    assert work.order[:8] == ["a", "a", "b", "c", "a", "b", "a", "b"]
    assert Counter(work.order) == {"a": 90, "b": 3, "c": 1}


async def test_of_one_caller_the_first_to_come_is_the_first_served() -> None:
    queue, order = FairQueue(1), []

    async def work(n: int) -> None:
        async with queue.turn():
            order.append(n)

    async with queue.turn():
        tasks = [asyncio.create_task(work(n)) for n in range(20)]
        await settled()
    await asyncio.gather(*tasks)
    assert order == list(range(20))


async def test_a_turn_is_left_to_the_next_however_what_is_done_in_it_ends() -> None:
    queue = FairQueue(1)
    with pytest.raises(ValueError, match="no"):
        async with queue.turn():
            raise ValueError("no")
    async with queue.turn():
        pass
    assert queue._free == 1


async def test_the_hundred_and_first_that_waits_is_turned_away_and_only_that_callers() -> None:
    work = QueuedWork(1)
    tasks = work.come("many", 101)
    await settled()
    [beyond] = work.come("many")
    with pytest.raises(TooManyAtOnce):
        await beyond
    other = work.come("other")
    await settled()
    await work.let_go(2)
    assert work.order == ["many", "many", "other"]
    await work.let_go(100)
    await asyncio.gather(*tasks, *other)
    assert work.queue.waiting == 0


async def test_when_very_many_wait_each_caller_still_may_have_one_waiting() -> None:
    work = QueuedWork(1)
    tasks = [task for n in range(5) for task in work.come(f"crowd {n}", 100 + (n == 0))]
    await settled()
    assert work.queue.waiting == fair_queue.WAITING_MAX_OF_ALL
    tasks += work.come("somebody")
    await settled()
    [second] = work.come("somebody")
    with pytest.raises(TryAgain):
        await second
    await work.let_go(12)
    assert "somebody" in work.order
    await work.let_go(600)
    await asyncio.gather(*tasks)


async def test_while_nothing_moves_those_who_wait_are_told_to_try_again() -> None:
    work = QueuedWork(1, patience_seconds=0.01)
    first = work.come("a")
    await settled()
    for late in (*work.come("b"), *work.come("a")):
        with pytest.raises(TryAgain):
            await late
    assert (work.queue.waiting, work.order) == (0, ["a"])
    await work.let_go(1)
    await asyncio.gather(*first)
    await work.let_go(1)
    assert work.come("c")
    await settled()
    assert work.order == ["a", "c"]


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
    work, gone = QueuedWork(1), asyncio.Event()
    first = work.come("a")
    await settled()
    with while_wanted(gone.wait):
        [leaver] = work.come("leaver")
    last = work.come("b")
    await settled()
    goes: Awaitable[None] = _canceled(leaver) if how == "canceled" else _left(gone.set, leaver)
    await goes
    assert work.queue.waiting == 1
    await work.let_go(2)
    await asyncio.gather(*first, *last)
    assert work.order == ["a", "b"]


async def test_a_turn_that_comes_as_its_caller_is_canceled_goes_to_the_next() -> None:
    work = QueuedWork(1)
    first = work.come("a")
    await settled()
    [leaver], last = work.come("leaver"), work.come("b")
    await settled()
    work.free.release()
    await first[0]  # the leaver's turn has come, and it does not know yet
    await _canceled(leaver)
    await settled()
    assert work.order[-1] == "b"
    await work.let_go(1)
    await asyncio.gather(*last)


async def test_work_that_has_begun_waits_whoever_has_left_and_however_many_wait() -> None:
    work, gone = QueuedWork(1), asyncio.Event()
    tasks = work.come("a", 101)
    await settled()

    async def goes_on() -> None:
        go_on()
        await asyncio.gather(*work.come("a"))

    with while_wanted(gone.wait):
        begun = asyncio.create_task(goes_on())
    gone.set()
    await settled()
    assert work.queue.waiting == 101
    await work.let_go(102)
    await asyncio.gather(begun, *tasks)
    assert len(work.order) == 102
