"""Health, readiness, metrics, and what every answer carries."""

from __future__ import annotations

import asyncio
import json
import re
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.app import create_app
from api.gateways import GatewayNotLoaded
from api.observe.metrics import Metrics
from api.observe.requests import Observer
from api.server import health
from api.server.middleware import Observed
from api.settings.settings import SettingsError
from tests.support.application import demo_settings, running

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message


async def test_it_is_up_and_ready(database_url: str) -> None:
    async with running(demo_settings(database_url)) as client:
        assert (await client.get("/healthz")).text == "ok\n"
        ready = await client.get("/readyz")
    assert ready.status_code == 200
    checks = ready.json()["checks"]
    assert checks["database"] == checks["migrations"] == "ok"
    assert "redis" not in checks


async def test_redis_is_checked_where_it_is_configured(database_url: str, redis_url: str) -> None:
    async with running(demo_settings(database_url, redis_url=redis_url)) as client:
        assert (await client.get("/readyz")).json()["checks"]["redis"] == "ok"


async def test_without_redis_everything_works_and_the_check_names_it(database_url: str) -> None:
    settings = demo_settings(database_url, redis_url="redis://user:hunter2@127.0.0.1:1/0")
    async with running(settings) as client:
        ready = await client.get("/readyz")
        answer = await client.post("/graphql", json={"query": "{ creditPolicy { version } }"})
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert "REDIS_URL" in ready.json()["checks"]["redis"]
    assert "hunter2" not in ready.text
    assert "errors" not in answer.json()


