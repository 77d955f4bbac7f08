"""One pool of rendering processes for several server processes, over a socket of this machine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.pdf import process
from api.pdf.pool import CLOSING
from api.pdf.process import PdfError, PdfUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.requests import Request

    from api.pdf.pool import Pool

#: How often a process that waits for nothing asks whether PDFs can be made.
_ASK_SECONDS: Final = 10.0
#: How soon after it has begun: the pool needs a moment to start.
_ASK_FIRST_SECONDS: Final = 1.0
_AWAY: Final = "The process that renders PDFs doesn't answer."
_LONG: Final = "document-is-long"
_KINDS: Final[dict[str, type[PdfError]]] = {
    kind.__name__: kind
    for kind in (
        process.PdfUnavailable,
        process.RendererBusy,
        process.RenderTimeout,
        process.RenderFailed,
    )
}


@dataclass(frozen=True, slots=True)
class _Host:
    """What the process that has the pool answers to the others."""

    pool: Pool

    async def make(self, request: Request) -> Response:
        """The PDF of the document in the request, or why there is none."""
        try:
            pdf = await self.pool.make(await request.body(), long=_LONG in request.headers)
        except PdfError as error:
            notes = getattr(error, "__notes__", [])
            told = {"kind": type(error).__name__, "text": str(error), "notes": notes}
            return JSONResponse(told, 503)
        return Response(pdf, media_type="application/pdf")

    async def problem(self, _request: Request) -> Response:
        """Why PDFs cannot be made; null where they can."""
        return JSONResponse(self.pool.problem)


@asynccontextmanager
async def hosted(pool: Pool, path: str) -> AsyncIterator[None]:
    """The pool, for processes that may open the socket at `path`."""
    host = _Host(pool)
    app = Starlette(
        routes=[Route("/", host.make, methods=["POST"]), Route("/problem", host.problem)]
    )
    config = uvicorn.Config(app, uds=path, lifespan="off", log_config=None, access_log=False)
    server = _Server(config)
    pool.start()
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        await pool.aclose()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """The signals are those of the server that it is a part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class SharedPool:
    """The pool that another process of this server has; see Pool."""

    def __init__(self, path: str, *, timeout_seconds: float, templates: Path) -> None:
        self.timeout_seconds = timeout_seconds
        self.templates = templates
        self._path = path
        self._problem: str | None = None
        self._client: httpx.AsyncClient | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """See Pool: as it was a moment ago."""
        return self._problem

    def start(self) -> None:
        """See Pool."""
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=self._path, limits=httpx.Limits()),
            base_url="http://pool",
            timeout=None,  # noqa: S113 - the pool has limits, which depend on the document
        )
        self._asking = asyncio.create_task(self._ask())

    async def aclose(self) -> None:
        """See Pool."""
        client, self._client = self._client, None
        if self._asking is not None:
            self._asking.cancel()
        if client is not None:
            await client.aclose()

    async def make(self, request: bytes, *, long: bool) -> bytes:
        """See Pool."""
        client = self._client
        if client is None:
            raise PdfUnavailable(CLOSING)
        try:
            answer = await client.post("/", content=request, headers={_LONG: "yes"} if long else {})
        except (httpx.TransportError, RuntimeError):  # RuntimeError: it has just been closed
            raise PdfUnavailable(CLOSING if client.is_closed else _AWAY) from None
        if answer.is_success:
            self._problem = None
            return answer.content
        told = answer.json()
        error = _KINDS[told["kind"]](told["text"])
        for note in told["notes"]:
            error.add_note(note)
        if isinstance(error, PdfUnavailable):
            self._problem = told["text"]
        raise error

    async def _ask(self) -> None:
        seconds = _ASK_FIRST_SECONDS
        while self._client is not None:
            await asyncio.sleep(seconds)
            seconds = _ASK_SECONDS
            with suppress(RuntimeError):
                try:
                    self._problem = (await self._client.get("/problem")).json()
                except httpx.TransportError:
                    self._problem = _AWAY
