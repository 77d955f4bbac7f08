"""Is it up, can it work, and how is it doing: `/healthz`, `/readyz` and `/metrics`.

They answer whatever else is the matter. What is not known at once is looked at beside the requests,
once for all of them, and told as it was found last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from models.db import connection, pulse, trouble
from models.db.caller import SYSTEM, called_by
from models.db.transactions import waiting_transactions
from models.db.trouble import Trouble, trouble_of
from models.errors import Busy

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.live.local import LiveFeed
    from api.observe.metrics import Metrics
    from api.pdf.renderer import PdfRenderer

PATHS: Final = frozenset({"/healthz", "/readyz"})

#: How long a result is reused without checking again.
_FRESH_SECONDS: Final = 1.0
#: Time limit of a check; requests meanwhile wait less, and get the previous result.
_SECONDS_MAX: Final = 5.0
_ANSWER_SECONDS: Final = 0.5
_OLD_SECONDS: Final = 15.0
_WRITES_FRESH_SECONDS: Final = 5.0
_WRITE_SECONDS: Final = 2.0

_TROUBLES: Final = {
    Trouble.FULL: "It can't be written to: the disk is full or failing.",
    Trouble.BUSY: "It has no connections or memory left.",
    Trouble.AWAY: "It isn't responding.",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to be ready: `problem` says in a sentence what is wrong, None when nothing is.

    Without `needed` the rest works without it.
    """

    name: str
    problem: Callable[[], Awaitable[str | None]]
    needed: bool = True


class Readiness:
    """What the checks have found last."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks
        self._problems: dict[str, str | None] = {}
        self._found_at = float("-inf")
        self._look: asyncio.Task[None] | None = None

    async def problems(self) -> dict[str, str | None]:
        """Each check's problem, by its name; soon, whatever the checks wait for."""
        if monotonic() - self._found_at >= _FRESH_SECONDS:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(self._find())
            # What has never been known is worth waiting for.
            seconds = _ANSWER_SECONDS if self._problems else None
            await asyncio.wait({self._look}, timeout=seconds)
        if monotonic() - self._found_at >= _OLD_SECONDS:
            return {check.name: "Not checked yet." for check in self._checks}
        return self._problems

    def ready(self, problems: dict[str, str | None]) -> bool:
        """Whether nothing that is needed is amiss."""
        return not any(check.needed and problems[check.name] for check in self._checks)

    async def _find(self) -> None:
        found = await asyncio.gather(*(_asked(check) for check in self._checks))
        names = [check.name for check in self._checks]
        self._problems = dict(zip(names, found, strict=True))
        self._found_at = monotonic()


def health_routes(checks: Sequence[Check], metrics: Metrics) -> list[Route]:
    """The three routes."""
    readiness = Readiness(checks)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        problems = await readiness.problems()
        ready = readiness.ready(problems)
        degraded = ready and any(problems.values())
        body = {
            "status": "degraded" if degraded else "ready" if ready else "not ready",
            "checks": {name: problem or "ok" for name, problem in problems.items()},
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
        return f"No response within {_SECONDS_MAX:g} seconds."
    except Exception as error:
        log.exception("check_failed", check=check.name)
        found = trouble_of(error)
        return _TROUBLES[found] if found else "It isn't working; see the log."


async def database_problem() -> str | None:
    """Whether the database answers."""
    await connection.ping()
    return None


class Storage:
    """Whether what is written is kept. It is tried now and then, and at once after trouble."""

    def __init__(self, room_problem: Callable[[], str | None]) -> None:
        self._room_problem = room_problem
        self._beat: asyncio.Task[None] | None = None
        self._well_at = float("-inf")

    async def problem(self) -> str | None:
        """See Check."""
        if (problem := self._room_problem()) is not None:
            self._well_at = float("-inf")
            return problem
        well_until = self._well_at + _WRITES_FRESH_SECONDS
        if monotonic() >= well_until or trouble.noted_at() >= self._well_at:
            self._well_at = float("-inf")
            with suppress(Busy):  # another transaction is writing, so writes succeed
                await self._tried()
        return None

    async def _tried(self) -> None:
        tried_at = monotonic()
        # One at a time, however long it waits and whoever gives up.
        if self._beat is None or self._beat.done():
            with called_by(SYSTEM):
                self._beat = asyncio.create_task(pulse.beat())
        await asyncio.wait({self._beat}, timeout=_WRITE_SECONDS)
        if not self._beat.done() and waiting_transactions():
            return  # as where it is Busy
        await asyncio.shield(self._beat)
        self._well_at = tried_at


def feed_check(feed: LiveFeed) -> Check:
    """Whether Redis carries live updates; they come all the same, and later, without."""

    async def problem() -> str | None:
        return feed.problem

    return Check("redis", problem, needed=False)


def pdf_check(renderer: PdfRenderer) -> Check:
    """Whether PDFs can be made; everything else works without."""

    async def problem() -> str | None:
        return renderer.problem

    return Check("pdf", problem, needed=False)
