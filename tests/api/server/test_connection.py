from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, aconnect_ws

from tests.support.small_endpoint import serving

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.once

#: More than uvicorn takes before somebody asks for it.
LARGE: Final = b"x" * 1_000_000

asked_by: ContextVar[str] = ContextVar("asked_by", default="nobody")


async def remembering(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells who asked, as far as this request knows, and then that it was Ada."""
    found = asked_by.get().encode()
    asked_by.set("ada")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"asked-by", found)]})
        await send({"type": "websocket.close"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": found})


async def test_what_one_request_has_set_is_unknown_to_the_next_on_its_connection() -> None:
    app: Any = remembering
    one = httpx.Limits(max_connections=1)
    async with serving(app) as address, httpx.AsyncClient(limits=one) as client:
        url = f"http://{address}/"
        said = [(await client.post(url, content=LARGE)).text for _ in range(3)]
        assert said == ["nobody"] * 3
        socket: AsyncWebSocketSession
        async with aconnect_ws(url.replace("http", "ws"), client) as socket:
            headers = cast("httpx.Response", socket.response).headers
            assert headers["asked-by"] == "nobody"
