"""What is said when more is asked for than can be done."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from api.middleware import Unhurried
from models import base


async def done(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def app(waiting_max: int) -> Starlette:
    return Starlette(
        routes=[Route("/", done, methods=["GET", "POST"]), WebSocketRoute("/ws", talk)],
        middleware=[Middleware(Unhurried, waiting_max=waiting_max)],
    )


@pytest.mark.usefixtures("db")
async def test_while_too_much_waits_new_work_is_put_off_and_reading_goes_on() -> None:
    free = asyncio.Event()
    task = base.begin(free.wait)
    assert base.backlog() == 1
    transport = httpx.ASGITransport(app(1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        refused = await http.post("/", json={})
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        [error] = refused.json()["errors"]
        assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
        assert (await http.get("/")).status_code == 200
        free.set()
        await task
        await asyncio.sleep(0)
        assert (await http.post("/", json={})).status_code == 200


async def test_while_too_much_waits_no_socket_is_opened() -> None:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b""}
    await Unhurried(app(1), waiting_max=0)(scope, receive, send)
    assert said == [{"type": "websocket.close", "code": 1013}]
