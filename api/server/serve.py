"""The web server: uvicorn with the bounds that strangers need."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
from typing import TYPE_CHECKING, Final, NoReturn

import uvicorn

from api.server.connection import HttpConnection, WebsocketConnection
from api.settings.settings import SettingsProblem

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from api.settings.settings import Settings

_WEBSOCKET_BYTES_MAX: Final = 64 * 1024
_BACKLOG: Final = 2048
_FILES_BESIDE: Final = 256
_KEEP_ALIVE_SECONDS: Final = 30
_SHUTDOWN_SECONDS: Final = 10
#: A page of invoices is about 2,000 objects.
_YOUNG_OBJECTS: Final = 20_000


def listener(settings: Settings) -> socket.socket:
    """The socket to listen on. Raises SettingsProblem, before anything else is done."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise SettingsProblem(
            f"Port {settings.port} of {settings.host} cannot be listened on ({error.strerror}); "
            "set PORT or HOST."
        ) from None
    bound.listen(_BACKLOG)
    return bound


def serve(app: Starlette, settings: Settings, bound: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    most = _allowed_connections(settings.connections_max)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=HttpConnection,
        ws=WebsocketConnection,
        ws_max_size=_WEBSOCKET_BYTES_MAX,
        # Small messages hardly shrink, and a compressor costs memory for each of many sockets.
        ws_per_message_deflate=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        limit_concurrency=most,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # Uvicorn drains, and then sends itself the signal again: being told to stop is no failure.
        signal.signal(number, _leave)
    _spare_what_stays()
    _Server(config, app.state.stopping).run(sockets=[bound])


class _Server(uvicorn.Server):
    """Ends event streams when it is told to stop: they would keep it for all the time it has."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.stopping.set()
        await super().shutdown(sockets)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _spare_what_stays() -> None:
    """Look for garbage less often, and never among modules and the schema, which stay: looking was
    a quarter of the time of a page of invoices.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)
    gc.enable()


def _allowed_connections(wanted: int) -> int:
    """How many of the wanted connections there can be. Each is an open file: this process's own
    limit is raised as far as it may.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted + _FILES_BESIDE
    if hard != resource.RLIM_INFINITY:
        enough = min(enough, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return max(1, enough - _FILES_BESIDE)
