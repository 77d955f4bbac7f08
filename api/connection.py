"""Uvicorn's HTTP connection, with the patience that it lacks.

Uvicorn bounds how long a connection may be idle between requests, and nothing else. Here the head
of a request comes within seconds and KiB, its body within seconds, and whoever is answered reads
the answer. A peer that is slower is cut off, so that none holds a place for long. Websockets are
uvicorn's from their upgrade on: it pings them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import TimerHandle

#: From the connection, or a request's first byte, to the end of its head.
HEAD_SECONDS_MAX: Final = 10.0
HEAD_BYTES_MAX: Final = 64 * 1024
#: From the end of the head, or from an answer that did not wait for the body, to the body's end.
BODY_SECONDS_MAX: Final = 20.0
#: For the peer to take what fills the buffers on the way to it.
READ_SECONDS_MAX: Final = 60.0


class PatientConnection(HttpToolsProtocol):
    """See the module."""

    _hurry: TimerHandle | None = None
    _unread: TimerHandle | None = None
    _head_bytes: int | None = 0
    """So far; None where no head is coming in."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited from here on."""
        super().connection_made(transport)
        self._expect_within(HEAD_SECONDS_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._expect_within(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some, as long as it is no endless head."""
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._cut()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._expect_within(HEAD_SECONDS_MAX)

    def on_headers_complete(self) -> None:
        """The head is whole, and its body begins."""
        self._head_bytes = None
        self._expect_within(BODY_SECONDS_MAX)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: from here on it is us who are waited for."""
        self._expect_within(None)
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Another protocol takes the connection."""
        self._expect_within(None)
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """The peer does not read as fast as it is told."""
        super().pause_writing()
        self._unread = self._unread or self._later(READ_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _expect_within(self, seconds: float | None) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
        self._hurry = None if seconds is None else self._later(seconds, self._cut)

    def _later(self, seconds: float, what: Callable[[], None]) -> TimerHandle:
        return self.loop.call_later(seconds, what)

    def _cut(self) -> None:
        self._expect_within(None)
        if not self.transport.is_closing():
            self.transport.close()
