"""Persisted documents, over each transport, in each mode."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from structlog.testing import capture_logs

from api.endpoint.registered import RegisteredQueries, texts_used_last
from schema.engine.guard import Guard
from schema.engine.limits import Limits
from tests.support.small_endpoint import client_of, edge, resolvers
from tests.support.small_websocket import opened, subscribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.settings.settings import PersistedDocuments

pytestmark = pytest.mark.once

HELLO: Final = "query Hello($name: String!) { hello(name: $name) }"
TICKS: Final = "subscription { ticks(to: 2) { number } }"
DEPOSIT: Final = 'mutation { redeemVoucher(code: "x") }'
UNKNOWN: Final = "query Unknown { hello }"
#: What was registered, as codegen, Relay and people name it.
HELLO_ID: Final = "sha256:" + hashlib.sha256(HELLO.encode()).hexdigest()
TICKS_ID: Final = hashlib.md5(TICKS.encode(), usedforsecurity=False).hexdigest()
REGISTERED: Final = {
    HELLO_ID: HELLO,
    TICKS_ID: TICKS,
    f"sha256:{hashlib.sha256(TICKS.encode()).hexdigest()}": TICKS,
    "x-portal:deposit": DEPOSIT,
}
ADA: Final = {"authorization": "Bearer good"}


@pytest.fixture(autouse=True)
def new_world() -> None:
    resolvers.reset()


class Registry:
    """What the database would say, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def find(self, identifier: str) -> str | None:
        self.asked.append(identifier)
        return REGISTERED.get(identifier)


def queries(mode: PersistedDocuments, registry: Registry | None = None) -> RegisteredQueries:
    return RegisteredQueries(mode, (registry or Registry()).find)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def automatic(text: str, **more: object) -> dict[str, object]:
    """What Apollo's clients and urql put into `extensions`."""
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text), **more}}


async def answer(client: httpx.AsyncClient, headers: Any = None, **body: object) -> dict[str, Any]:
    told: dict[str, Any] = (await client.post("/graphql", json=body, headers=headers)).json()
    return told


def code(told: dict[str, Any]) -> str:
    assert "data" not in told
    [error] = told["errors"]
    return str(error["extensions"]["code"])


# ------------------------------------------------------------------------------- by identifier


@pytest.mark.parametrize("mode", ["allow", "only"])
async def test_a_registered_document_is_answered_by_its_identifier(
    mode: PersistedDocuments,
) -> None:
    registry = Registry()
    app = edge(queries=queries(mode, registry))
    async with client_of(app) as client:
        for name in ("Ada", "Bo"):
            told = await answer(client, documentId=HELLO_ID, variables={"name": name})
            assert told == {"data": {"hello": f"hello {name}"}}
        bare = HELLO_ID.removeprefix("sha256:")
        assert "data" in await answer(client, documentId=bare, variables={"name": "Cy"})
        again = automatic(HELLO)
        assert "data" in await answer(client, extensions=again, variables={"name": "Di"})
        deposit = await answer(client, documentId="x-portal:deposit")
    assert deposit == {"data": {"redeemVoucher": "x"}}
    assert registry.asked == [HELLO_ID, "x-portal:deposit"], "the second time it is remembered"
    assert len(app.schema.queries) == 2, "and parsed, measured and validated once"


async def test_what_nobody_has_registered_is_not_found_and_looked_for_each_time() -> None:
    registry = Registry()
    async with client_of(edge(queries=queries("allow", registry))) as client:
        for identifier in ("sha256:" + "0" * 64, "0" * 32, "x-portal:nothing", "Hello"):
            answers = [await answer(client, documentId=identifier) for _ in range(2)]
            assert [code(told) for told in answers] == ["PERSISTED_QUERY_NOT_FOUND"] * 2
            assert answers[0]["errors"][0]["message"] == "PersistedQueryNotFound"
    assert len(registry.asked) == 8, "it may be registered at any moment"


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": ""},
        {"documentId": 7},
        {"documentId": ["x"]},
        {"documentId": "x" * 256},
        {"documentId": "x" * 1_000_000},
        {"documentId": HELLO_ID.upper()},
        {"documentId": "sha256:" + HELLO_ID[7:].upper()},
        {"documentId": "sha256:" + "0" * 63},
        {"documentId": "sha1:" + "0" * 40},
        {"documentId": "x-:a"},
        {"documentId": "x-a:b:c"},
        {"documentId": "a b"},
        {"documentId": "a'; DROP TABLE account; --"},
        {"documentId": "\u202e"},
        {"documentId": "a\n"},
        {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": 1}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 7}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "A" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 100_000}}},
        {"documentId": HELLO_ID, "extensions": automatic(TICKS)},
        {"documentId": HELLO_ID, "query": 7},
        {"documentId": HELLO_ID, "query": []},
        {"documentId": HELLO_ID, "query": {"query": HELLO}},
        {"documentId": HELLO_ID, "variables": "x"},
        {"documentId": HELLO_ID, "query": TICKS},
        {"documentId": "x-portal:deposit", "query": DEPOSIT},
        {"query": HELLO, "extensions": automatic(UNKNOWN)},
    ],
)
@pytest.mark.parametrize("mode", ["allow", "only"])
async def test_a_malformed_reference_is_refused_before_anything_is_looked_up(
    mode: PersistedDocuments, body: dict[str, object]
) -> None:
    registry = Registry()
    async with client_of(edge(queries=queries(mode, registry))) as client:
        response = await client.post("/graphql", json=body)
    assert (response.status_code, code(response.json())) == (400, "BAD_USER_INPUT")
    assert len(response.content) < 500
    assert registry.asked == []