async def test_what_is_slow_to_find_out_is_told_as_it_was_found_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database that is busy keeps no probe waiting; one that stays so is not ready."""
    clock, gate, looks = [0.0], asyncio.Event(), []

    async def database() -> str | None:
        looks.append(1)
        await gate.wait()
        return None

    monkeypatch.setattr(health, "monotonic", lambda: clock[0])
    monkeypatch.setattr(health, "_ANSWER_SECONDS", 0.01)
    readiness = health.Readiness([health.Check("database", database)])
    gate.set()
    assert await readiness.problems() == {"database": None}
    gate.clear()
    clock[0] = 2.0
    answers = await asyncio.gather(*(readiness.problems() for _ in range(50)))
    assert answers == [{"database": None}] * 50
    assert len(looks) == 2, "all ask, one looks"
    clock[0] = 20.0
    assert (await readiness.problems())["database"] is not None
    gate.set()
    await asyncio.sleep(0)
    assert await readiness.problems() == {"database": None}
    assert len(looks) == 2


async def test_a_hundred_probes_look_once(database_url: str, redis_url: str) -> None:
    async with (
        Redis.from_url(redis_url) as redis,
        running(demo_settings(database_url, redis_url=redis_url)) as client,
    ):
        before = (await redis.info("stats"))["total_connections_received"]
        answers = [await client.get("/readyz") for _ in range(100)]
        after = (await redis.info("stats"))["total_connections_received"]
    assert {answer.status_code for answer in answers} == {200}
    assert after == before


async def test_a_database_without_its_tables_does_not_start(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing() -> str:
        return "it lacks 0002_more; run: account-credit migrate"

    monkeypatch.setattr("api.domain.migrations_problem", missing)
    with pytest.raises(SettingsError, match="account-credit migrate"):
        async with running(demo_settings(database_url)):
            pass


async def test_what_is_not_needed_only_degrades() -> None:
    async def fine() -> None:
        return None

    async def no_pango() -> str:
        return "PDFs need Pango; type: apt-get install libpango-1.0-0"

    checks = [
        health.Check("database", fine),
        health.Check("pdf", no_pango, needed=False),
    ]
    answer = await _ready(checks)
    assert answer.status_code == 200
    told = json.loads(bytes(answer.body))
    assert told["status"] == "degraded"
    assert "apt-get install" in told["checks"]["pdf"]


async def test_a_check_that_breaks_is_a_problem_without_details() -> None:
    async def broken() -> None:
        raise RuntimeError("postgres://user:hunter2@db")

    answer = await _ready([health.Check("database", broken)])
    assert answer.status_code == 503
    assert b"hunter2" not in bytes(answer.body)


async def test_metrics_count_by_route_and_never_by_path(database_url: str) -> None:
    async with running(demo_settings(database_url)) as client:
        await client.get("/healthz")
        await client.get("/secret-path-of-a-scanner")
        await client.post("/graphql", json={"query": "{ creditPolicy { version } }"})
        told = (await client.get("/metrics")).text
    assert 'route="/healthz"' in told
    assert 'route="/graphql",status="200"' in told
    assert 'kind="query",outcome="ok"' in told
    assert "secret-path" not in told
    for name in ("live_subscriptions", "transactions_open", "audit_findings", "websockets"):
        assert re.search(rf"^account_credit_{name} ", told, re.MULTILINE)


async def test_every_answer_has_the_headers_that_protect_browsers(database_url: str) -> None:
    async with running(demo_settings(database_url)) as client:
        for path in ("/", "/healthz", "/nowhere", "/graphql", "/sandbox/"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["referrer-policy"] == "same-origin"
            assert "strict-transport-security" not in headers


async def test_over_https_browsers_are_told_to_stay_there(database_url: str) -> None:
    settings = demo_settings(database_url, public_url="https://credit.example")
    async with running(settings) as client:
        assert "max-age" in (await client.get("/")).headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("order-42.A:7", True), ("short", False), ("x" * 65, False), ("bad id\twith space", False)],
)
async def test_a_sane_request_id_is_kept_and_any_other_replaced(
    database_url: str, given: str, *, kept: bool
) -> None:
    async with running(demo_settings(database_url)) as client:
        answer = await client.get("/healthz", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept


async def test_only_allowed_origins_may_read_answers(database_url: str) -> None:
    settings = demo_settings(database_url, allowed_origins="https://portal.example")
    preflight = {"access-control-request-method": "POST"}
    async with running(settings) as client:
        good = await client.options(
            "/graphql", headers={"origin": "https://portal.example", **preflight}
        )
        bad = await client.options(
            "/graphql", headers={"origin": "https://evil.example", **preflight}
        )
    assert good.headers["access-control-allow-origin"] == "https://portal.example"
    assert good.headers["access-control-allow-credentials"] == "true"
    assert bad.status_code == 400
    assert "access-control-allow-origin" not in bad.headers


async def test_what_should_not_have_happened_is_masked_with_the_requests_id() -> None:
    async def broken(_request: Request) -> Response:
        raise RuntimeError("hunter2")

    sent = await _through(Route("/", broken))
    assert sent[0]["status"] == 500
    told = json.loads(sent[1]["body"])
    assert told["error"] == "Internal error"
    assert (b"x-request-id", told["id"].encode()) in sent[0]["headers"]


async def test_an_answer_that_broke_off_is_not_completed() -> None:
    async def half(scope: object, receive: object, send: object) -> None:
        del scope, receive
        await PlainTextResponse("x")({"type": "http"}, _nothing, send)  # type: ignore[arg-type]
        raise RuntimeError("too late")

    sent = await _through(half)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_a_broken_plugin_stops_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = EntryPoint("broken", "no.such:Gateway", "account_credit.gateways")
    monkeypatch.setattr("api.gateways.entry_points", lambda **_: [broken])
    with pytest.raises(GatewayNotLoaded, match="broken"):
        create_app(demo_settings("sqlite:////tmp/never-opened.db"))


async def _ready(checks: list[health.Check]) -> Response:
    routes = {route.path: route for route in health.health_routes(checks, Metrics())}
    answer: Response = await routes["/readyz"].endpoint(None)
    return answer


async def _through(app: object) -> list[Message]:
    """What is sent for one request through the outermost middleware."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    await Observed(app.handle if isinstance(app, Route) else app, observer=Observer(Metrics()))(  # type: ignore[arg-type]
        {**scope, "path_params": {}}, _nothing, send
    )
    return sent


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
