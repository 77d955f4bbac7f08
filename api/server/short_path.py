"""The short way to the API, for nearly all requests: past the router and what stands before it.

What those add to an answer is known before: it is added here, ready-made. Whatever is not as usual
(another method, an origin that is not allowed) goes the long way, and so does any other path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.server.middleware import READY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.server.middleware import Header

_NO_ORIGIN: Final = None


class ShortPath:
    """Serves POST requests to one route, and hands all others on."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        route: Route,
        headers: list[Header],
        origins: Iterable[str],
        cors: list[Header],
    ) -> None:
        """`headers` are added to each answer; to a page of one of the `origins`, `cors` as well."""
        self.app = app
        self.route = route
        # As Starlette's CORSMiddleware has it: whether there is an Origin makes a difference.
        vary = (b"vary", b"Origin")
        self._ready: dict[bytes | None, list[Header]] = {_NO_ORIGIN: [*headers, vary]}
        for origin in origins:
            value = origin.encode()
            allowed = (b"access-control-allow-origin", value)
            self._ready[value] = [*headers, *cors, allowed, vary]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        ready = self._headers_for(scope)
        if ready is None:
            await self.app(scope, receive, send)
            return

        scope["route"] = self.route
        # `Observed`, which all answers pass, adds them; its own answer to an error has none.
        scope[READY_HEADERS] = ready
        try:
            await self.route.app(scope, receive, send)
        except Exception:
            del scope[READY_HEADERS]
            raise

    def _headers_for(self, scope: Scope) -> list[Header] | None:
        """What is added to the answer; None where the request goes the long way."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        if scope["path"] != self.route.path or scope.get("root_path"):
            return None
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) > 1:
            return None
        return self._ready.get(origins[0] if origins else _NO_ORIGIN)