async def test_a_document_is_never_asked_for_by_get() -> None:
    async with client_of(edge(queries=queries("allow"))) as client:
        response = await client.get("/graphql", params={"documentId": "x-portal:deposit"})
    assert response.status_code == 405


async def test_limits_hold_for_registered_documents_too() -> None:
    big = "query ($first: Int!) { page(first: $first) { edges: page(first: 100) { id } } }"

    async def find(_identifier: str) -> str:
        return big

    app = edge(Guard(limits=Limits(cost=200)), queries=RegisteredQueries("only", find))
    async with client_of(app) as client:
        told = await answer(client, documentId="big", variables={"first": 100})
        assert code(told) == "LIMIT_EXCEEDED"


async def test_a_database_that_fails_is_an_internal_error_that_tells_nothing() -> None:
    async def find(_identifier: str) -> str:
        raise RuntimeError("postgres://user:secret@host")

    async with client_of(edge(queries=RegisteredQueries("allow", find))) as client:
        with capture_logs() as logs:
            response = await client.post("/graphql", json={"documentId": "x"})
    assert (response.status_code, code(response.json())) == (500, "INTERNAL")
    assert "secret" not in response.text
    assert [entry["event"] for entry in logs] == ["graphql_internal_error"]


# ------------------------------------------------------------------------------- automatic ones


async def test_a_client_sends_its_document_once_and_then_the_hash() -> None:
    asked = {"extensions": automatic(UNKNOWN)}
    async with client_of(edge(queries=queries("allow"))) as client:
        assert code(await answer(client, **asked)) == "PERSISTED_QUERY_NOT_FOUND"
        assert await answer(client, query=UNKNOWN, **asked) == {"data": {"hello": "hello world"}}
        assert await answer(client, **asked) == {"data": {"hello": "hello world"}}
        by_id = await answer(client, documentId=f"sha256:{sha256(UNKNOWN)}")
        assert by_id == {"data": {"hello": "hello world"}}


async def test_a_wrong_hash_is_not_remembered() -> None:
    asked = {"extensions": automatic(HELLO)}
    async with client_of(edge(queries=queries("off"))) as client:
        assert "data" in await answer(client, query=UNKNOWN, **asked), "where there is no need"
    lying = RegisteredQueries("allow", Registry().find)
    async with client_of(edge(queries=lying)) as client:
        assert code(await answer(client, query=DEPOSIT, **asked)) == "BAD_USER_INPUT"
        told = await answer(client, variables={"name": "Ada"}, **asked)
        assert told == {"data": {"hello": "hello Ada"}}


async def test_documents_too_long_to_be_read_are_not_kept() -> None:
    kept = RegisteredQueries("allow", Registry().find, text_chars_max=100)
    long = "{ hello }" + " " * 100
    async with client_of(edge(queries=kept)) as client:
        assert "data" in await answer(client, query=long, extensions=automatic(long))
        told = await answer(client, extensions=automatic(long))
    assert code(told) == "PERSISTED_QUERY_NOT_FOUND"


def test_however_many_documents_are_sent_few_are_kept() -> None:
    texts = texts_used_last(10, 1_000)
    for number in range(1_000):
        texts[str(number)] = "x" * 90
        texts["used"] = "y" * 90
        assert texts.get("used") == "y" * 90
    assert len(texts) == 10
    texts["long"] = "z" * 950
    assert (len(texts), texts.currsize, texts.get("used")) == (1, 950, None)


