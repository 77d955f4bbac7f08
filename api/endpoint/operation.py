"""One operation of a websocket, from `subscribe` to `complete` or `error`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from api.endpoint.http import GraphQLRequest
    from api.endpoint.live import LiveSubscription, Response
    from api.endpoint.websocket import Socket

C = TypeVar("C")
Frame = dict[str, Any]


class Operation(Generic[C]):
    """One operation of a socket: its `Outgoing`."""

    __slots__ = ("ended", "id", "live", "socket", "task")

    def __init__(self, socket: Socket[C], id: str) -> None:
        self.socket = socket
        self.id = id
        self.ended = False
        #: While it executes; a live subscription goes on without a task.
        self.task: asyncio.Task[None] | None = None
        self.live: LiveSubscription[C] | None = None

    async def run(self, request: GraphQLRequest) -> None:
        """Executes it, and sends what comes of it."""
        context = await self.socket.caller(self)
        if context is None:
            self.forget()
            return
        endpoint = self.socket.endpoint
        request = await endpoint.found(request, context)
        self.live = await endpoint.answer(request, context, self)
        if self.live is not None:
            self.task = None
        else:
            await self._finish({"type": "complete", "id": self.id})

    async def send(self, response: Response) -> None:
        """See Outgoing."""
        if response.errors is not None:
            await self._finish(self._error(response))
        elif not self.ended:
            await self.socket.outlet.send(self._next(response))

    def push(self, response: Response) -> bool:
        """See Outgoing."""
        return self.socket.outlet.push(self._next(response))

    def when_free(self, call: Callable[[], None]) -> None:
        """See Outgoing."""
        self.socket.outlet.when_free(call)

    def end(self, response: Response) -> None:
        """See Outgoing."""
        if not self.ended:
            self.forget()
            self.socket.outlet.push(text(self._error(response)), always=True)

    async def _finish(self, last: Frame) -> None:
        # The client may use the id again as soon as it hears of the end.
        if not self.ended:
            self.forget()
            await self.socket.outlet.send(text(last))

    def stop(self) -> None:
        """Stop sending; a running mutation still completes."""
        self.forget()
        if self.live is not None:
            self.live.close()
        elif self.task is not None:
            self.task.cancel()

    def forget(self) -> None:
        """Remove it from the socket."""
        self.ended = True
        if self.socket.operations.get(self.id) is self:
            del self.socket.operations[self.id]

    def _error(self, response: Response) -> Frame:
        return {"type": "error", "id": self.id, "payload": response.errors}

    def _next(self, response: Response) -> Frame:
        payload = orjson.Fragment(response.json)
        return text({"type": "next", "id": self.id, "payload": payload})


def text(message: Frame) -> Frame:
    """A message of the protocol as the server sends it."""
    return {"type": "websocket.send", "text": orjson.dumps(message).decode()}
