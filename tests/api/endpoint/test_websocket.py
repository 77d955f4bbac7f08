from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from graphql import GraphQLError
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from api.endpoint.websocket import credential_of
from tests.support.small_endpoint import Context, edge, resolvers
from tests.support.small_websocket import PROTOCOL, connected, opened, subscribe

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def new_world() -> None:
    resolvers.reset()


async def test_queries_mutations_and_subscriptions_share_a_socket() -> None:
    resolvers.gate.set()
    async with connected() as client:
        assert await client.run(
            "query ($n: String!) { hello(name: $n) }", variables={"n": "x"}
        ) == [
            {"type": "next", "id": "1", "payload": {"data": {"hello": "hello x"}}},
            {"type": "complete", "id": "1"},
        ]
        assert (await client.run("mutation { deposit }", "2"))[0]["payload"] == {
            "data": {"deposit": 1}
        }
        ticks = await client.run("subscription { ticks(to: 3) { number } }")
        numbers = [message["payload"]["data"]["ticks"]["number"] for message in ticks[:-1]]
        assert (numbers, ticks[-1]["type"]) == ([0, 1, 2], "complete")


async def test_every_operation_and_every_event_has_fresh_loaders() -> None:
    async with connected() as client:
        for _ in range(2):
            assert (await client.run("{ loads }"))[0]["payload"] == {"data": {"loads": 1}}
        ticks = await client.run("subscription { ticks(to: 3) { loads } }")
        assert [tick["payload"]["data"]["ticks"]["loads"] for tick in ticks[:-1]] == [1, 1, 1]


@pytest.mark.parametrize(
    "params",
    [
        {"authorization": "Bearer good"},
        {"Authorization": "bearer good"},
        {"authorization": "good"},
        {"apiKey": "good"},
    ],
    ids=str,
)
async def test_a_credential_comes_in_connection_init(params: dict[str, Any]) -> None:
    async with connected(**params) as client:
        assert (await client.run("{ user }"))[0]["payload"] == {"data": {"user": "ada"}}


async def test_a_credential_comes_in_the_cookie_of_the_upgrade() -> None:
    async with opened(cookie="session=good") as client:
        await client.send({"type": "connection_init"})
        assert await client.receive() == {"type": "connection_ack"}
        assert (await client.run("{ user }"))[0]["payload"] == {"data": {"user": "ada"}}


@pytest.mark.parametrize(
    "params", [{"authorization": "Bearer stolen"}, {"apiKey": "x"}, {"authorization": 5}], ids=str
)
async def test_a_refused_credential_closes_with_4403(params: dict[str, object]) -> None:
    async with opened() as client:
        await client.send({"type": "connection_init", "payload": params})
        assert await client.closed() == 4403
    async with opened(cookie="session=stolen") as client:
        await client.send({"type": "connection_init"})
        assert await client.closed() == 4403


async def test_a_broken_authentication_is_masked() -> None:
    async def broken(_connection: object) -> Context:
        raise OSError("secret database address")

    endpoint = edge()
    endpoint.contexts = replace(endpoint.contexts, make=broken)
    with capture_logs() as logs:
        async with opened(endpoint) as client:
            await client.send({"type": "connection_init"})
            assert await client.closed() == 4500
    assert client.socket.close_reason is not None
    assert "secret" not in client.socket.close_reason
    assert [log["event"] for log in logs] == ["graphql_internal_error"]


