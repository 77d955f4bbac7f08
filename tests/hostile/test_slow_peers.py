"""Who is slow, silent or in a hurry holds no place for long, and others are served meanwhile.

The bounds are shortened here, all but in the test that starts the server as a user does.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect

from api.server import connection
from api.server.connection import HttpConnection, WebsocketConnection
from tests.support.server.demo_server import open_demo_server
from tests.support.small_endpoint import edge, resolvers, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer
    from tests.support.servers import Databases

pytestmark = pytest.mark.once

SOON = 5.0
PROTOCOL: Any = ["graphql-transport-ws"]
HEAD = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#: Two KiB an event, faster than anybody's buffers grow.
FLOOD = (
    "subscription { ticks(to: 100000000) { "
    + " ".join(f"{'a' * 64}{n}: number" for n in range(29))
    + " } }"
)
GOOD = b'{"query": "{ hello }"}'


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    resolvers.reset()
    for name in ("HEAD", "BODY", "TAKE", "CLOSE"):
        monkeypatch.setattr(connection, f"{name}_SECONDS_MAX", 0.2)


@asynccontextmanager
async def server(app: Any = None, **how: Any) -> AsyncIterator[tuple[str, int]]:
    how = {"http": HttpConnection, "ws": WebsocketConnection, "timeout_keep_alive": 0.05, **how}
    async with serving(app or edge(connection_init_seconds_max=0.2), **how) as address:
        host, _, port = address.rpartition(":")
        yield host, int(port)


async def heard(
    address: tuple[str, int], *parts: bytes, pause: float = 0.0, within: float = SOON
) -> bytes:
    """What comes back until the server hangs up, when this is sent bit by bit."""
    reader, writer = await asyncio.open_connection(*address)
    received = asyncio.ensure_future(_all_of(reader))
    try:
        for part in parts:
            if received.done():
                break
            writer.write(part)
            await asyncio.sleep(pause)
        return await asyncio.wait_for(received, within)
    finally:
        received.cancel()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while part := await reader.read(65_536):
            received += part
    return received


def post(body: bytes, length: int | None = None) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body


async def test_a_good_request_is_answered() -> None:
    async with server() as address:
        assert b'{"data":{"hello":"hello world"}}' in await heard(address, post(GOOD))
        slowly = [post(GOOD)[n : n + 40] for n in range(0, len(post(GOOD)), 40)]
        assert b'"hello world"' in await heard(address, *slowly, pause=0.01)


@pytest.mark.parametrize(
    "drops",
    [
        [],
        [b"G"],
        [b"POST /graphql HTTP/1.1\r\nHost: x\r\n", *(b"X-Slow: %d\r\n" % n for n in range(99))],
        [*(bytes([byte]) for byte in post(GOOD))],
    ],
    ids=["silence", "a letter", "a header at a time", "a byte at a time"],
)
async def test_a_head_that_takes_too_long_is_cut(drops: list[bytes]) -> None:
    async with server() as address:
        assert await heard(address, *drops, pause=0.02) == b""


async def test_a_head_without_an_end_is_cut() -> None:
    async with server() as address:
        flood = [b"POST /graphql HTTP/1.1\r\n", *([b"X-Long: " + b"a" * 8000 + b"\r\n"] * 400)]
        assert await heard(address, *flood) == b""


async def test_a_second_head_must_come_as_fast_as_the_first() -> None:
    async with server() as address:
        answer = await heard(address, post(GOOD), HEAD, *([b"X: 1\r\n"] * 99), pause=0.02)
        assert answer.count(b"HTTP/1.1 200") == 1


async def test_a_body_that_takes_too_long_is_cut() -> None:
    async with server() as address:
        parts = [post(b"", 10_000), *([b" "] * 99)]
        assert await heard(address, *parts, pause=0.02) == b""


async def test_who_is_refused_early_does_not_go_on_sending_for_ever() -> None:
    async with server() as address:
        parts = [post(b"", 2**30), *([b" " * 100] * 99)]
        answer = await heard(address, *parts, pause=0.02)
        assert answer.startswith(b"HTTP/1.1 413")


async def test_who_does_not_read_a_stream_is_cut() -> None:
    app = edge()
    async with server(app) as address:
        query = json.dumps({"query": FLOOD}).encode()
        head = HEAD + b"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(query)
        peer = _deaf(address)
        peer.sendall(head + query)
        await _until(lambda: bool(app.subscriptions))
        await _until(lambda: not app.subscriptions)
        peer.close()


async def test_who_does_not_read_a_websocket_is_cut() -> None:
    app = edge()
    async with server(app) as address:
        peer = _deaf(address)
        await _upgrade(peer)
        _say(peer, {"type": "connection_init"})
        _say(peer, {"type": "subscribe", "id": "1", "payload": {"query": FLOOD}})
        await _until(lambda: bool(app.subscriptions))
        await _until(lambda: not app.subscriptions)
        peer.close()


async def test_who_pings_and_does_not_take_the_answers_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Not because time is up, but because answers would pile up here.
    monkeypatch.setattr(connection, "TAKE_SECONDS_MAX", 3600.0)
    async with server() as address:
        peer = _deaf(address)
        await _upgrade(peer)
        _say(peer, {"type": "connection_init"})
        ping = b"\x89\xfd" + bytes(4) + b"p" * 125
        with pytest.raises(OSError, match=r"(?i)reset|pipe"):
            await asyncio.wait_for(_flood(peer, ping * 1000), 2 * SOON)
        peer.close()


async def test_who_does_not_answer_a_ping_is_cut() -> None:
    async with server(edge(), ws_ping_interval=0.1, ws_ping_timeout=0.1) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(_UPGRADE)
        writer.write(_frame({"type": "connection_init"}))
        received = await asyncio.wait_for(_all_of(reader), SOON)
        assert b"101 Switching Protocols" in received
        assert b"\x03\xf3keepalive ping timeout" in received  # 1011
        writer.close()


async def test_silent_sockets_are_closed_and_others_served_meanwhile() -> None:
    async with server() as (host, port):
        sockets = [
            await connect(f"ws://{host}:{port}/graphql", subprotocols=PROTOCOL) for _ in range(100)
        ]
        assert b"hello world" in await heard((host, port), post(GOOD))
        for one in sockets:
            await asyncio.wait_for(one.wait_closed(), SOON)
        assert {one.close_code for one in sockets} == {4408}


async def test_subscribing_and_leaving_over_and_over_leaves_nothing_behind() -> None:
    app = edge()
    async with (
        serving(app, http=HttpConnection, ws=WebsocketConnection) as address,
        connect(f"ws://{address}/graphql", subprotocols=PROTOCOL) as client,
    ):
        await client.send('{"type": "connection_init"}')
        await client.recv()
        before = len(asyncio.all_tasks())
        for n in range(300):
            query = {"query": "subscription { balance }"}
            await client.send(json.dumps({"type": "subscribe", "id": str(n), "payload": query}))
            await client.send(json.dumps({"type": "complete", "id": str(n)}))
        await client.send('{"type": "ping"}')
        while json.loads(await client.recv())["type"] != "pong":
            pass
        await _until(lambda: len(asyncio.all_tasks()) <= before and not app.subscriptions)


async def test_subscriptions_of_a_caller_are_bounded_over_all_its_sockets() -> None:
    app = edge(subscriptions_per_caller_max=3)
    object.__setattr__(app.contexts, "caller", lambda context: context.user)
    resolvers.tokens = {"good", "other"}
    async with serving(app) as address:

        async def subscribe(*, user: bool = True) -> tuple[Any, str]:
            client = await connect(f"ws://{address}/graphql", subprotocols=PROTOCOL)
            payload = {"authorization": "good"} if user else {}
            await client.send(json.dumps({"type": "connection_init", "payload": payload}))
            await client.recv()
            query = {"query": "subscription { balance }"}
            await client.send(json.dumps({"type": "subscribe", "id": "1", "payload": query}))
            message = json.loads(await asyncio.wait_for(client.recv(), SOON))
            return client, str(message.get("payload"))

        opened = [await subscribe() for _ in range(3)]
        assert all("balance" in said for _, said in opened)
        refused, said = await subscribe()
        assert "LIMIT_EXCEEDED" in said
        stranger, said = await subscribe(user=False)
        assert "balance" in said
        await opened[0][0].close()
        await _until(lambda: app.subscriptions["ada"] == 2)
        again, said = await subscribe()
        assert "balance" in said
        for client in (again, refused, stranger, *(client for client, _ in opened)):
            await client.close()


# ------------------------------------------------------------------------------- a deaf peer

_UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


def _deaf(address: tuple[str, int]) -> socket.socket:
    """A peer that takes almost nothing."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(address)
    peer.setblocking(False)  # noqa: FBT003 - the socket's own
    return peer


