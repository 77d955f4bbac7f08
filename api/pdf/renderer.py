"""Documents as PDF: a document in, bytes out, rendered in processes of their own.

A long document costs seconds of CPU, and WeasyPrint is a large program that reads what clients
wrote; so it runs in processes with limits on time and memory. Each document is rendered once: who
asks for the same one meanwhile waits for the same bytes, who asks later gets them from memory or
from the store.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from api.pdf import fonts
from api.pdf.frames import TEMPLATES
from api.pdf.process import (
    PdfError,
    PdfUnavailable,
    RendererBusy,
    RenderProcess,
)

if TYPE_CHECKING:
    from types import TracebackType

    from api.pdf.documents.document import Document
    from api.pdf.store import DocumentStore

#: After a process could not start, how long until the next attempt.
RETRY_SECONDS: Final = 60
#: Long documents may take this many times as long as others.
LONG: Final = 12
#: How many long ones may wait: each keeps a process busy for a while.
LONG_MAX: Final = 8
CLOSING: Final = "The server is shutting down."
BUSY: Final = "Too many documents are being made; try again shortly."


_Make = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class RenderedPdf:
    """A PDF and its strong ETag, quoted as HTTP wants it (RFC 9110, section 8.8.3)."""

    bytes: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Job:
    request: bytes
    answer: asyncio.Future[bytes]
    timeout_seconds: float


class PdfRenderer:
    """Renders documents in `processes` processes; with two, one is the other's warm spare.

    `warm` starts them with the server, in the background; otherwise with the first document.
    At most `queue_max` documents wait, and `cache_bytes` bounds the PDFs that are kept in memory;
    `store` keeps them longer. Long documents leave one process to the others.
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
        templates: Path = TEMPLATES,
        store: DocumentStore | None = None,
    ) -> None:
        self._processes = processes
        self._timeout_seconds = timeout_seconds
        self._memory_bytes = memory_bytes
        self._templates = templates
        self._store = store
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(queue_max)
        self._rendering: dict[str, asyncio.Task[RenderedPdf]] = {}
        self._long = asyncio.Semaphore(max(1, processes - 1))
        self._long_waiting = 0
        self._failed: dict[str, PdfError] = {}
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

    def etag(self, document: Document) -> str:
        """The strong ETag that the PDF of `document` has, or will have: nothing is rendered."""
        return f'"{self._key(document.encode())}"'

    async def render(self, document: Document) -> RenderedPdf:
        """The PDF of `document`: the same bytes for the same document.

        Raises PdfUnavailable, RendererBusy, RenderTimeout or RenderFailed.
        """
        request = document.encode()
        key = self._key(request)
        if kept := self._cache.get(key):
            return kept
        if key not in self._rendering:
            store = self._store if document.is_kept else None
            self._begin(key, request, store, long=document.is_long)
        # Who goes away must not take the PDF from the others.
        return await asyncio.shield(self._rendering[key])

    async def soon(self, document: Document, within_seconds: float) -> RenderedPdf | None:
        """The PDF, if it is there or made within that time; None while it is being made.

        Raises as `render`, also for a document that failed since somebody last asked.
        """
        key = self._key(document.encode())
        if error := self._failed.pop(key, None):
            raise error
        try:
            async with asyncio.timeout(within_seconds):
                return await self.render(document)
        except TimeoutError:
            if key in self._rendering:
                self._rendering[key].add_done_callback(partial(self._note_failure, key))
            return None

    def _note_failure(self, key: str, rendering: asyncio.Task[RenderedPdf]) -> None:
        """Whoever asks again must hear of it, or it would be begun again for ever."""
        error = None if rendering.cancelled() else rendering.exception()
        if isinstance(error, PdfError) and len(self._failed) < LONG_MAX:
            self._failed[key] = error

    def _key(self, request: bytes) -> str:
        return hashlib.sha256(edition(self._templates) + request).hexdigest()

    def _begin(self, key: str, request: bytes, store: DocumentStore | None, *, long: bool) -> None:
        rendering = asyncio.create_task(self._finish(key, request, store, long=long))
        # Should nobody wait for it any more, its error is nobody's business.
        rendering.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._rendering[key] = rendering

    async def _finish(
        self, key: str, request: bytes, store: DocumentStore | None, *, long: bool
    ) -> RenderedPdf:
        try:
            make = self._make_long if long else self._make
            kept = await store.get(key) if store else None
            content = kept or await self._make_alone(make, key, request, store)
            rendered = RenderedPdf(content, f'"{key}"')
            self._cache.put(key, rendered)
        finally:
            del self._rendering[key]
        return rendered

    async def _make_alone(
        self, make: _Make, key: str, request: bytes, store: DocumentStore | None
    ) -> bytes:
        """Makes it, unless another process with the same store has made it meanwhile."""
        if store is None:
            return await make(request)
        seconds_max = self._timeout_seconds * (LONG if make == self._make_long else 1)
        async with store.alone(key, seconds_max, lambda: not self._tasks):
            content = await store.get(key)
            if content is None:
                content = await make(request)
                await store.put(key, content)
        return content

    async def _make(self, request: bytes, times: float = 1) -> bytes:
        if self._problem or not self._tasks:
            raise PdfUnavailable(self._problem or CLOSING)
        answer = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Job(request, answer, self._timeout_seconds * times))
        except asyncio.QueueFull:
            raise RendererBusy(BUSY) from None
        self._wanted.set()
        made: bytes = await answer
        return made

    async def _make_long(self, request: bytes) -> bytes:
        if self._long_waiting >= LONG_MAX:
            raise RendererBusy(BUSY)
        self._long_waiting += 1
        try:
            async with self._long:
                return await self._make(request, LONG)
        finally:
            self._long_waiting -= 1

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
                        memory_bytes=self._memory_bytes, templates=self._templates
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
def edition(templates: Path) -> bytes:
    """The hash of what makes the bytes besides the document: templates, fonts, tools."""
    digest = hashlib.sha256()
    for tool in ("babel", "jinja2", "segno", "weasyprint"):
        digest.update(f"{tool} {version(tool)}\n".encode())
    for package in fonts.installed():
        digest.update(f"{package}\n".encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    for path in sorted(templates.rglob("*")):
        if path.is_file() and path.suffix != ".md":
            digest.update(f"{path.relative_to(templates)} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.digest()
