"""GraphQL over server-sent events: graphql-sse's "distinct connections mode".

One POST, one operation, one stream (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md).
Lines end in LF alone: urql splits events on nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Send

from api.endpoint.http import encode

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    # nginx would hold events back until its buffer is full.
    (b"x-accel-buffering", b"no"),
]
COMPLETE = b"event: complete\ndata: \n\n"
KEEP_ALIVE = b":\n\n"


async def send_events(
    bodies: AsyncGenerator[dict[str, Any], None],
    receive: Receive,
    send: Send,
    *,
    revoked: Awaitable[dict[str, Any]],
    stopping: Awaitable[object],
    keep_alive_seconds: float,
) -> None:
    """Streams response bodies until they end, the client leaves, or `revoked` gives a last one.

    When the server is `stopping` the stream breaks off: one that completed would not be resumed.
    """
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    pump = asyncio.ensure_future(_pump(bodies, send))
    verdict = asyncio.ensure_future(revoked)
    others = [
        asyncio.ensure_future(_keep_alive(send, keep_alive_seconds)),
        asyncio.ensure_future(until_disconnected(receive)),
        asyncio.ensure_future(stopping),
    ]
    tasks = [pump, verdict, *others]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        last = b"" if pump.done() or not verdict.done() else _event(verdict.result()) + COMPLETE
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await send({"type": "http.response.body", "body": last})


async def _pump(bodies: AsyncGenerator[dict[str, Any], None], send: Send) -> None:
    async with aclosing(bodies):
        async for body in bodies:
            await _send_part(send, _event(body))
    await _send_part(send, COMPLETE)


async def _keep_alive(send: Send, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await _send_part(send, KEEP_ALIVE)


async def until_disconnected(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


def _event(body: dict[str, Any]) -> bytes:
    return b"event: next\ndata: " + encode(body) + b"\n\n"