async def test_a_socket_closes_when_its_session_ends() -> None:
    async with connected(authorization="good") as client:
        await client.send(subscribe("subscription { balance }"))
        assert (await client.receive())["payload"] == {"data": {"balance": 1}}
        [ended] = resolvers.watched
        ended()
        assert (await client.receive())["payload"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert await client.closed() == 4403
        await asyncio.wait_for(resolvers.stopped.wait(), 5)
    assert resolvers.watched == []


async def test_a_silent_socket_is_closed_with_4408() -> None:
    async with opened(edge(connection_init_seconds_max=0.05)) as client:
        await client.send({"type": "ping"})
        assert await client.receive() == {"type": "pong"}
        assert await client.closed() == 4408


async def test_foreign_pages_and_legacy_clients_are_refused_in_the_handshake() -> None:
    async def status(**how: Any) -> int:
        app = edge(allowed_origins=frozenset({"https://shop.test"}))
        with pytest.raises(InvalidStatus) as caught:
            async with opened(app, **how):
                pass
        return caught.value.response.status_code

    assert await status(origin="https://evil.test") == 403
    assert await status(origin="null") == 403
    legacy: Any = "graphql-ws"
    assert await status(protocol=legacy) == 400
    assert await status(protocol=None) == 400
    async with opened(
        edge(allowed_origins=frozenset({"https://shop.test"})), origin="https://shop.test"
    ) as client:
        assert client.socket.subprotocol == PROTOCOL


@pytest.mark.parametrize(
    ("raw", "close_code"),
    [
        ("{", 4400),
        ("null", 4400),
        ("[]", 4400),
        ('"x"', 4400),
        ("[" * 50_000, 4400),
        (b"{}", 4400),
        ("{}", 4400),
        ('{"type": 5}', 4400),
        ('{"type": "start"}', 4400),
        ('{"type": "subscribe"}', 4400),
        ('{"type": "subscribe", "id": 1, "payload": {"query": "{hello}"}}', 4400),
        ('{"type": "subscribe", "id": "1"}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {"query": 1}}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}}', 4400),
        ('{"type": "complete"}', 4400),
        ('{"type": "connection_init"}', 4429),
        ("x" * 70_000, 1009),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_message_against_the_protocol_closes_the_socket(
    raw: str | bytes, close_code: int
) -> None:
    async with connected() as client:
        await client.socket.send(raw)
        assert await client.closed() == close_code


async def test_nothing_runs_before_connection_init() -> None:
    async with opened() as client:
        await client.send(subscribe("mutation { deposit }"))
        assert await client.closed() == 4401
    payloads: tuple[Any, ...] = ([], "token", 0)
    for payload in payloads:
        async with opened() as client:
            await client.send({"type": "connection_init", "payload": payload})
            assert await client.closed() == 4400
    assert not resolvers.began.is_set()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ hello", "BAD_USER_INPUT"),
        ("{ hallo }", "BAD_USER_INPUT"),
        ("subscription { ticks(to: 1) { nope } }", "BAD_USER_INPUT"),
        ("subscription { ticks { number } }", "BAD_USER_INPUT"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        ("{ " + "a { " * 20 + "b" + "}" * 21, "LIMIT_EXCEEDED"),
        ("subscription { " + "a { " * 20 + "b" + "}" * 21, "LIMIT_EXCEEDED"),
    ],
    ids=lambda value: value[:40],
)
async def test_a_refused_document_is_an_error_and_the_socket_lives(query: str, code: str) -> None:
    async with connected() as client:
        [error] = await client.run(query)
        assert error["type"] == "error"
        assert {entry["extensions"]["code"] for entry in error["payload"]} == {code}
        assert (await client.run("{ hello }"))[-1]["type"] == "complete"


async def test_what_breaks_is_masked() -> None:
    async with connected() as client:
        for query, last in (
            ("{ broken maybeUser }", "complete"),
            ("subscription { failing }", "error"),
            ("{ unspeakable }", "complete"),
        ):
            with capture_logs() as logs:
                messages = await client.run(query)
            assert messages[-1]["type"] == last
            assert '"code": "INTERNAL"' in json.dumps(messages)
            assert "secret" not in json.dumps(messages)
            assert [log["log_level"] for log in logs].count("error") == 1


async def test_operations_of_a_socket_are_bounded() -> None:
    async with connected(edge(operations_per_socket_max=2)) as client:
        for operation_id in ("a", "b"):
            await client.send(subscribe("subscription { balance }", operation_id))
            assert (await client.receive())["type"] == "next"
        [refused] = await client.run("{ hello }", "c")
        assert refused["payload"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
        await client.send({"type": "complete", "id": "a"})
        await asyncio.wait_for(resolvers.stopped.wait(), 5)
        assert (await client.run("{ hello }", "c"))[-1]["type"] == "complete"


async def test_an_id_is_used_by_one_operation_at_a_time() -> None:
    async with connected() as client:
        await client.send(subscribe("subscription { balance }"))
        await client.receive()
        await client.send({"type": "complete", "id": "1"}, {"type": "complete", "id": "unknown"})
        assert (await client.run("{ hello }"))[-1]["type"] == "complete"
        await client.send(
            subscribe("subscription { balance }"), subscribe("subscription { balance }")
        )
        assert await client.closed() == 4409


@pytest.mark.parametrize("leaves", [False, True], ids=["completes", "leaves"])
async def test_a_mutation_is_done_whole_whatever_its_client_does(leaves: bool) -> None:  # noqa: FBT001
    async with connected() as client:
        await client.send(subscribe("mutation { deposit }"))
        await asyncio.wait_for(resolvers.began.wait(), 5)
        await client.send({"type": "complete", "id": "1"}, {"type": "pong"}, {"type": "ping"})
        assert await client.receive() == {"type": "pong"}
        if leaves:
            await client.socket.close()
        resolvers.gate.set()
    assert resolvers.deposits == 1


async def test_a_subscription_stops_when_its_client_leaves() -> None:
    async with connected() as client:
        await client.send(subscribe("subscription { balance }"))
        await client.receive()
        await client.socket.close()
        await asyncio.wait_for(resolvers.stopped.wait(), 5)


async def test_a_server_without_denial_responses_closes_instead() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"origin", b"null")], "subprotocols": [PROTOCOL]}
    await edge()(scope, receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


def test_a_payload_names_its_credential_in_any_of_the_usual_ways() -> None:
    assert credential_of({"authorization": "Bearer  a.b.c "}) == "a.b.c"
    assert credential_of({"AUTHORIZATION": "key"}) == "key"
    assert credential_of({"apiKey": "key"}) == "key"
    assert [credential_of(params) for params in ({}, {"apiKey": ""}, {"x": 1})] == [None] * 3
    with pytest.raises(GraphQLError):
        credential_of({"apiKey": ["key"]})