async def _upgrade(peer: socket.socket) -> None:
    peer.sendall(_UPGRADE)
    accepted = await asyncio.get_running_loop().sock_recv(peer, 4096)
    assert accepted.startswith(b"HTTP/1.1 101")


def _say(peer: socket.socket, message: dict[str, Any]) -> None:
    peer.sendall(_frame(message))


def _frame(message: dict[str, Any]) -> bytes:
    text = json.dumps(message).encode()
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2)
    return b"\x81" + size + bytes(4) + text


async def _flood(peer: socket.socket, data: bytes) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(peer, data)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not done():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


# ------------------------------------------------------------------------------- as it is served


@pytest.mark.sqlite_only
def test_five_hundred_slow_peers_are_cut_by_the_server_as_it_is_started(
    tmp_path: Path, databases: Databases
) -> None:
    with open_demo_server(tmp_path, databases) as demo_server, asyncio.Runner() as runner:
        client = demo_server.new_client()
        page = client.begin(client.add_funds("25.00"))["nextAction"]["url"]
        _leave_in_the_middle_of_a_form(demo_server, page)
        runner.run(_besieged(demo_server, client))
    assert '"status":400' in demo_server.log.read_text()


def _leave_in_the_middle_of_a_form(demo_server: DemoServer, page: str) -> None:
    """No fault of ours, and not to be logged as one."""
    head = f"POST {page.removeprefix(demo_server.url)}/approve HTTP/1.1\r\nHost: x\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 999\r\n\r\namount=1"
    with socket.create_connection(("127.0.0.1", demo_server.port)) as peer:
        peer.sendall((head + form).encode())


async def _besieged(demo_server: DemoServer, client: Portal) -> None:
    await asyncio.gather(_crowd(demo_server), _is_served(client))


async def _crowd(demo_server: DemoServer) -> None:
    """All are gone a little after the ten seconds that a head or connection_init may take."""
    address = ("127.0.0.1", demo_server.port)
    began = asyncio.get_running_loop().time()
    drops = [b"POST /graphql HTTP/1.1\r\nHost: x\r\n"] * 250 + [_UPGRADE] * 250
    answers = await asyncio.gather(*(heard(address, drop, within=25) for drop in drops))
    assert asyncio.get_running_loop().time() - began > 8
    assert answers[:250] == [b""] * 250
    assert all(b"\x11\x38" in answer for answer in answers[250:])  # 4408


async def _is_served(client: Portal) -> None:
    for _ in range(20):
        assert (await asyncio.to_thread(client.balance))["available"] == "0.00"
        await asyncio.sleep(0.2)
