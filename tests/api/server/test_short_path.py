"""The short way to the API: what is asked on it is answered as on the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from api.app import create_app
from api.server.short_path import ShortPath
from tests.support.application import demo_settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

pytestmark = pytest.mark.once

SHOP = "https://shop.example"
HELLO = {"query": "{ __typename }"}
OWN_ID = {"x-request-id": "order-42"}


def application(database_url: str, *, short: bool) -> Starlette:
    app = create_app(
        demo_settings(database_url, allowed_origins=SHOP, public_url="https://credit.example")
    )
    if not short:
        long: list[Any] = [one for one in app.user_middleware if not _is_short(one)]
        app.user_middleware = long
    return app


def _is_short(middleware: Any) -> bool:
    return middleware.cls is ShortPath


async def answer(app: Starlette, headers: Any, method: str = "POST", **asked: Any) -> Any:
    """Status, sorted headers and body."""
    async with LifespanManager(app) as manager:
        transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://credit.example") as to:
            given = await to.request(method, "/graphql", headers=headers, **asked)
    return given.status_code, sorted(given.headers.multi_items()), given.content


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({}, {"json": HELLO}),
        ({"origin": SHOP}, {"json": HELLO}),
        ({"origin": "https://credit.example"}, {"json": HELLO}),
        ({"origin": "https://evil.example"}, {"json": HELLO}),
        ({"origin": ""}, {"json": HELLO}),
        ([("origin", SHOP), ("origin", SHOP), *OWN_ID.items()], {"json": HELLO}),
        ({"authorization": "Bearer acs_nobody"}, {"json": HELLO}),
        ({"accept": "image/png"}, {"json": HELLO}),
        ({"content-type": "text/plain", "origin": SHOP}, {"content": b"{}"}),
        ({"content-type": "application/json"}, {"content": b"{"}),
        ({}, {"json": {"query": "{ viewer { role } }"}}),
        ({"origin": SHOP}, {"method": "GET"}),
        ({"origin": SHOP, "access-control-request-method": "POST"}, {"method": "OPTIONS"}),
    ],
)
async def test_an_answer_is_the_same_on_both_ways(
    database_url: str, headers: Any, asked: Any
) -> None:
    given = {**OWN_ID, **headers} if isinstance(headers, dict) else headers
    short = await answer(application(database_url, short=True), given, **asked)
    long = await answer(application(database_url, short=False), given, **asked)
    assert short == long


@pytest.mark.parametrize("headers", [{}, {"origin": SHOP}])
async def test_it_goes_past_the_router(database_url: str, headers: Any) -> None:
    app = application(database_url, short=True)
    app.router.routes.clear()
    assert (await answer(app, headers, json=HELLO))[0] == 200
    assert (await answer(app, headers, method="GET"))[0] == 404


async def test_what_breaks_on_it_is_masked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("api.endpoint.endpoint.read_request", broken)
    status, headers, body = await answer(application(database_url, short=True), OWN_ID, json=HELLO)
    assert (status, body) == (500, b'{"error":"Internal error","id":"order-42"}')
    assert ("x-request-id", "order-42") in headers
