"""One rendering process, seen from the server: started, asked, and killed when it takes too long.

PdfError
├── PdfUnavailable   it cannot be done here (Pango is missing) or no longer (shutting down)
├── RendererBusy     too many are waiting already; try again
├── RenderTimeout    it took too long; its process was killed and replaced
└── RenderFailed     this document cannot be rendered
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from api.pdf import frames

#: How long a process may take to load WeasyPrint and the fonts on a busy machine.
START_SECONDS: Final = 60
#: How long an idle process may take to end by itself before it is killed.
GOODBYE_SECONDS: Final = 1
#: How much later than the server's limit a process ends itself, should the server be gone.
ALARM_SECONDS: Final = 5
#: All of the server's environment that a process which reads strangers' texts gets.
ENVIRONMENT: Final = frozenset(
    {"COVERAGE_PROCESS_CONFIG", "DYLD_FALLBACK_LIBRARY_PATH", "HOME", "LD_LIBRARY_PATH", "PATH"}
    | {"TMPDIR", "XDG_CACHE_HOME"}
)


class PdfError(Exception):
    """No PDF. Its text is one sentence for people."""


class PdfUnavailable(PdfError):
    """PDFs cannot be made on this machine, or not any more."""


class RendererBusy(PdfError):
    """The queue is full."""


class RenderTimeout(PdfError):
    """The document took longer than the limit."""


class RenderFailed(PdfError):
    """The document could not be rendered."""


class RenderProcess:
    """A process that runs `api.pdf.printer`. Asked for one document at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._busy = False

    @classmethod
    async def start(cls, *, memory_bytes: int, templates: Path) -> Self:
        """A process that is ready to render. Raises PdfUnavailable with what to do about it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api.pdf.printer", str(memory_bytes), str(templates)),
            stdin=PIPE,
            stdout=PIPE,
            cwd=Path(__file__).parents[2],
            env={name: os.environ[name] for name in ENVIRONMENT & os.environ.keys()}
            | {"LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C is for the server, which then ends its processes
        )
        printer = cls(process)
        try:
            await printer._wait_until_ready()
        except BaseException:
            await printer.kill()
            raise
        return printer

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None

    async def render(self, request: bytes, timeout_seconds: float) -> bytes:
        """The PDF of one encoded document. Raises RenderTimeout or RenderFailed.

        Whatever else than an answer comes of it, the process is dead afterwards.
        """
        self._busy = True
        try:
            async with asyncio.timeout(timeout_seconds):
                what, body = await self._ask(request, int(timeout_seconds) + ALARM_SECONDS)
        except TimeoutError:
            await self.kill()
            raise RenderTimeout("The document took too long to render.") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.kill()
            raise RenderFailed("The process that rendered the document died.") from None
        self._busy = False
        if what != frames.PDF:
            failed = RenderFailed("The document couldn't be rendered.")
            failed.add_note(body.decode())  # for the log, not for clients
            raise failed
        return body

    async def aclose(self) -> None:
        """Lets it end by itself when it is idle; kills it otherwise. It is gone afterwards."""
        if not self._busy:
            self._stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """Ends it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._stdin.close()
        await self._process.wait()

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None, "it was started with pipes"
        return self._process.stdin

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                what, body = await self._read()
        except (TimeoutError, asyncio.IncompleteReadError):
            raise PdfUnavailable("The process that renders PDFs doesn't start.") from None
        if what != frames.READY:
            raise PdfUnavailable(body.decode())

    async def _ask(self, request: bytes, alarm_seconds: int) -> tuple[bytes, bytes]:
        body = frames.SECONDS.pack(alarm_seconds) + request
        self._stdin.write(frames.frame(frames.DOCUMENT, body))
        await self._stdin.drain()
        return await self._read()

    async def _read(self) -> tuple[bytes, bytes]:
        assert self._process.stdout is not None, "it was started with pipes"
        head = await self._process.stdout.readexactly(frames.HEAD.size)
        what, length = frames.HEAD.unpack(head)
        return what, await self._process.stdout.readexactly(length)
