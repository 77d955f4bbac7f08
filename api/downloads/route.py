"""Downloads: documents as PDF and CSV, through signed links."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from api.downloads.signing import LinkExpired
from api.pdf.process import PdfUnavailable, RendererBusy, RenderFailed, RenderTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from api.downloads.links import Links, Wanted
    from api.observe.metrics import Metrics
    from api.pdf.documents.document import Document
    from api.pdf.renderer import PdfRenderer, RenderedPdf
    from models.gateway import Gateway

RETRY_AFTER_SECONDS: Final = 5
#: How long a request waits for a long document before it gets a 202.
WAIT_SECONDS: Final = 1
PREPARING: Final = "This document is being prepared. Try again in a few seconds."

log = structlog.get_logger(__name__)

Answer = tuple[Response, str]


class Documents:
    """The download route; the second half of each answer is its outcome, for the metrics."""

    def __init__(
        self,
        links: Links,
        renderer: PdfRenderer,
        gateways: Mapping[str, Gateway],
        metrics: Metrics,
    ) -> None:
        self._links = links
        self._renderer = renderer
        self._gateways = gateways
        self._metrics = metrics

    def route(self) -> Route:
        """`GET /documents/{file}`."""
        return Route("/documents/{file}", self._download, name="document")

    async def _download(self, request: Request) -> Response:
        started = perf_counter()
        response, outcome = await self._answer(request)
        self._metrics.pdf(outcome, perf_counter() - started)
        return response

    async def _answer(self, request: Request) -> Answer:
        try:
            wanted = self._links.wanted(request)
        except LinkExpired:
            text = "This link has expired. Get a new one in the portal."
            return _sentence(410, text), "expired"
        if wanted is None:
            return _unknown()
        if wanted.format == "csv":
            return await _csv(wanted)
        # What documents say takes long to import, and most processes are asked for none at once.
        from api.downloads.sources import TOO_LONG, TooLong, document_of  # noqa: PLC0415

        try:
            found = await document_of(wanted, self._gateways)
        except TooLong:
            return _sentence(422, TOO_LONG), "too_long"
        return await self._pdf(request, *found) if found else _unknown()

    async def _pdf(self, request: Request, document: Document, name: str) -> Answer:
        etag = self._renderer.etag(document)
        if _has(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=_headers(name, etag)), "unchanged"
        try:
            pdf = await self._render(document)
        except PdfUnavailable as problem:
            return _sentence(503, str(problem)), "unavailable"
        except (RendererBusy, RenderTimeout) as problem:
            return _sentence(503, str(problem), retry=True), "busy"
        except RenderFailed:
            log.exception("document_failed", document=name)
            return _sentence(500, "This document couldn't be created."), "failed"
        if pdf is None:
            return _sentence(202, PREPARING, retry=True), "preparing"
        headers = _headers(name, pdf.etag)
        return Response(pdf.bytes, headers=headers, media_type="application/pdf"), "sent"

    async def _render(self, document: Document) -> RenderedPdf | None:
        if document.is_long:
            return await self._renderer.soon(document, WAIT_SECONDS)
        return await self._renderer.render(document)


async def _csv(wanted: Wanted) -> Answer:
    from api.downloads.sources import statement_of  # noqa: PLC0415 - as above
    from api.downloads.statement_csv import csv_of  # noqa: PLC0415

    statement = await statement_of(wanted)
    if statement is None:
        return _unknown()
    name = f"{statement.currency}-{statement.first_day}-{statement.last_day}"
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{name}.csv"',
    }
    lines = csv_of(statement, wanted.locale)
    return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8"), "sent"


def _unknown() -> Answer:
    return _sentence(404, "This document doesn't exist."), "unknown"


def _headers(name: str, etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{name}.pdf"',
    }


def _has(if_none_match: str, etag: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return etag in known or "*" in known


def _sentence(status: int, text: str, *, retry: bool = False) -> Response:
    headers = {"Cache-Control": "no-store"}
    if retry:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 202:  # noqa: PLR2004 - Accepted: a browser's tab asks again by itself
        headers["Refresh"] = str(RETRY_AFTER_SECONDS)
    return PlainTextResponse(text + "\n", status, headers)
