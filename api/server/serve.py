"""The web server: uvicorn with limits for untrusted peers."""

from __future__ import annotations

import gc
import resource
import signal
import socket
from typing import TYPE_CHECKING, Any, Final, NoReturn

import uvicorn

from api.observe import logs
from api.server.connection import CONNECTIONS
from api.settings.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from starlette.applications import Starlette

    from api.settings.settings import Settings

_BACKLOG: Final = 2048
_FILES_BESIDE: Final = 256
_KEEP_ALIVE_SECONDS: Final = 30
_PING_SECONDS: Final = 50
_SHUTDOWN_SECONDS: Final = 10
#: A page of invoices is about 2,000 objects.
_YOUNG_OBJECTS: Final = 20_000


def listener(settings: Settings) -> socket.socket:
    """The socket to listen on. Raises SettingsError, before anything else is done."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"Can't listen on port {settings.port} of {settings.host} ({error.strerror}). "
            "Set PORT or HOST."
        ) from None
    bound.listen(_BACKLOG)
    return bound


def serve(
    app: Starlette, settings: Settings, bound: socket.socket, ready: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called when the app has opened what it uses.

    Raises what keeps it from that, such as SettingsError.
    """
    server = prepared(app, uvicorn.Config(app, **configured(settings)), ready)
    with logs.in_background():
        server.run(sockets=[bound])


def configured(settings: Settings) -> dict[str, Any]:
    """Uvicorn's options."""
    return {
        "lifespan": "off",  # _Server's
        "log_config": None,
        "access_log": False,
        "server_header": False,
        **CONNECTIONS,
        # Proxies take a connection for dead that is silent for a minute.
        "ws_ping_interval": _PING_SECONDS,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies,
        "limit_concurrency": _allowed_connections(settings.connections_max),
        "backlog": _BACKLOG,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": _SHUTDOWN_SECONDS,
    }


def prepared(app: Starlette, config: uvicorn.Config, ready: Callable[[], None]) -> uvicorn.Server:
    """The server of this process, which is changed for it: its signals, its garbage."""
    config.app = app
    for number in (signal.SIGINT, signal.SIGTERM):
        # Uvicorn drains, and then sends itself the signal again: being stopped isn't a failure.
        signal.signal(number, _leave)
    _spare_what_stays()
    return _Server(config, app, ready)


class _Server(uvicorn.Server):
    """Opens what the app uses before it serves: with a wrong setting, uvicorn's own way ends in a
    traceback, so that all would have to be opened twice, first to see whether it can be.

    Ends event streams when it has to stop: they would hold it up for as long as it is given.
    """

    def __init__(self, config: uvicorn.Config, app: Starlette, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.app = app
        self.ready = ready

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        # Being told to stop meanwhile is to wait until all is closed.
        with self.capture_signals():
            async with self.app.router.lifespan_context(self.app):
                self.ready()
                await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.state.stopping.set()
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
