"""The worker: background jobs, each at its own interval.

Jobs are independent: one that fails is logged and tried again later, and the others go on. Any
number of workers may run at once, because every job claims its work in the database.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final, Self

import structlog

from models.errors import Busy

if TYPE_CHECKING:
    from api.observe.metrics import Metrics

_BACKOFF_SECONDS_MAX: Final = 300
_DRAIN_SECONDS: Final = 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Work to do every so often. `run` may return how much it did; `batch` is the most at once."""

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[object]]
    batch: int | None = None
    at_once: bool = True


class Scheduler:
    """Runs jobs until stopped: `async with Scheduler(jobs, metrics)`, or `await run(stop)`."""

    def __init__(self, jobs: Sequence[Job], metrics: Metrics) -> None:
        self._jobs = jobs
        self._metrics = metrics
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.run(self._stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        if self._running is not None:
            await self._running

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is under way is finished, within a time limit."""
        tasks = [asyncio.create_task(self._keep(job, stop), name=job.name) for job in self._jobs]
        log.info("worker_started", jobs=[job.name for job in self._jobs])
        await stop.wait()
        _, late = await asyncio.wait(tasks, timeout=_DRAIN_SECONDS)
        for task in late:
            log.warning("job_abandoned", job=task.get_name())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, job: Job, stop: asyncio.Event) -> None:
        failures = 0
        pause = 0.0 if job.at_once else _soon(job.every_seconds)
        while not await _stopped(stop, pause):
            done = await self._run(job)
            failures = failures + 1 if done is None else 0
            pause = _pause(job, done, failures)

    async def _run(self, job: Job) -> int | None:
        """How much was done; None where it failed."""
        started = perf_counter()
        try:
            done = await job.run()
        except Busy as busy:
            log.warning("job_put_off", job=job.name, code=busy.code)
            self._metrics.job(job.name, perf_counter() - started, ok=False)
            return None
        except Exception:
            log.exception("job_failed", job=job.name)
            self._metrics.job(job.name, perf_counter() - started, ok=False)
            return None
        self._metrics.job(job.name, perf_counter() - started, ok=True)
        count = done if isinstance(done, int) else 0
        if count:
            log.info("job_done", job=job.name, count=count)
        return count


def _pause(job: Job, done: int | None, failures: int) -> float:
    if done is None:
        return min(_soon(job.every_seconds) * (1 << min(failures, 8)), _BACKOFF_SECONDS_MAX)
    if job.batch is not None and done >= job.batch:
        return 0.0
    return _soon(job.every_seconds)


def _soon(seconds: float) -> float:
    """About that long: two workers that started together drift apart."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


async def _stopped(stop: asyncio.Event, pause: float) -> bool:
    try:
        async with asyncio.timeout(pause):
            await stop.wait()
    except TimeoutError:
        return stop.is_set()
    return True
