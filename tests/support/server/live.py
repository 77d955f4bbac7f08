"""What is pushed: over websockets (graphql-transport-ws) and as server-sent events."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from httpx_ws import WebSocketSession, connect_ws

from tests.support.server.api_client import BALANCE, INVOICE, Answer, Portal, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Next = Callable[[], Answer]
    Transport = Callable[..., AbstractContextManager[Next]]

SECONDS = 20.0
CREDIT = f"""subscription ($afterVersion: Int) {{
  creditUpdated(afterVersion: $afterVersion) {{
    {BALANCE} transaction {{ kind amount {{ amount }} version }}
  }}
}}"""
INVOICE_OF = (
    f"subscription ($id: ID!) {{ invoiceUpdated(id: $id) {INVOICE.removeprefix('invoice')} }}"
)


@contextmanager
def watching(portal: Portal, document: str, **variables: object) -> Iterator[Next]:
    """Each call waits for the next message on a websocket. Leaving drops the connection."""
    socket: WebSocketSession
    with connect_ws(
        f"{portal.url}/graphql", portal.http, subprotocols=["graphql-transport-ws"]
    ) as socket:
        payload = {"authorization": f"Bearer {portal.token}"} if portal.token else {}
        socket.send_json({"type": "connection_init", "payload": payload})
        assert socket.receive_json(SECONDS) == {"type": "connection_ack"}
        asked = {"query": document, "variables": variables}
        socket.send_json({"type": "subscribe", "id": "1", "payload": asked})

        def next_message() -> Answer:
            message: Any = socket.receive_json(SECONDS)
            assert message["type"] == "next", message
            return _data(message["payload"])

        yield next_message


@contextmanager
def streaming(portal: Portal, document: str, **variables: object) -> Iterator[Next]:
    """The same as server-sent events."""
    with portal.http.stream(
        "POST",
        f"{portal.url}/graphql",
        json={"query": document, "variables": variables},
        headers={"accept": "text/event-stream", **portal.headers},
        timeout=SECONDS,
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()

        def next_event() -> Answer:
            for line in lines:
                if line.startswith("data:") and len(line) > len("data: "):
                    return _data(json.loads(line.removeprefix("data:")))
            raise AssertionError("the stream has ended")

        yield next_event


def _data(payload: Answer) -> Answer:
    assert "errors" not in payload, payload
    [pushed] = payload["data"].values()
    shown: Answer = plain(pushed)
    return shown
