"""The line of a request: one, with its operation in it, and no secret."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from api.observe import logs as telemetry
from tests.support.application import demo_settings, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = pytest.mark.once

TOKEN = "acs_5cOoVE_v_HkvI_XezvEs-KG6pWNrpAhmsQtu3fH2WiM"


@asynccontextmanager
async def logged(
    database_url: str, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, StringIO]]:
    """A client of the application, and what it logs meanwhile."""
    written = StringIO()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    monkeypatch.setattr(telemetry, "_own", None)
    monkeypatch.setattr(telemetry, "_writer", None)
    chosen = demo_settings(database_url, **{"log_format": "json", **settings})
    telemetry.configure(chosen)
    async with running(chosen) as client:
        yield client, written
    logging.captureWarnings(capture=False)


def lines(written: StringIO) -> list[dict[str, Any]]:
    """Those of requests: the client logs in this process as well, and starting may."""
    told = [json.loads(line) for line in written.getvalue().splitlines()]
    return [line for line in told if line["event"] == "request"]


async def test_a_request_is_one_line_that_names_its_operation(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with logged(database_url, monkeypatch) as (client, written):
        headers = {"x-request-id": "order-42"}
        asked = {"query": "query Hello { __typename }"}
        await client.post("/graphql", json=asked, headers=headers)
    [line] = lines(written)
    assert line.pop("seconds") >= 0
    assert "graphql_operation" not in written.getvalue()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "client": "127.0.0.1",
        "request_id": "order-42",
        "kind": "query",
        "operation": "Hello",
        "ok": True,
    }


async def test_requests_under_way_at_once_name_their_own_operations(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with logged(database_url, monkeypatch) as (client, written):
        queries = {f"Q{n}": "{ __typename }" if n % 2 else "{ viewer { role } }" for n in range(8)}
        await asyncio.gather(
            *(
                client.post("/graphql", json={"query": f"query {name} {query}"})
                for name, query in queries.items()
            ),
            client.get("/healthz"),
        )
        told = {line.get("operation"): line for line in lines(written)}
    assert told.keys() == {*queries, None}
    assert told[None]["path"] == "/healthz"
    assert "kind" not in told[None]


async def test_no_token_is_in_it_wherever_somebody_puts_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = TOKEN.replace("-", "_")
    async with logged(database_url, monkeypatch) as (client, written):
        await client.get(f"/{TOKEN}")
        await client.get(f"/a%0A{TOKEN}?token={TOKEN}")
        await client.post("/graphql", json={"query": f"query {name} {{ __typename }}"})
        await client.get("/healthz", headers={"x-request-id": TOKEN})
        told = lines(written)
    assert len(told) == 4
    assert "5cOoVE" not in json.dumps(told)
    assert told[1]["path"] == f"/a\nacs_{telemetry.MASK}"
    assert told[2]["operation"] == f"acs_{telemetry.MASK}"


async def test_where_less_is_logged_there_is_none(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with logged(database_url, monkeypatch, log_level="warning") as (client, written):
        await client.get("/healthz")
    assert written.getvalue() == ""


async def test_on_a_terminal_it_is_a_line_for_people(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with logged(database_url, monkeypatch, log_format="console") as (client, written):
        await client.get("/healthz")
    assert "request" in written.getvalue()
    assert "path=/healthz" in written.getvalue()
