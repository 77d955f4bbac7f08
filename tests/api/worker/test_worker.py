"""The worker: jobs at their own pace, none of which can stop the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from api.observe.metrics import Metrics
from api.worker import scheduler
from api.worker.scheduler import Job, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = 5.0
OFTEN = 0.001


class Counted:
    """Work that counts itself."""

    def __init__(self, outcome: Callable[[int], int] = lambda _: 0) -> None:
        self.runs = 0
        self.outcome = outcome
        self.enough: dict[int, asyncio.Event] = {}

    async def __call__(self) -> int:
        self.runs += 1
        for runs, event in self.enough.items():
            if self.runs >= runs:
                event.set()
        return self.outcome(self.runs)

    async def ran(self, runs: int) -> None:
        event = self.enough.setdefault(runs, asyncio.Event())
        if self.runs < runs:
            await asyncio.wait_for(event.wait(), SOON)


def broken(_run: int) -> int:
    raise RuntimeError("out of order")


async def test_a_job_runs_again_and_again() -> None:
    work = Counted()
    async with Scheduler([Job("work", OFTEN, work)], Metrics()):
        await work.ran(3)


async def test_a_failing_job_is_tried_again_and_disturbs_no_other() -> None:
    bad, good, metrics = Counted(broken), Counted(), Metrics()
    async with Scheduler([Job("bad", OFTEN, bad), Job("good", OFTEN, good)], metrics):
        await bad.ran(3)
        await good.ran(3)
    assert b'outcome="failed"' in metrics.text()


async def test_a_failing_job_waits_longer_each_time() -> None:
    job = Job("bad", 10, Counted(broken))
    pauses = [scheduler._pause(job, None, failures) for failures in range(1, 12)]
    assert pauses[0] < pauses[3]
    assert max(pauses) == scheduler._BACKOFF_SECONDS_MAX


async def test_a_full_batch_is_followed_at_once() -> None:
    work = Counted(lambda run: 100 if run < 3 else 7)
    async with Scheduler([Job("work", 3600, work, batch=100)], Metrics()):
        await work.ran(3)
    assert work.runs == 3


async def test_a_job_that_can_wait_does_not_run_at_the_start() -> None:
    later, now = Counted(), Counted()
    jobs = [Job("later", 3600, later, at_once=False), Job("now", OFTEN, now)]
    async with Scheduler(jobs, Metrics()):
        await now.ran(2)
    assert later.runs == 0


async def test_stopping_waits_for_what_is_under_way() -> None:
    begun, finish, done = asyncio.Event(), asyncio.Event(), []

    async def slow() -> None:
        begun.set()
        await finish.wait()
        done.append("whole")

    stop = asyncio.Event()
    running = asyncio.create_task(Scheduler([Job("slow", 1, slow)], Metrics()).run(stop))
    await begun.wait()
    stop.set()
    finish.set()
    await asyncio.wait_for(running, SOON)
    assert done == ["whole"]


async def test_stopping_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_DRAIN_SECONDS", 0.01)
    begun, stop = asyncio.Event(), asyncio.Event()

    async def stuck() -> None:
        begun.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(Scheduler([Job("stuck", 1, stuck)], Metrics()).run(stop))
    await begun.wait()
    stop.set()
    await asyncio.wait_for(running, SOON)
