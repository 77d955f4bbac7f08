"""The processes that render: what waits for them, and how many documents each may have.

One pool serves all processes of a server (api.pdf.shared_pool), or lives in the only one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from api.pdf.frames import TEMPLATES
from api.pdf.process import PdfError, PdfUnavailable, RendererBusy, RenderProcess

if TYPE_CHECKING:
    from pathlib import Path

#: After a process could not start, how long until the next attempt.
RETRY_SECONDS: Final = 60
#: Long documents may take this many times as long as others.
LONG: Final = 12
#: How many long ones may wait: each keeps a process busy for a while.
LONG_MAX: Final = 8
CLOSING: Final = "The server is shutting down."
BUSY: Final = "Too many documents are being rendered; try again shortly."


class Pool(Protocol):
    """What renders, here or elsewhere, with these `templates`; one document may take
    `timeout_seconds`, a long one more (`seconds_allowed`).
    """

    timeout_seconds: float
    templates: Path

    @property
    def problem(self) -> str | None:
        """Why PDFs cannot be made and what to type; None when they can or when it starts."""

    def start(self) -> None:
        """Begins to work. Returns at once."""

    async def aclose(self) -> None:
        """Ends. Waiting callers get PdfUnavailable."""

    async def make(self, request: bytes, *, long: bool) -> bytes:
        """The PDF of one encoded document.

        Raises PdfUnavailable, RendererBusy, RenderTimeout or RenderFailed.
        """


def seconds_allowed(pool: Pool, *, long: bool) -> float:
    """How long the pool may render one document, in seconds."""
    return pool.timeout_seconds * (LONG if long else 1)


@dataclass(frozen=True, slots=True)
class _Job:
    request: bytes
    answer: asyncio.Future[bytes]
    timeout_seconds: float


class ProcessPool:
    """`processes` processes of this one's own; with two, one is the other's warm spare.

    `warm` starts them at once, in the background; otherwise with the first document. At most
    `queue_max` documents wait. Long documents leave one process to the others.
    """

    def __init__(
        self,
        *,
        processes: int = 2,
        warm: bool = True,
        queue_max: int = 32,
        timeout_seconds: float = 20,
        memory_bytes: int = 1 << 30,
        templates: Path = TEMPLATES,
    ) -> None:
        self._processes = processes
        self.timeout_seconds = timeout_seconds
        self._memory_bytes = memory_bytes
        self.templates = templates
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(queue_max)
        self._long = asyncio.Semaphore(max(1, processes - 1))
        self._long_waiting = 0
        self._starting = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._problem: str | None = None
        if warm:
            self._wanted.set()

    @property
    def problem(self) -> str | None:
        """See Pool."""
        return self._problem

    def start(self) -> None:
        """See Pool."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._processes)]

    async def aclose(self) -> None:
        """See Pool. It ends the processes."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._refuse_waiting(CLOSING)

    async def make(self, request: bytes, *, long: bool) -> bytes:
        """See Pool."""
        seconds_max = seconds_allowed(self, long=long)
        if not long:
            return await self._make(request, seconds_max)
        if self._long_waiting >= LONG_MAX:
            raise RendererBusy(BUSY)
        self._long_waiting += 1
        try:
            async with self._long:
                return await self._make(request, seconds_max)
        finally:
            self._long_waiting -= 1

    async def _make(self, request: bytes, timeout_seconds: float) -> bytes:
        if self._problem or not self._tasks:
            raise PdfUnavailable(self._problem or CLOSING)
        job = _Job(request, asyncio.get_running_loop().create_future(), timeout_seconds)
        self._put(job)
        self._wanted.set()
        made: bytes = await job.answer
        return made

    def _put(self, job: _Job) -> None:
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            job.answer.set_exception(RendererBusy(BUSY))

    async def _work(self) -> None:
        """Keeps one process, replaces it when it dies, and hands it what waits."""
        await self._wanted.wait()
        while True:
            process = await self._start_process()
            try:
                while process.alive:
                    await self._serve(process, await self._queue.get())
            finally:
                await process.aclose()

    async def _serve(self, process: RenderProcess, job: _Job) -> None:
        if not process.alive:  # it was killed with nothing to do, which is not the document's fault
            self._put(job)
            return
        try:
            job.answer.set_result(await process.render(job.request, job.timeout_seconds))
        except PdfError as error:
            job.answer.set_exception(error)
        except asyncio.CancelledError:
            job.answer.set_exception(PdfUnavailable(CLOSING))
            raise

    async def _start_process(self) -> RenderProcess:
        """A ready process, however long that takes; one is started at a time."""
        async with self._starting:
            while True:
                try:
                    process = await RenderProcess.start(
                        memory_bytes=self._memory_bytes, templates=self.templates
                    )
                except PdfUnavailable as error:
                    self._problem = str(error)
                    self._refuse_waiting(self._problem)
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._problem = None
                    return process

    def _refuse_waiting(self, why: str) -> None:
        while not self._queue.empty():
            self._queue.get_nowait().answer.set_exception(PdfUnavailable(why))
