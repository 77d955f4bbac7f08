"""Documents as PDF: a document in, bytes out, rendered in processes of their own.

A long document costs seconds of CPU, and WeasyPrint is a large program that reads what clients
wrote; so it runs in processes with limits on time and memory. Each document is rendered once: who
asks for the same one meanwhile waits for the same bytes, who asks later gets them from memory or
from the store.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cachetools import LRUCache

from api.pdf import fonts
from api.pdf.frames import TEMPLATES
from api.pdf.pool import LONG_MAX, ProcessPool, seconds_allowed
from api.pdf.process import PdfError

if TYPE_CHECKING:
    from types import TracebackType

    from api.pdf.documents.document import Document
    from api.pdf.pool import Pool
    from api.pdf.store import DocumentStore


@dataclass(frozen=True, slots=True)
class RenderedPdf:
    """A PDF and its strong ETag, quoted as HTTP wants it (RFC 9110, section 8.8.3)."""

    bytes: bytes
    etag: str


class PdfRenderer:
    """Renders documents in a pool of processes; without one, in a pool of its own.

    `cache_bytes` bounds the PDFs that are kept in memory; `store` keeps them longer.
    """

    def __init__(
        self,
        pool: Pool | None = None,
        *,
        cache_bytes: int = 32 << 20,
        store: DocumentStore | None = None,
    ) -> None:
        self._pool = pool or ProcessPool()
        self._store = store
        self._is_open = False
        self._rendering: dict[str, asyncio.Task[RenderedPdf]] = {}
        self._failed: dict[str, PdfError] = {}
        self._cache: LRUCache[str, RenderedPdf] = LRUCache(
            cache_bytes, getsizeof=lambda rendered: len(rendered.bytes)
        )

    @property
    def problem(self) -> str | None:
        """Why PDFs cannot be made here and what to type; None when they can or when it starts."""
        return self._pool.problem

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
        self._is_open = True
        self._pool.start()

    async def aclose(self) -> None:
        """Ends the processes. Waiting callers get PdfUnavailable."""
        self._is_open = False
        await self._pool.aclose()
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
        """The next request must get this error, or rendering would be retried forever."""
        error = None if rendering.cancelled() else rendering.exception()
        if isinstance(error, PdfError) and len(self._failed) < LONG_MAX:
            self._failed[key] = error

    def _key(self, request: bytes) -> str:
        return hashlib.sha256(edition(self._pool.templates) + request).hexdigest()

    def _begin(self, key: str, request: bytes, store: DocumentStore | None, *, long: bool) -> None:
        rendering = asyncio.create_task(self._finish(key, request, store, long=long))
        # If no request waits for it any more, its error is dropped.
        rendering.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._rendering[key] = rendering

    async def _finish(
        self, key: str, request: bytes, store: DocumentStore | None, *, long: bool
    ) -> RenderedPdf:
        try:
            kept = await store.get(key) if store else None
            content = kept or await self._make_alone(key, request, store, long=long)
            rendered = RenderedPdf(content, f'"{key}"')
            with suppress(ValueError):  # one that is larger than all of the cache
                self._cache[key] = rendered
        finally:
            del self._rendering[key]
        return rendered

    async def _make_alone(
        self, key: str, request: bytes, store: DocumentStore | None, *, long: bool
    ) -> bytes:
        """Makes it, unless another process with the same store has made it meanwhile."""
        if store is None:
            return await self._pool.make(request, long=long)
        seconds_max = seconds_allowed(self._pool, long=long)
        async with store.alone(key, seconds_max, lambda: not self._is_open):
            content = await store.get(key)
            if content is None:
                content = await self._pool.make(request, long=long)
                await store.put(key, content)
        return content


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
    # What a copy of the templates has no word for is said in ours.
    ours = () if templates == TEMPLATES else (TEMPLATES / "locale").rglob("*")
    for path in (*sorted(templates.rglob("*")), *sorted(ours)):
        if path.is_file() and path.suffix != ".md":
            name = path.relative_to(templates if path.is_relative_to(templates) else TEMPLATES)
            digest.update(f"{name} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.digest()
