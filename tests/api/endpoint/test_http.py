from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from graphql import get_introspection_query, parse
from structlog.testing import capture_logs

from schema.engine.guard import Guard, Prepared, query_cache
from schema.engine.plan import Plans
from tests.support.small_endpoint import (
    SCHEMA,
    Context,
    client_of,
    edge,
    resolvers,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.endpoint.endpoint import GraphQLEndpoint

pytestmark = pytest.mark.once

GRAPHQL_JSON = "application/graphql-response+json"
CODES = {"BAD_USER_INPUT", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "LIMIT_EXCEEDED"}


@pytest.fixture(autouse=True)
def new_world() -> None:
    resolvers.reset()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(edge()) as client:
        yield client


async def post(client: httpx.AsyncClient, query: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", None)
    return await client.post("/graphql", json={"query": query, **more}, headers=headers)


def code(response: httpx.Response) -> str:
    body = response.json()
    assert "data" not in body
    codes = {error["extensions"]["code"] for error in body["errors"]}
    assert codes <= CODES
    assert all("Traceback" not in error["message"] for error in body["errors"])
    return str(codes.pop())


async def test_a_query_is_answered_with_what_its_context_adds(client: httpx.AsyncClient) -> None:
    response = await post(
        client,
        "query A { hello } query B($n: String!) { hello(name: $n) user }",
        variables={"n": "åß"},
        operationName="B",
        headers={"authorization": "Bearer good"},
    )
    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "hello åß", "user": "ada"}}
    assert response.headers["x-user"] == "ada"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"x"',
        b"7",
        b"[]",
        b'[{"query":"{hello}"}]',
        b"{",
        b"{}",
        b"\xff\xfe{}",
        b'\xef\xbb\xbf{"query":"{hello}"}',
        b"[" * 100_000,
        b'{"query":"{hello}","variables":' + b'{"a":' * 900 + b"1" + b"}" * 901,
        b'{"query":"{hello}","variables":{"a":' + b"9" * 1_000_000 + b"}}",
        b'{"query":"{hello}","variables":{"a":NaN}}',
        b'{"query":"{hello}","variables":{"a":"\\ud800"}}',
        b'{"query":null}',
        b'{"query":1}',
        b'{"query":""}',
        b'{"query":"{hello}","variables":[]}',
        b'{"query":"{hello}","variables":"{}"}',
        b'{"query":"{hello}","operationName":5}',
        b'{"query":"{hello}","extensions":[]}',
    ],
    ids=lambda body: str(body[:40]),
)
async def test_a_malformed_body_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    for accept in ("*/*", "application/json", GRAPHQL_JSON):
        headers = {"content-type": "application/json", "accept": accept}
        response = await client.post("/graphql", content=body, headers=headers)
        assert response.status_code == 400
        assert code(response) in {"BAD_USER_INPUT", "LIMIT_EXCEEDED"}


