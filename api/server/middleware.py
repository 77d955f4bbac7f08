"""Around every request: its ID, log line, metrics and security headers.

Plain ASGI: Starlette's BaseHTTPMiddleware cancels what runs inside it, and money must not be torn.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, Final

import orjson
import structlog
from starlette.routing import Route
from structlog.contextvars import bind_contextvars, reset_contextvars

from api.endpoint.http import BUSY_STATUS, address_of
from api.observe import requests
from api.observe.logs import MASK
from models.access.rate_limit import network
from models.db.caller import called_by, set_caller
from models.db.record import new_id
from models.db.trouble import note
from models.errors import Busy
from schema.engine.masking import TROUBLE_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.observe.requests import Observer

Header = tuple[bytes, bytes]

#: Of a scope: headers that are added to what the application answers.
READY_HEADERS: Final = "account_credit.ready_headers"

_SANE_ID: Final = re.compile(rb"[\w.:-]{8,64}", re.ASCII)
_CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HSTS: Final = "max-age=31536000"

log = structlog.get_logger("api.access")


class Observed:
    """Gives a request an id, logs and counts it, and masks what should not have happened."""

    def __init__(self, app: ASGIApp, *, observer: Observer) -> None:
        self.app = app
        self.observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        # Until they have said who they are.
        caller = f"address {network(address_of(scope))}"
        bound = bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            # It has a task of its own, for as long as it lasts.
            set_caller(caller)
            await self._websocket(scope, receive, send)
            return
        try:
            with called_by(caller):
                await self._request(scope, receive, send, request_id)
        finally:
            reset_contextvars(**bound)

    async def _request(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started, status = perf_counter(), 0
        request = requests.begun()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                id_header = (b"x-request-id", request_id.encode())
                ready = scope.get(READY_HEADERS, ())
                message["headers"] = [*message.get("headers", ()), *ready, id_header]
            await send(message)

        try:
            await self.app(scope, receive, observed)
        except Busy as busy:
            log.warning("request_put_off", path=_path(scope), code=busy.code)
            if not status:
                await _send_put_off(observed, busy)
        except Exception as error:
            log.exception("request_failed", path=_path(scope))
            if not status and (trouble := note(error)) is not None:
                said = {"error": TROUBLE_MESSAGES[trouble]}
                await _send_json(observed, 503, said, (b"retry-after", b"5"))
            elif not status:
                await _send_masked(observed, request_id)
        finally:
            self.observer.request(
                _route(scope),
                method=scope["method"],
                # Never the query: links are signed there.
                path=_path(scope),
                status=status,
                seconds=perf_counter() - started,
                client=address_of(scope),
                request_id=request_id,
            )
            requests.over(request)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        self.observer.metrics.socket_opened()
        try:
            await self.app(scope, receive, send)
        except Exception:
            log.exception("websocket_failed", path=scope["path"])
        finally:
            self.observer.metrics.socket_closed()
            seconds = round(perf_counter() - started, 3)
            log.info("websocket", path=scope["path"], seconds=seconds, client=address_of(scope))


def security_headers(*, https: bool) -> list[Header]:
    """What browsers need to hear."""
    headers = {
        "content-security-policy": _CSP,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        # Stricter than this, browsers would send the Origin of our own forms as `null`.
        "referrer-policy": "same-origin",
    }
    if https:
        headers["strict-transport-security"] = _HSTS
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class Websockets:
    """Serves the websockets at one path: what is done for requests means nothing to them, and would
    be kept for each as long as it is open.
    """

    def __init__(self, app: ASGIApp, *, path: str, endpoint: ASGIApp) -> None:
        self.app = app
        self.path = path
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket."""
        if scope["type"] == "websocket" and scope["path"] == scope.get("root_path", "") + self.path:
            await self.endpoint(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class SecurityHeaders:
    """Adds `security_headers`, where the answer does not say otherwise itself."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self.headers = security_headers(https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                named = {name.lower() for name, _ in given}
                message["headers"] = given + [one for one in self.headers if one[0] not in named]
            await send(message)

        await self.app(scope, receive, with_headers)


def _request_id(headers: Iterable[Header]) -> str:
    """The id that a proxy gave the request, if it is harmless; else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return value.decode()
    return new_id().hex


def _route(scope: Scope) -> str:
    """The pattern that matched: a few names, however many paths are tried."""
    route = scope.get("route")
    return route.path if isinstance(route, Route) else "none"


def _path(scope: Scope) -> str:
    """The path as the log has it: without the token that opens a payment's page."""
    path: str = scope["path"]
    token = scope.get("path_params", {}).get("token")
    return path.replace(token, MASK) if token else path


async def _send_put_off(send: Send, busy: Busy) -> None:
    said = {"error": "The server is too busy. Try again in a moment."}
    status = BUSY_STATUS[busy.code]
    await _send_json(send, status, said, (b"retry-after", b"%d" % busy.retry_after_seconds))


async def _send_masked(send: Send, request_id: str) -> None:
    await _send_json(send, 500, {"error": "Internal error", "id": request_id})


async def _send_json(send: Send, status: int, said: object, *more: Header) -> None:
    body = orjson.dumps(said)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
