"""Sockets that nobody has signed in on are few and short, and health is answered meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.server.connection import SPARE, HttpConnection, WebsocketConnection
from tests.support.server.demo_server import open_demo_server
from tests.support.small_endpoint import edge, resolvers, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from api.endpoint.endpoint import GraphQLEndpoint
    from tests.support.servers import Databases

pytestmark = pytest.mark.once

SOON: Final = 5.0
PROTOCOL: Any = ["graphql-transport-ws"]


@pytest.fixture(autouse=True)
def fresh() -> None:
    resolvers.reset()


def endpoint(**options: Any) -> GraphQLEndpoint[Any]:
    app = edge(**options)
    object.__setattr__(app.contexts, "caller", lambda context: context.user)
    object.__setattr__(app.contexts, "signed_in", lambda context: context.user is not None)
    return app


@asynccontextmanager
async def server(app: GraphQLEndpoint[Any], **how: Any) -> AsyncIterator[Callable[..., Any]]:
    """Opens sockets: `await opened(init=True, token=None, address=None)`; all are closed."""
    async with (
        serving(app, http=HttpConnection, ws=WebsocketConnection, **how) as host,
        AsyncExitStack() as sockets,
    ):

        async def opened(
            *, init: bool = True, token: str | None = None, address: str | None = None
        ) -> Any:
            headers = {"x-forwarded-for": address} if address else None
            one = await sockets.enter_async_context(
                connect(f"ws://{host}/graphql", subprotocols=PROTOCOL, additional_headers=headers)
            )
            if init:
                payload = {"authorization": token} if token else {}
                await one.send(json.dumps({"type": "connection_init", "payload": payload}))
                assert json.loads(await one.recv())["type"] == "connection_ack"
            return one

        yield opened


async def refused(opened: Callable[..., Any], **how: Any) -> bool:
    status = 101
    try:
        await opened(**how)
    except InvalidStatus as answer:
        status = answer.response.status_code
    return status == 429


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not done():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def asked(one: Any, query: str, id: str = "1") -> str:
    await one.send(json.dumps({"type": "subscribe", "id": id, "payload": {"query": query}}))
    return str(json.loads(await asyncio.wait_for(one.recv(), SOON))["type"])


async def is_open(one: Any) -> bool:
    await one.send('{"type": "ping"}')
    return bool(json.loads(await asyncio.wait_for(one.recv(), SOON))["type"] == "pong")


async def code_of(one: Any) -> int:
    """With what it was closed; pings do not keep it open."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(SOON):
            while True:
                await one.send('{"type": "ping"}')
                await one.recv()
                await asyncio.sleep(0.01)
    code: int = one.close_code
    return code


async def test_an_address_has_so_many_sockets_that_nobody_signed_in_on() -> None:
    app = endpoint(strangers_per_address_max=3)
    async with server(app) as opened:
        silent, first, second = await opened(init=False), await opened(), await opened()
        assert await refused(opened)
        assert await refused(opened, init=False)
        assert await refused(opened, token="good"), "who it is, is not known before it is in"
        assert await asked(first, "{ hello }") == "next"
        await second.close()
        await until(lambda: app.strangers.total() == 2)
        mine = await opened(token="good")
        others = [await opened(token="good") for _ in range(3)]  # no strangers any more
        assert app.strangers.total() == 2
        await silent.close()
        await until(lambda: app.strangers.total() == 1)
        assert all([await is_open(one) for one in (mine, *others)])
    await until(lambda: not app.strangers and not app.sockets)


async def test_a_credential_that_is_no_good_gives_its_place_back() -> None:
    app = endpoint(strangers_per_address_max=1)
    async with server(app) as opened:
        for _ in range(3):
            one = await opened(init=False)
            await one.send('{"type": "connection_init", "payload": {"authorization": "bad"}}')
            assert await code_of(one) == 4403
            await until(lambda: not app.strangers)


