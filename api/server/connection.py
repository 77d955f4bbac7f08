"""Uvicorn's connections, with the timeouts that they lack.

Uvicorn bounds how long a connection may be idle between requests, pings websockets, and does no
more. Here the head of a request comes within seconds and KiB, its body within seconds, and whoever
is told something takes it. Who is slower is cut off: a polite close would wait for them.

Whoever looks after the server is always answered (health.py), however many connections there are.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from api.endpoint.heartbeat import Heartbeats
from api.server.health import PATHS as HEALTH

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from uvicorn.config import Config
    from uvicorn.server import ServerState

#: From the connection, or a request's first byte, to the end of its head.
HEAD_SECONDS_MAX: Final = 10.0
HEAD_BYTES_MAX: Final = 64 * 1024
#: From the end of the head to the end of the body, whether the answer has waited for it or not.
BODY_SECONDS_MAX: Final = 20.0
#: For the peer to take what was sent to it.
TAKE_SECONDS_MAX: Final = 60.0
CLOSE_SECONDS_MAX: Final = 1.0
#: Connections beyond CONNECTIONS_MAX that get a 503. Idle ones are closed to make room.
SPARE: Final = 64

_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 20\r\nretry-after: 1\r\nconnection: close\r\n\r\nToo many connections"
)
#: The same frame for all, ready-made; a pong only says that its sender is there.
_PING: Final = Frame(Opcode.PING, b"ping").serialize(mask=False)
#: Of all connections whose peers take what they are sent.
_WRITABLE: Final = asyncio.Event()
_WRITABLE.set()
_heartbeats: Final[WeakKeyDictionary[Config, Heartbeats]] = WeakKeyDictionary()
#: Idle connections per server, longest idle first.
_silent: Final[WeakKeyDictionary[ServerState, dict[HttpConnection, None]]] = WeakKeyDictionary()


class _StalledPeerTimeout(asyncio.Protocol):
    """Disconnects a peer that stops reading what it is sent."""

    transport: asyncio.Transport
    _untaken: TimerHandle | None = None

    def pause_writing(self) -> None:
        """The peer has stopped reading."""
        super().pause_writing()
        self._untaken = self._untaken or _later(TAKE_SECONDS_MAX, self.transport)

    def resume_writing(self) -> None:
        """The peer reads again."""
        super().resume_writing()
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone, so its timeout ends."""
        self.resume_writing()
        super().connection_lost(exc)


class HttpConnection(_StalledPeerTimeout, HttpToolsProtocol):
    """A connection that requests come in on."""

    #: When it is cut off; the one timer that looks is not set anew for each request.
    _deadline: float | None = None
    _timer: TimerHandle | None = None
    #: Of the head that is coming in; None where none is.
    _head_bytes: int | None = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited from here on."""
        super().connection_made(transport)
        self._cut_after(HEAD_SECONDS_MAX)
        self._silent = _silent.setdefault(self.server_state, {})
        self._silent[self] = None
        if self._too_many(SPARE):
            next(iter(self._silent)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._never_cut()
        self._silent.pop(self, None)
        super().connection_lost(exc)

    def _too_many(self, beyond: int = 0) -> bool:
        most = self.config.limit_concurrency
        return most is not None and len(self.connections) > most + beyond

    def data_received(self, data: bytes) -> None:
        """Take some, unless it is a head without an end."""
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._cut_after(HEAD_SECONDS_MAX)

    def on_headers_complete(self) -> None:
        """The head is whole; its body follows."""
        self._head_bytes = None
        self._cut_after(BODY_SECONDS_MAX)
        self._silent.pop(self, None)
        looked_after = self._path() in HEALTH
        self.limit_concurrency = None if looked_after else self.config.limit_concurrency
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """What comes next on it, if anything, is another request."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._silent[self] = None

    def on_message_complete(self) -> None:
        """The request is whole: from here on it is we who are waited for."""
        self._cut_after(None)
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Another protocol takes the connection over."""
        self._never_cut()
        self._silent.pop(self, None)
        if self._too_many():
            self.transport.write(_BUSY)
            self.transport.close()
        else:
            # See CONNECTIONS.
            Context().run(super().handle_websocket_upgrade)

    def _path(self) -> str:
        path = self.url.partition(b"?")[0]
        if not path.startswith(b"/"):  # a whole address, as it is sent to proxies
            path = urlsplit(self.url).path
        return path.decode("latin-1")

    def _cut_after(self, seconds: float | None) -> None:
        if seconds is None:
            self._deadline = None
            return
        self._deadline = deadline = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(deadline, self._look)

    def _never_cut(self) -> None:
        # A timer that is left alone would keep this object.
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Cut off a connection that is late; look again when another might be."""
        self._timer = None
        if self._deadline is None:
            return
        if self._deadline <= self.loop.time():
            self.transport.abort()
        else:
            self._timer = self.loop.call_at(self._deadline, self._look)

    def timeout_keep_alive_handler(self) -> None:
        """Idle for long. Closing waits for the rest of the last answer to be taken."""
        super().timeout_keep_alive_handler()
        self._untaken = self._untaken or _later(TAKE_SECONDS_MAX, self.transport)


