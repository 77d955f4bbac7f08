"""Invoices as PDF: a document in, bytes out, rendered in processes of their own.

A long invoice costs seconds of CPU, and WeasyPrint is a large program that reads what clients
wrote; so it runs in processes with limits on time and memory. Each document is rendered once: who
asks for the same one meanwhile waits for the same bytes, who asks later gets them from memory.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Self

from api.pdf_document import Document, PaymentLine, document_of
from api.pdf_frames import TEMPLATES
from api.pdf_process import (
    PdfError,
    PdfUnavailable,
    RendererBusy,
    RenderFailed,
    RenderProcess,
    RenderTimeout,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Document",
    "PaymentLine",
    "PdfError",
    "PdfRenderer",
    "PdfUnavailable",
    "RenderFailed",
    "RenderTimeout",
    "RenderedPdf",
    "RendererBusy",
    "document_of",
]

#: After a process could not start, how long until the next attempt.
RETRY_SECONDS: Final = 60
CLOSING: Final = "The server is shutting down."


@dataclass(frozen=True, slots=True)
class RenderedPdf:
    """A PDF and its strong ETag, quoted as HTTP wants it (RFC 9110, section 8.8.3)."""

    bytes: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Job:
    request: bytes
    answer: asyncio.Future[bytes]


class PdfRenderer:
    """Renders documents in `processes` processes; with two, one is the other's warm spare.

    `warm` starts them with the server, in the background; otherwise with the first document.
    At most `queue_max` documents wait, and `cache_bytes` bounds the PDFs that are kept.
    """

    def __init__(
        self,
        *,
        processes: int = 2,
        warm: bool = True,
        queue_max: int = 32,
        timeout_seconds: float = 20,
        memory_bytes: int = 1 << 30,
        cache_bytes: int = 32 << 20,
    ) -> None:
        self._processes = processes
        self._timeout_seconds = timeout_seconds
        self._memory_bytes = memory_bytes
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(queue_max)
        self._rendering: dict[str, asyncio.Task[RenderedPdf]] = {}
        self._cache = _Cache(cache_bytes)
        self._starting = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._problem: str | None = None
        if warm:
            self._wanted.set()

    @property
    def problem(self) -> str | None:
        """Why PDFs cannot be made here and what to type; None when they can or when it starts."""
        return self._problem

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()

    def start(self) -> None:
        """Begins to work. Returns at once."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._processes)]

    async def aclose(self) -> None:
        """Ends the processes. Whoever still waits gets PdfUnavailable."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._refuse_waiting(CLOSING)
        await asyncio.gather(*self._rendering.values(), return_exceptions=True)

    async def render(self, document: Document) -> RenderedPdf:
        """The PDF of `document`: the same bytes for the same document.

        Raises PdfUnavailable, RendererBusy, RenderTimeout or RenderFailed.
        """
        request = document.encode()
        key = hashlib.sha256(edition() + request).hexdigest()
        if kept := self._cache.get(key):
            return kept
        if key not in self._rendering:
            self._rendering[key] = self._begin(key, request)
        # Who goes away must not take the PDF from the others.
        return await asyncio.shield(self._rendering[key])

    def _begin(self, key: str, request: bytes) -> asyncio.Task[RenderedPdf]:
        if self._problem or not self._tasks:
            raise PdfUnavailable(self._problem or CLOSING)
        job = _Job(request, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            raise RendererBusy("Too many documents are being made; try again shortly.") from None
        self._wanted.set()
        rendering = asyncio.create_task(self._finish(key, job))
        # Should nobody wait for it any more, its error is nobody's business.
        rendering.add_done_callback(lambda task: task.cancelled() or task.exception())
        return rendering

    async def _finish(self, key: str, job: _Job) -> RenderedPdf:
        try:
            rendered = RenderedPdf(await job.answer, f'"{key}"')
        finally:
            del self._rendering[key]
        self._cache.put(key, rendered)
        return rendered

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
        try:
            job.answer.set_result(await process.render(job.request))
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
                        memory_bytes=self._memory_bytes, timeout_seconds=self._timeout_seconds
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


class _Cache:
    """PDFs by key, the least recently asked for going first when they are too many bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[str, RenderedPdf] = OrderedDict()

    def get(self, key: str) -> RenderedPdf | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: str, rendered: RenderedPdf) -> None:
        self._kept[key] = rendered
        self._bytes += len(rendered.bytes)
        while self._bytes > self._bytes_max:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.bytes)


@lru_cache
def edition() -> bytes:
    """The hash of what makes the bytes besides the document: templates, fonts, tools."""
    digest = hashlib.sha256()
    for tool in ("babel", "jinja2", "weasyprint"):
        digest.update(f"{tool} {version(tool)}\n".encode())
    for path in sorted(TEMPLATES.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(TEMPLATES)} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.digest()