@pytest.mark.parametrize(
    "query",
    [
        "{ hello",
        "{ hallo }",
        "{ hello(name: 5) }",
        "query ($n: Int!) { hello(times: $n) }",
        "query A { hello } query B { hello }",
        "fragment F on Query { hello }",
        "type Query { hello: Int }",
        "subscription { ticks(to: 1) { number } }",
        "{ hello(times: %s) }" % ("9" * 60_000),
        '{ hello(name: "\\uD800") }',
    ],
    ids=lambda query: query[:40],
)
async def test_a_refused_document_is_400_unless_plain_json_is_asked_for(
    client: httpx.AsyncClient, query: str
) -> None:
    for accept, status, media_type in (
        ("", 400, "application/json"),
        ("*/*", 400, "application/json"),
        (GRAPHQL_JSON, 400, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, application/json;q=0.9", 400, GRAPHQL_JSON),
        ("application/json", 200, "application/json"),
        (f"{GRAPHQL_JSON};q=0.1, application/json", 200, "application/json"),
    ):
        response = await post(client, query, headers={"accept": accept})
        assert (response.status_code, accept) == (status, accept)
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert code(response) == "BAD_USER_INPUT"
        assert len(response.content) < 1000
        assert "sys." not in response.text


async def test_an_unknown_operation_name_is_refused(client: httpx.AsyncClient) -> None:
    response = await post(client, "query A { hello }", operationName="B")
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/jsonx"},
        {"content-type": ""},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "content-encoding": "br, identity"},
    ],
    ids=str,
)
async def test_only_plain_json_is_read(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.post("/graphql", content=b'{"query":"{hello}"}', headers=headers)
    assert (response.status_code, code(response)) == (415, "BAD_USER_INPUT")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_only_post_is_served(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql?query={hello}")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_an_answer_that_we_do_not_speak_is_406(client: httpx.AsyncClient) -> None:
    for accept in ("image/png", "text/html", "application/json;q=0", "application/json;q=x"):
        response = await post(client, "{ hello }", headers={"accept": accept})
        assert (response.status_code, code(response)) == (406, "BAD_USER_INPUT")
    for accept in ("text/html, */*;q=0.1", "application/*"):
        response = await post(client, "{ hello }", headers={"accept": accept})
        assert response.status_code == 200


async def test_a_large_body_is_413_whether_announced_or_not() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 500

    async with client_of(edge(body_bytes_max=1000)) as client:
        for content in (b" " * 1001, chunks()):
            headers = {"content-type": "application/json"}
            response = await client.post("/graphql", content=content, headers=headers)
            assert (response.status_code, code(response)) == (413, "LIMIT_EXCEEDED")


async def test_pages_of_other_origins_are_refused() -> None:
    async with client_of(edge(allowed_origins=frozenset({"https://shop.test"}))) as client:
        for origin, status in (
            ("http://portal.test", 200),
            ("https://shop.test", 200),
            ("https://evil.test", 403),
            ("http://portal.test.evil.test", 403),
            ("http://[", 403),
            ("null", 403),
        ):
            response = await post(client, "{ hello }", headers={"origin": origin})
            assert (origin, response.status_code) == (origin, status)


async def test_who_must_sign_in_is_told_so_by_status(client: httpx.AsyncClient) -> None:
    for query, accept, status in (
        ("{ user }", "*/*", 401),
        ("{ user }", GRAPHQL_JSON, 401),
        ("{ user }", "application/json", 200),
        ("{ forbidden }", "*/*", 403),
        ("{ maybeUser }", "*/*", 200),
    ):
        response = await post(client, query, headers={"accept": accept})
        assert (query, accept, response.status_code) == (query, accept, status)
        assert ("www-authenticate" in response.headers) is (status == 401)


async def test_bad_credentials_are_401_before_anything_runs(client: httpx.AsyncClient) -> None:
    for accept in ("*/*", "application/json", GRAPHQL_JSON, "text/event-stream"):
        headers = {"authorization": "Bearer stolen", "accept": accept}
        response = await post(client, "{ hello }", headers=headers)
        assert (response.status_code, code(response)) == (401, "UNAUTHENTICATED")


async def test_what_breaks_is_masked_and_logged_once_under_its_id(
    client: httpx.AsyncClient,
) -> None:
    for query in ("{ broken maybeUser }", "{ a: broken b: broken }", "{ careless }"):
        with capture_logs() as logs:
            response = await post(client, query)
        assert response.status_code == 200
        assert "secret" not in response.text
        errors = response.json()["errors"]
        incident = errors[0]["extensions"]["id"]
        for error in errors:
            assert error["message"] == "Internal error"
            assert error["extensions"] == {"code": "INTERNAL", "id": incident}
        [logged] = [log for log in logs if log["log_level"] == "error"]
        assert logged["incident"] == incident
        assert "secret" in str(logged["exc_info"][1])
        assert logged["exc_info"][2] is not None


async def test_a_context_that_cannot_be_made_is_500_and_masked() -> None:
    async def broken(_connection: object) -> Context:
        raise OSError("secret database address")

    endpoint = edge()
    endpoint.contexts = replace(endpoint.contexts, make=broken)
    async with client_of(endpoint) as client:
        response = await post(client, "{ hello }")
    assert response.status_code == 500
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "secret" not in response.text


async def test_limits_hold_from_the_source_text_to_the_variables(
    client: httpx.AsyncClient,
) -> None:
    for query in (
        " " * 70_000 + "{ hello }",
        "{ " + "hello " * 3000 + "}",
        "#\n" * 600 + "{ hello }",
        "{ " + "a { " * 500 + "}" * 501,
        "{ " + " ".join(f"a{i}: hello" for i in range(40)) + " }",
        'mutation { a: redeemVoucher(code: "1") b: redeemVoucher(code: "2") }',
    ):
        response = await post(client, query)
        assert (response.status_code, code(response)) == (400, "LIMIT_EXCEEDED")


async def test_introspection_and_suggestions_can_be_for_members_only() -> None:
    guard = Guard(introspection=lambda context: bool(context.user), suggestions=False)
    member = {"authorization": "Bearer good"}
    async with client_of(edge(guard)) as client:
        for query in (
            get_introspection_query(),
            '{ ...F } fragment F on Query { __type(name:"X") { name } }',
        ):
            assert (await post(client, query, headers=member)).status_code == 200
            response = await post(client, query)
            assert (response.status_code, code(response)) == (403, "FORBIDDEN")
        assert (await post(client, "{ __typename }")).status_code == 200
        for query in ("{ hallo }", "{ hello(nam: 1) }", "query ($n: Strin) { hello(name: $n) }"):
            response = await post(client, query)
            assert code(response) == "BAD_USER_INPUT"
            assert "Did you mean" not in response.text


async def test_a_query_that_takes_too_long_is_stopped_and_a_mutation_is_not() -> None:
    async with client_of(edge(Guard(query_seconds_max=0.001))) as client:
        response = await post(client, "{ slow }")
        assert (response.status_code, code(response)) == (400, "LIMIT_EXCEEDED")
        resolvers.began.clear()
        deposit = asyncio.create_task(post(client, "mutation { deposit }"))
        await resolvers.began.wait()
        asyncio.get_running_loop().call_later(0.01, resolvers.gate.set)
        assert (await deposit).json() == {"data": {"deposit": 1}}


async def test_each_operation_is_told_of_once() -> None:
    told: list[tuple[str, str, bool]] = []

    def observe(kind: str, name: str, seconds: float, ok: bool) -> None:  # noqa: FBT001
        assert seconds >= 0
        told.append((kind, name, ok))

    async with client_of(edge(Guard(observe=observe))) as client:
        await post(client, "query Greet { hello }")
        await post(client, "{ broken }")
        await post(client, "mutation M { redeemVoucher }")
        await post(client, "{ unbalanced")
    assert told == [
        ("query", "Greet", True),
        ("query", "", False),
        ("mutation", "M", False),
        ("invalid", "", False),
    ]


async def test_only_valid_documents_are_kept_and_their_limits_still_hold() -> None:
    endpoint = edge()
    async with client_of(endpoint) as client:
        for _ in range(2):
            for query in ("{ hello }", "{ hallo }", "{ hello", "{ a: hello } query B { hello }"):
                await post(client, query)
    assert list(endpoint.schema.queries) == ["{ hello }"]


async def test_a_kept_document_is_measured_again_where_its_variables_decide() -> None:
    query = "query ($n: Int!) { page(first: $n) { page(first: $n) { page(first: $n) { id } } } }"
    endpoint = edge()
    async with client_of(endpoint) as client:
        response = await post(client, query, variables={"n": 50})
        assert code(response) == "LIMIT_EXCEEDED"
        assert len(endpoint.schema.queries) == 0
        for n, status in ((2, 200), (50, 400), (2, 200)):
            response = await post(client, query, variables={"n": n})
            assert response.status_code == status
    assert len(endpoint.schema.queries) == 1


def test_the_cache_is_bounded_by_number_and_by_size() -> None:
    def keep(query: str) -> None:
        cache[query] = Prepared(
            parse("{ a }"),
            len(query),
            cost_varies=False,
            introspects=False,
            plans=Plans(SCHEMA),
        )

    cache = query_cache(queries_max=2, chars_max=10)
    for query in ("a", "b"):
        keep(query)
    assert cache.get("a")
    keep("c")
    assert (cache.get("b"), len(cache)) == (None, 2)
    keep("d" * 9)
    assert (list(cache), cache.currsize) == (["d" * 9], 9)


async def stream(app: GraphQLEndpoint[Context], query: str, **headers: str) -> httpx.Response:
    async with serving(app) as address, httpx.AsyncClient() as client:
        return await client.post(
            f"http://{address}/graphql",
            json={"query": query},
            headers={"accept": "text/event-stream", **headers},
        )


async def test_a_subscription_streams_events_with_lf_alone_and_fresh_loaders() -> None:
    response = await stream(edge(), "subscription { ticks(to: 2) { number loads } }")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.text == (
        'event: next\ndata: {"data":{"ticks":{"number":0,"loads":1}}}\n\n'
        'event: next\ndata: {"data":{"ticks":{"number":1,"loads":1}}}\n\n'
        "event: complete\ndata: \n\n"
    )


async def test_queries_and_refusals_stream_too() -> None:
    response = await stream(edge(), "{ hello }")
    assert response.text == (
        'event: next\ndata: {"data":{"hello":"hello world"}}\n\nevent: complete\ndata: \n\n'
    )
    for query in ("{ hallo }", "{ hello", "subscription { ticks { number } }"):
        response = await stream(edge(), query)
        assert response.status_code == 200
        assert '"code":"BAD_USER_INPUT"' in response.text
        assert response.text.endswith("event: complete\ndata: \n\n")


async def test_a_broken_subscription_is_masked() -> None:
    with capture_logs() as logs:
        response = await stream(edge(), "subscription { failing }")
    assert '{"data":{"failing":1}}' in response.text
    assert '"code":"INTERNAL"' in response.text
    assert "secret" not in response.text
    assert len([log for log in logs if log["log_level"] == "error"]) == 1


async def test_a_client_that_knows_json_gets_json() -> None:
    urql = f"{GRAPHQL_JSON}, application/graphql+json, application/json, text/event-stream"
    response = await stream(edge(), "{ hello }", accept=urql)
    assert response.json() == {"data": {"hello": "hello world"}}
    assert response.headers["content-type"].startswith(GRAPHQL_JSON)


async def test_a_quiet_stream_is_kept_alive_and_stops_with_its_client() -> None:
    async with serving(edge(keep_alive_seconds=0.01)) as address, httpx.AsyncClient() as client:
        async with client.stream(
            "POST",
            f"http://{address}/graphql",
            json={"query": "subscription { balance }"},
            headers={"accept": "text/event-stream"},
        ) as response:
            lines = response.aiter_lines()
            while await anext(lines) != ":":
                pass
        await asyncio.wait_for(resolvers.stopped.wait(), 5)


async def test_a_stream_ends_when_its_session_does() -> None:
    async with (
        serving(edge()) as address,
        httpx.AsyncClient() as client,
        client.stream(
            "POST",
            f"http://{address}/graphql",
            json={"query": "subscription { balance }"},
            headers={"accept": "text/event-stream"},
        ) as response,
    ):
        lines = response.aiter_lines()
        assert await anext(lines) == "event: next"
        [ended] = resolvers.watched
        ended()
        rest = [line async for line in lines]
    assert '"code":"UNAUTHENTICATED"' in "".join(rest)
    assert rest[-3:] == ["event: complete", "data: ", ""]
    assert resolvers.stopped.is_set()
    assert resolvers.watched == []


async def raw(app: GraphQLEndpoint[Context], *messages: Any) -> list[Any]:
    """What the endpoint sends when a client sends just this, and then waits."""
    received, sent = iter(messages), []

    async def receive() -> Any:
        if (message := next(received, None)) is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    await app({"type": "http", "method": "POST", "headers": headers}, receive, send)
    return sent


async def test_a_client_that_leaves_or_stalls_in_its_body_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert await raw(edge(), part, {"type": "http.disconnect"}) == []
    monkeypatch.setattr("api.endpoint.http.BODY_SECONDS_MAX", 0.01)
    assert (await raw(edge(), part))[0]["status"] == 408


async def test_what_json_cannot_say_is_an_internal_error(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await post(client, "{ unspeakable }")
    assert response.json()["errors"][0]["message"] == "Internal error"
    assert [log["log_level"] for log in logs].count("error") == 1