class WebsocketConnection(_StalledPeerTimeout, WebSocketsSansIOProtocol):
    """A connection that messages come in on. There may be ten thousand of them, and most of the
    time nothing happens on most: so what one keeps meanwhile is little, and it has no timer.
    """

    _heartbeats: Heartbeats
    _answered = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **kwargs)
        self.queue = _Received()  # type: ignore[assignment]
        self.writable = _WRITABLE

    def pause_writing(self) -> None:
        """The peer has stopped reading."""
        self.writable = asyncio.Event()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The peer reads again."""
        super().resume_writing()
        self.writable = _WRITABLE

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self.resume_writing()
        super().connection_lost(exc)

    def start_keepalive(self) -> None:
        """The handshake is over; what it was about is not asked for again."""
        self.request.headers.clear()
        self.response.headers.clear()
        if self.ping_interval:
            self._heartbeats = _heartbeats_of(self.config, self.ping_interval)
            self._heartbeats.add(self)

    def stop_keepalive(self) -> None:
        """It is closed, or will be."""
        super().stop_keepalive()
        if self.ping_interval and self.handshake_complete:
            self._heartbeats.discard(self)

    def beat(self) -> None:
        """Ask whether the peer is there still, unless it has not answered the last time."""
        if self.transport.is_closing():
            return
        if not self._answered:
            self.keepalive_timeout()
            return
        self._answered = False
        self.transport.write(_PING)

    def handle_pong(self, event: Frame) -> None:  # noqa: ARG002 - uvicorn's
        """It is there."""
        self._answered = True

    def handle_ping(self) -> None:
        """Answer, unless the peer pings and pings and does not take the answers."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """It did not answer a ping, and may not take our word of closing either."""
        super().keepalive_timeout()
        _later(CLOSE_SECONDS_MAX, self.transport)


class _Received:
    """What has come in, for one reader: an asyncio.Queue at a tenth of its size."""

    __slots__ = ("_messages", "_reader")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:  # noqa: ANN401 - ASGI's
        self._messages.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:  # noqa: ANN401 - ASGI's
        while not self._messages:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._messages.pop(0)

    def empty(self) -> bool:
        return not self._messages


def _heartbeats_of(config: Config, seconds: float) -> Heartbeats:
    if config not in _heartbeats:
        _heartbeats[config] = Heartbeats(seconds)
    return _heartbeats[config]


def _later(seconds: float, transport: asyncio.Transport) -> TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, transport.abort)


#: uvicorn's options for both kinds of connection.
CONNECTIONS: Final[dict[str, Any]] = {
    "http": HttpConnection,
    "ws": WebsocketConnection,
    "ws_max_size": 64 * 1024,
    # Small messages hardly shrink, and a compressor costs memory for each of many sockets.
    "ws_per_message_deflate": False,
    # A connection goes on reading in the context of whoever took a large body from it, and what
    # comes next on it would begin with what that request had set: its caller, its transaction.
    "reset_contextvars": True,
}
