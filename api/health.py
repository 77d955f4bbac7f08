"""Is it up, can it work, and how is it doing: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from models import sql

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.metrics import Metrics
    from api.pdf.renderer import PdfRenderer

_SECONDS_MAX: Final = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to be ready: `problem` says in a sentence what is wrong, None when nothing is.

    Without `needed` the rest works without it.
    """

    name: str
    problem: Callable[[], Awaitable[str | None]]
    needed: bool = True


def health_routes(checks: list[Check], metrics: Metrics) -> list[Route]:
    """The three routes."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        problems = await asyncio.gather(*(_asked(check) for check in checks))
        ready = not any(
            problem and check.needed for check, problem in zip(checks, problems, strict=True)
        )
        degraded = ready and any(problems)
        body = {
            "status": "degraded" if degraded else "ready" if ready else "not ready",
            "checks": {
                check.name: problem or "ok" for check, problem in zip(checks, problems, strict=True)
            },
        }
        return JSONResponse(body, 200 if ready else 503)

    async def show_metrics(_request: Request) -> Response:
        return Response(metrics.text(), media_type=metrics.content_type)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", show_metrics),
    ]


async def _asked(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            return await check.problem()
    except TimeoutError:
        return f"No answer within {_SECONDS_MAX} seconds."
    except Exception:
        log.exception("check_failed", check=check.name)
        return "It does not work; the log says why."


async def database_problem() -> str | None:
    """Whether the database answers."""
    await sql.fetch("SELECT 1 AS one")
    return None


def pdf_check(renderer: PdfRenderer) -> Check:
    """Whether PDFs can be made; everything else works without."""

    async def problem() -> str | None:
        return renderer.problem

    return Check("pdf", problem, needed=False)
