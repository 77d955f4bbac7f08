"""A websocket to the small endpoint."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect

from tests.support.small_endpoint import Context, edge, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.typing import Subprotocol

    from api.endpoint.endpoint import GraphQLEndpoint


PROTOCOL: Any = "graphql-transport-ws"


Message = dict[str, Any]


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, *messages: Message) -> None:
        for message in messages:
            await self.socket.send(json.dumps(message))

    async def receive(self) -> Message:
        text = await asyncio.wait_for(self.socket.recv(), 5)
        assert isinstance(text, str)
        message: Message = json.loads(text)
        return message

    async def closed(self) -> int:
        await asyncio.wait_for(self.socket.wait_closed(), 5)
        assert self.socket.close_code is not None
        return self.socket.close_code

    async def run(self, query: str, operation_id: str = "1", **more: Any) -> list[Message]:
        await self.send(subscribe(query, operation_id, **more))
        messages = [await self.receive()]
        while messages[-1]["type"] == "next":
            messages.append(await self.receive())
        assert {message["id"] for message in messages} == {operation_id}
        return messages


def subscribe(query: str, operation_id: str = "1", **more: Any) -> Message:
    return {"type": "subscribe", "id": operation_id, "payload": {"query": query, **more}}


@asynccontextmanager
async def opened(
    app: GraphQLEndpoint[Context] | None = None,
    protocol: Subprotocol | None = PROTOCOL,
    **headers: str,
) -> AsyncIterator[Client]:
    async with (
        serving(app or edge()) as address,
        connect(
            f"ws://{address}/graphql",
            subprotocols=[protocol] if protocol else None,
            additional_headers=headers,
        ) as socket,
    ):
        yield Client(socket)


@asynccontextmanager
async def connected(
    app: GraphQLEndpoint[Context] | None = None, **params: Any
) -> AsyncIterator[Client]:
    async with opened(app) as client:
        await client.send({"type": "connection_init", "payload": params})
        assert await client.receive() == {"type": "connection_ack"}
        yield client