async def test_where_it_is_off_clients_are_told_to_send_their_documents() -> None:
    async with client_of(edge(queries=queries("off"))) as client:
        for body in ({"documentId": HELLO_ID}, {"extensions": automatic(HELLO)}):
            told = await answer(client, variables={"name": "Ada"}, **body)
            assert code(told) == "PERSISTED_QUERY_NOT_SUPPORTED"
            assert told["errors"][0]["message"] == "PersistedQueryNotSupported"


# ------------------------------------------------------------------------------- only registered


@pytest.mark.parametrize(
    "query",
    [UNKNOWN, HELLO + " ", "{ __schema { types { name } } }", "}", "{" * 100_000],
)
async def test_only_registered_documents_are_read(query: str) -> None:
    async with client_of(edge(queries=queries("only"))) as client:
        with capture_logs() as logs:
            for body in ({}, {"extensions": automatic(query)}):
                told = await answer(client, query=query, variables={"name": "Ada"}, **body)
                assert code(told) == "PERSISTED_QUERY_ONLY"
            assert code(await answer(client, extensions=automatic(query))) == (
                "PERSISTED_QUERY_NOT_FOUND"
            )
    assert [entry["event"] for entry in logs] == ["document_not_registered"] * 2
    assert logs[0]["sha256"] == sha256(query)
    known = {"event", "log_level", "sha256", "chars"}
    assert logs[0].keys() == known, "not a word of it: it may hold a password"


async def test_a_registered_document_may_also_be_sent_as_it_is() -> None:
    async with client_of(edge(queries=queries("only"))) as client:
        told = await answer(client, query=HELLO, variables={"name": "Ada"})
    assert told == {"data": {"hello": "hello Ada"}}


async def test_who_is_trusted_may_send_anything_and_does_not_teach_it_to_others() -> None:
    async with client_of(edge(queries=queries("only"))) as client:
        asked = {"query": UNKNOWN, "extensions": automatic(UNKNOWN)}
        assert await answer(client, ADA, **asked) == {"data": {"hello": "hello world"}}
        assert code(await answer(client, **asked)) == "PERSISTED_QUERY_ONLY"
        assert code(await answer(client, extensions=automatic(UNKNOWN))) == (
            "PERSISTED_QUERY_NOT_FOUND"
        )


# ------------------------------------------------------------------------------- what streams


async def test_event_streams_take_identifiers() -> None:
    async with client_of(edge(queries=queries("only"))) as client:
        told = []
        for body in ({"documentId": TICKS_ID}, {"documentId": "0" * 32}, {"query": UNKNOWN}):
            response = await client.post(
                "/graphql", json=body, headers={"accept": "text/event-stream"}
            )
            assert response.headers["content-type"].startswith("text/event-stream")
            told.append(response.text)
    assert told[0].count("event: next") == 2
    assert told[0].endswith("event: complete\ndata: \n\n")
    assert "PERSISTED_QUERY_NOT_FOUND" in told[1]
    assert "PERSISTED_QUERY_ONLY" in told[2]


async def test_websockets_take_identifiers() -> None:
    by: list[Callable[[], dict[str, object]]] = [
        lambda: {"documentId": TICKS_ID},
        lambda: {"documentId": TICKS_ID, "query": ""},
        lambda: {"extensions": automatic(TICKS)},
        lambda: {"query": TICKS},
    ]
    async with opened(edge(queries=queries("only"))) as client:
        await client.send({"type": "connection_init"})
        assert (await client.receive())["type"] == "connection_ack"
        for payload in by:
            await client.send({"type": "subscribe", "id": "a", "payload": payload()})
            assert [(await client.receive())["type"] for _ in range(3)] == [
                "next",
                "next",
                "complete",
            ]
        await client.send({"type": "subscribe", "id": "b", "payload": {"documentId": "0" * 32}})
        missing = await client.receive()
        await client.send(subscribe(UNKNOWN, "c"))
        refused = await client.receive()
    for told, why in ((missing, "NOT_FOUND"), (refused, "ONLY")):
        assert told["type"] == "error"
        assert told["payload"][0]["extensions"]["code"] == f"PERSISTED_QUERY_{why}"


async def test_a_websocket_that_names_nothing_is_closed() -> None:
    async with opened(edge(queries=queries("allow"))) as client:
        await client.send({"type": "connection_init"})
        await client.receive()
        await client.send({"type": "subscribe", "id": "a", "payload": {"documentId": "A B"}})
        assert await client.closed() == 4400
