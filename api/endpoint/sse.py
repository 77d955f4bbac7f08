"""GraphQL over server-sent events: graphql-sse's "distinct connections mode".

One POST, one operation, one stream (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md).
Lines end in LF alone: urql splits events on nothing else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from api.endpoint.live import Response
from api.endpoint.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive, Send

    from api.endpoint.endpoint import GraphQLEndpoint
    from api.endpoint.http import GraphQLRequest
    from api.endpoint.live import LiveSubscription

C = TypeVar("C")

HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    # nginx would hold events back until its buffer is full.
    (b"x-accel-buffering", b"no"),
]
COMPLETE: Final = b"event: complete\ndata: \n\n"
KEEP_ALIVE: Final = b":\n\n"


class EventStream(Generic[C]):
    """One stream. It is its operation's `Outgoing`, and has a heartbeat while it is open."""

    def __init__(
        self, endpoint: GraphQLEndpoint[C], request: GraphQLRequest, context: C, send: Send
    ) -> None:
        self.endpoint = endpoint
        self.request = request
        self.context = context
        self.outlet = Outlet(send)
        self.live: LiveSubscription[C] | None = None
        self.ended = False

    async def serve(self, receive: Receive) -> None:
        """Streams responses until they end, the client leaves, or its credentials become invalid.

        When the server is about to stop, a subscription breaks off: one that completed would not be
        resumed.
        """
        start = {"type": "http.response.start", "status": 200, "headers": HEADERS}
        await self.outlet.send(start)
        stops = self.endpoint.kind(self.request) == "subscription"
        if stops:
            self.endpoint.stopping.add(self._break_off)
        unwatch = self.endpoint.contexts.watch(self.context, self._sign_out)
        self.endpoint.heartbeats.add(self)
        work = asyncio.create_task(self._work())
        try:
            await until_disconnected(receive)
        finally:
            self.ended = True
            self.endpoint.heartbeats.discard(self)
            unwatch()
            self.endpoint.stopping.discard(self._break_off)
            work.cancel()
            await asyncio.wait({work})
            if self.live is not None:
                self.live.close()
            await self.outlet.close()

    async def _work(self) -> None:
        self.live = await self.endpoint.answer(self.request, self.context, self)
        if self.live is None:
            self._finish(COMPLETE)

    async def send(self, response: Response) -> None:
        """See Outgoing."""
        if not self.ended:
            await self.outlet.send(_part(_event(response)))

    def push(self, response: Response) -> bool:
        """See Outgoing."""
        return self.outlet.push(_part(_event(response)))

    def when_free(self, call: Callable[[], None]) -> None:
        """See Outgoing."""
        self.outlet.when_free(call)

    def end(self, response: Response) -> None:
        """See Outgoing."""
        self._finish(_event(response) + COMPLETE)

    def beat(self) -> None:
        """Keep proxies from taking the stream for dead."""
        self.outlet.push(_part(KEEP_ALIVE))

    def _sign_out(self) -> None:
        self._finish(_event(Response.of(self.endpoint.signed_out())) + COMPLETE)

    def _break_off(self) -> None:
        self._finish(b"")

    def _finish(self, last: bytes) -> None:
        """Send the last part; the server hears of nothing more to receive, and so `serve` ends."""
        if not self.ended:
            self.ended = True
            self.outlet.push({"type": "http.response.body", "body": last}, always=True)


async def until_disconnected(receive: Receive) -> None:
    """Returns when the client has gone, or has been answered."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _part(part: bytes) -> Message:
    return {"type": "http.response.body", "body": part, "more_body": True}


def _event(response: Response) -> bytes:
    return b"event: next\ndata: " + response.json + b"\n\n"