async def test_a_network_of_ipv6_is_one_address_and_proxies_are_believed_when_told() -> None:
    app = endpoint(strangers_per_address_max=1)
    async with server(app, proxy_headers=True, forwarded_allow_ips="127.0.0.1") as opened:
        await opened(address="2001:db8:1:2::1")
        assert await refused(opened, address="2001:db8:1:2:ffff::9")
        await opened(address="2001:db8:1:3::1")
        await opened(address="192.0.2.1")
        assert await refused(opened, address="::ffff:192.0.2.1")
        await opened(address="192.0.2.2")
        await opened()
    async with server(app, proxy_headers=False) as opened:
        await opened(address="192.0.2.3")
        assert await refused(opened, address="192.0.2.4")


async def test_a_socket_without_an_operation_is_closed_where_nobody_signed_in() -> None:
    app = endpoint(stranger_idle_seconds_max=0.2)
    async with server(app) as opened:
        mine = await opened(token="good")
        assert await code_of(await opened()) == 4408
        after = await opened()
        assert await asked(after, "{ hello }") == "next"
        await after.recv()
        assert await code_of(after) == 4408
        assert await is_open(mine), "who has signed in may wait"


async def test_what_is_under_way_is_no_idleness() -> None:
    app = endpoint(stranger_idle_seconds_max=0.1)
    async with server(app) as opened:
        busy = await opened()
        query = {"query": "{ slow }"}
        await busy.send(json.dumps({"type": "subscribe", "id": "1", "payload": query}))
        await resolvers.began.wait()
        assert await code_of(await opened()) == 4408  # one that came later is gone by now
        assert await is_open(busy)
        resolvers.gate.set()
        assert json.loads(await busy.recv())["type"] == "next"
        await busy.recv()
        assert await code_of(busy) == 4408


async def test_a_caller_has_so_many_sockets() -> None:
    resolvers.tokens = {"good"}
    app = endpoint(sockets_per_caller_max=2)
    async with server(app) as opened:
        first, second = [await opened(token="good") for _ in range(2)]
        third = await opened(init=False)
        await third.send('{"type": "connection_init", "payload": {"authorization": "good"}}')
        assert await code_of(third) == 1013
        assert await is_open(second)
        await first.close()
        await until(lambda: app.sockets.total() == 1)
        assert await is_open(await opened(token="good"))


# ------------------------------------------------------------------------------- health


@pytest.mark.sqlite_only
def test_health_is_answered_however_many_connections_there_are(
    tmp_path: Path, databases: Databases
) -> None:
    """Sockets up to the bound, silent connections far beyond it, half heads, and requests."""
    with (
        open_demo_server(tmp_path, databases, CONNECTIONS_MAX="20") as demo_server,
        ExitStack() as peers,
    ):
        upgrade = (
            b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )

        def peer(says: bytes) -> socket.socket:
            one = peers.enter_context(socket.create_connection(("127.0.0.1", demo_server.port)))
            one.sendall(says)
            return one

        held = [peer(upgrade) for _ in range(25)]
        answers = [one.recv(12) for one in held]
        assert answers.count(b"HTTP/1.1 101") >= 15
        assert b"HTTP/1.1 503" in answers, "websockets are connections as well"
        for n in range(SPARE + 100):
            peer(b"POST /graphql HTTP/1.1\r\nHost: x\r\n" if n % 2 else b"")
            if n % 20 == 0:
                for path in ("/healthz", "/readyz"):
                    assert httpx.get(f"{demo_server.url}{path}", timeout=SOON).status_code == 200
        refused = httpx.post(f"{demo_server.url}/graphql", json={"query": "{ viewer { role } }"})
        assert refused.status_code == 503
        with pytest.raises(InvalidStatus):
            asyncio.run(_upgraded(demo_server.port))
    # All have gone: the next is served.


async def _upgraded(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=PROTOCOL):
        pass
