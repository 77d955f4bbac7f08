"""Live subscriptions: what one costs while nothing happens, and how it begins and ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from schema.engine.guard import Guard
from tests.support.small_endpoint import Context, edge, resolvers, serving
from tests.support.small_websocket import connected, subscribe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from api.endpoint.endpoint import GraphQLEndpoint
    from tests.support.small_websocket import Client

pytestmark = pytest.mark.once

NEWS = "subscription News { news }"


@pytest.fixture(autouse=True)
async def watching() -> AsyncIterator[None]:
    resolvers.reset()
    async with resolvers.watchers.running():
        yield


def happens(newest: int) -> None:
    resolvers.newest = newest
    resolvers.watchers.ring({"news"})


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)


async def settled() -> None:
    """All have read what there is, and wait."""
    listeners = resolvers.watchers._topics["news"]
    await until(lambda: all(one.is_ready for one in listeners))


async def numbers(client: Client, count: int) -> list[tuple[str, int]]:
    """The ids and what they tell, of that many messages."""
    messages = [await client.receive() for _ in range(count)]
    return [(message["id"], message["payload"]["data"]["news"]) for message in messages]


async def test_the_present_comes_at_once_and_then_every_change() -> None:
    async with connected() as client:
        await client.send(subscribe(NEWS))
        assert await numbers(client, 1) == [("1", 0)]
        happens(2)
        assert await numbers(client, 2) == [("1", 1), ("1", 2)]


async def test_a_subscription_that_waits_has_no_task() -> None:
    async with connected(edge(operations_per_socket_max=40)) as client:
        await client.send({"type": "ping"})
        await client.receive()
        before = len(asyncio.all_tasks())
        for n in range(40):
            await client.send(subscribe(NEWS, str(n)))
        await numbers(client, 40)
        await until(lambda: len(asyncio.all_tasks()) <= before)
        happens(1)
        assert sorted(await numbers(client, 40)) == sorted((str(n), 1) for n in range(40))
        assert resolvers.watchers.listeners == 40


async def test_what_is_completed_is_over_and_its_place_is_free() -> None:
    seen: list[tuple[str, str, bool]] = []
    guard = Guard(observe=lambda kind, name, _seconds, ok: seen.append((kind, name, ok)))
    app = edge(guard, operations_per_socket_max=1)
    async with connected(app) as client:
        await client.send(subscribe(NEWS))
        await numbers(client, 1)
        [refused] = await client.run("{ hello }", "2")
        assert refused["payload"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
        await client.send({"type": "complete", "id": "1"})
        await until(lambda: resolvers.watchers.listeners == 0)
        assert not app.subscriptions
        assert seen == [("subscription", "News", True)]
        happens(1)
        assert (await client.run("{ hello }", "1"))[-1]["type"] == "complete"


async def test_what_its_client_leaves_is_over() -> None:
    app = edge()
    async with connected(app) as client:
        await client.send(subscribe(NEWS))
        await numbers(client, 1)
        await client.socket.close()
        await until(lambda: resolvers.watchers.listeners == 0 and not app.subscriptions)


async def test_what_cannot_go_on_ends_with_an_error() -> None:
    async with connected() as client:
        await client.send(subscribe(NEWS))
        await numbers(client, 1)
        happens(-1)
        message = await client.receive()
        assert (message["type"], message["id"]) == ("error", "1")
        assert message["payload"][0]["extensions"] == {"code": "FORBIDDEN"}
        assert resolvers.watchers.listeners == 0
        [refused] = await client.run(NEWS)
        assert refused["type"] == "error"


async def test_a_credential_that_ends_ends_them_all() -> None:
    app = edge()
    async with connected(app) as client:
        for n in range(3):
            await client.send(subscribe(NEWS, str(n)))
        await numbers(client, 3)
        [ended] = resolvers.watched
        ended()
        errors = [await client.receive() for _ in range(3)]
        assert {error["payload"][0]["extensions"]["code"] for error in errors} == {
            "UNAUTHENTICATED"
        }
        assert await client.closed() == 4403
    assert resolvers.watchers.listeners == 0
    assert not app.subscriptions


@asynccontextmanager
async def stream(app: GraphQLEndpoint[Context]) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of an event stream that are not empty."""
    async with (
        serving(app) as address,
        httpx.AsyncClient() as client,
        client.stream(
            "POST",
            f"http://{address}/graphql",
            json={"query": NEWS},
            headers={"accept": "text/event-stream"},
        ) as response,
    ):
        yield (line async for line in response.aiter_lines() if line)


async def test_event_streams_do_the_same() -> None:
    app = edge()
    async with stream(app) as lines:
        assert [await anext(lines) for _ in range(2)] == [
            "event: next",
            'data: {"data":{"news":0}}',
        ]
        happens(1)
        assert [await anext(lines) for _ in range(2)] == [
            "event: next",
            'data: {"data":{"news":1}}',
        ]
        happens(-1)
        rest = [line async for line in lines]
    assert json.loads(rest[1].removeprefix("data: "))["errors"][0]["extensions"] == {
        "code": "FORBIDDEN"
    }
    assert rest[-2:] == ["event: complete", "data: "]
    await until(lambda: resolvers.watchers.listeners == 0 and not app.subscriptions)


async def test_a_stream_breaks_off_when_the_server_stops() -> None:
    app = edge()
    async with stream(app) as lines:
        await anext(lines)
        app.stopping.set()
        rest = [line async for line in lines]
    assert rest == ['data: {"data":{"news":0}}'], "one that completed would not be resumed"
    await until(lambda: resolvers.watchers.listeners == 0)


async def test_equal_subscriptions_of_one_viewer_are_executed_once() -> None:
    app = edge(operations_per_socket_max=10)
    shown: list[Any] = []
    app.contexts = replace(app.contexts, viewer=lambda context: context.user, forget=shown.append)
    async with connected(app) as client:
        for n in range(10):
            await client.send(subscribe(NEWS if n < 7 else f"{NEWS} #", str(n)))
        await numbers(client, 10)
        await settled()
        shown.clear()
        happens(1)
        await numbers(client, 10)
        assert len(shown) == 2
