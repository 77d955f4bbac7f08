"""What is sent to one client, message by message."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Send

#: Messages that may wait for a client that does not take them: one for each operation of a socket.
WAITING_MAX: Final = 64
#: Errors that servers raise when the client has disconnected; the reader notices too.
_GONE: Final = (OSError, RuntimeError)


class Outlet:
    """The queue of one client. Pushing never waits for the client, and the queue is bounded: while
    it is full, messages are refused.
    """

    __slots__ = ("_refused", "_send", "_sending", "_waiting")

    def __init__(self, send: Send) -> None:
        self._send = send
        #: Each with the future of its sender, if one waits; the first is being sent.
        self._waiting: list[tuple[Message, asyncio.Future[None] | None]] = []
        self._sending: asyncio.Task[None] | None = None
        #: Whom to call once messages are taken again.
        self._refused: list[Callable[[], None]] = []

    def push(self, message: Message, *, always: bool = False) -> bool:
        """Send this soon. False, and nothing is sent, where the client is behind: `when_free`."""
        if len(self._waiting) >= WAITING_MAX and not always:
            return False
        self._waiting.append((message, None))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return True

    def when_free(self, call: Callable[[], None]) -> None:
        """Call this once messages are taken again."""
        self._refused.append(call)

    async def send(self, message: Message) -> None:
        """Returns when it, and all that was pushed before it, has been sent, or the client has
        gone.
        """
        if self._sending is None:
            with suppress(*_GONE):
                await self._send(message)
            return
        waiting = message, asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting[1]
        except asyncio.CancelledError:
            if waiting in self._waiting[1:]:
                self._waiting.remove(waiting)
            raise

    async def close(self) -> None:
        """Nothing more is sent."""
        self._refused.clear()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
        self._let_all_go()

    async def _send_all(self) -> None:
        try:
            with suppress(*_GONE):
                while self._waiting:
                    await self._send(self._waiting[0][0])
                    _tell(self._waiting.pop(0))
        finally:
            self._sending = None
            self._let_all_go()
        refused, self._refused = self._refused, []
        for call in refused:
            call()

    def _let_all_go(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            _tell(one)


def _tell(sent: tuple[Message, asyncio.Future[None] | None]) -> None:
    """Lets those that wait for it continue."""
    if sent[1] is not None and not sent[1].done():
        sent[1].set_result(None)
