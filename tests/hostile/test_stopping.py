"""SIGTERM drains: what is under way is finished and answered, and everybody is told goodbye."""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from threading import Event
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from httpx_ws import WebSocketDisconnect, WebSocketSession, connect_ws

from models.db.connection import database_config
from tests.support.server.actions import adding, order
from tests.support.server.clicks import Visitor
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.live import CREDIT, SECONDS, watching
from tests.support.server.many_servers import lines
from tests.support.server.people import findings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.server.api_client import Portal
    from tests.support.servers import Databases

#: How long what is under way may take, and then to put everything away.
GRACE_SECONDS = 15
#: Nothing waits for those who only listen.
SOON_SECONDS = 5


@pytest.fixture(scope="module")
def open_server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    with open_demo_server(tmp_path_factory.mktemp("server"), databases) as server:
        yield server


@pytest.fixture
def server(open_server: DemoServer) -> Iterator[DemoServer]:
    """Each test stops it, and may start it again."""
    assert open_server._process is not None
    if open_server._process.poll() is not None:
        open_server.connections.close()
        open_server.start()
    yield open_server
    assert findings(open_server.database_url) == []


@asynccontextmanager
async def _locked(database_url: str) -> AsyncIterator[None]:
    given = database_config(database_url)["connections"]["default"]["credentials"]
    if "file_path" in given:
        other = sqlite3.connect(given["file_path"], isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()
        return
    names = ("host", "port", "user", "password", "database")
    connection = await asyncpg.connect(**{name: given.get(name) for name in names})
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE balance, idempotency_key IN EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """No transaction of the servers gets on meanwhile."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_locked(database_url)),
    ):
        yield


def gauge(server: DemoServer, name: str) -> int:
    text = server.portal().http.get(f"{server.url}/metrics").text
    found = re.search(rf"^account_credit_{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return int(float(found[1]))


def tell_to_stop(server: DemoServer) -> None:
    """Send SIGTERM, and return when nobody is let in any more."""
    assert server._process is not None
    server._process.send_signal(signal.SIGTERM)
    while True:
        try:
            httpx.get(f"{server.url}/healthz")
        except httpx.TransportError:
            return


def exit_code(server: DemoServer, within_seconds: float) -> int:
    assert server._process is not None
    with server._process as process:
        return process.wait(within_seconds)


def test_what_is_under_way_is_finished_answered_and_kept(server: DemoServer) -> None:
    # SQLite begins one at a time, and the next when that has waited for ten seconds.
    count = 1 if server.database_url.startswith("sqlite") else 4
    clients = [server.new_client(credit="20.00") for _ in range(count)]
    bills = [order(server.partner, client, "20.00")["invoice"] for client in clients]

    def pay(n: int) -> str:
        status: str = clients[n].pay(bills[n], useCredit=True)["invoice"]["status"]
        return status

    with ThreadPoolExecutor(len(clients)) as pool:
        with locked(server.database_url):
            answers = [pool.submit(pay, 0)]
            while gauge(server, "transactions_open") < 1:
                pass
            # While the first batch is under way, the others wait for the next.
            answers += [pool.submit(pay, n) for n in range(1, len(clients))]
            while gauge(server, "transactions_waiting") < len(clients) - 1:
                pass
            tell_to_stop(server)
            assert not any(answer.done() for answer in answers)
        assert [answer.result(GRACE_SECONDS) for answer in answers] == ["PAID"] * len(clients)
    assert exit_code(server, GRACE_SECONDS) == 0
    server.connections.close()
    server.start()
    for client in clients:
        assert lines(client) == [("ADJUSTMENT", "20.00"), ("INVOICE_PAYMENT", "-20.00")]


def test_a_websocket_is_closed_with_a_code_and_its_mutation_is_still_finished(
    server: DemoServer,
) -> None:
    client = server.new_client()
    document = """mutation ($i: AddFundsInput!) {
      addFunds(input: $i) { invoice { id } userErrors { code } }
    }"""
    asked = {"query": document, "variables": {"i": adding(client, "at-the-end")}}
    url = f"{server.url}/graphql"
    socket: WebSocketSession
    with connect_ws(url, client.http, subprotocols=["graphql-transport-ws"]) as socket:
        payload = {"authorization": f"Bearer {client.token}"}
        socket.send_json({"type": "connection_init", "payload": payload})
        assert socket.receive_json(SECONDS) == {"type": "connection_ack"}
        with locked(server.database_url):
            socket.send_json({"type": "subscribe", "id": "1", "payload": asked})
            while gauge(server, "transactions_open") < 1:
                pass
            tell_to_stop(server)
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_json(SECONDS)
        # RFC 6455's registry: the service restarts. Clients come back, and so does the portal.
        assert closed.value.code == 1012
        assert exit_code(server, GRACE_SECONDS) == 0
    server.connections.close()
    server.start()
    [bill] = client.invoices()
    again = client.do("addFunds", "invoice { id }", **adding(client, "at-the-end"))
    assert again["invoice"]["id"] == bill["id"]


@contextmanager
def listening(client: Portal) -> Iterator[Iterator[str]]:
    """The lines of an event stream."""
    with client.http.stream(
        "POST",
        f"{client.url}/graphql",
        json={"query": CREDIT},
        headers={"accept": "text/event-stream", **client.headers},
    ) as response:
        yield response.iter_lines()


def test_those_who_only_listen_do_not_keep_it_from_stopping(server: DemoServer) -> None:
    client = server.new_client()
    with listening(client) as events, watching(client, CREDIT) as pushed:
        assert next(events) == "event: next"
        assert pushed()["balance"]["version"] == 0
        began = time.monotonic()
        tell_to_stop(server)
        # It breaks off: a client would not come back to a stream that was completed.
        assert "event: complete" not in list(events)
        with pytest.raises(WebSocketDisconnect) as closed:
            pushed()
        assert closed.value.code == 1012
        assert exit_code(server, GRACE_SECONDS) == 0
        assert time.monotonic() - began < SOON_SECONDS


def test_under_load_it_stops_in_time_and_all_that_it_answered_is_there(server: DemoServer) -> None:
    codes = server.vouchers("10.00", count=30)
    visitors = [
        Visitor(server, server.new_client(), codes[n::6], random.Random(n)) for n in range(6)
    ]
    with ThreadPoolExecutor(len(visitors)) as pool:
        walks = [pool.submit(visitor.wander) for visitor in visitors]
        Event().wait(0.5)
        assert server.stop() == 0
        for walk in walks:
            walk.result()
    server.connections.close()
    server.start()
    for visitor in visitors:
        visitor.assert_all_is_as_it_was_told()
        visitor.assert_clicks_made_again_change_nothing_but_what_was_cut_off()


def test_a_worker_that_is_told_to_stop_finishes_and_says_so(server: DemoServer) -> None:
    server.stop()
    worker = subprocess.Popen(
        server._command("worker"),
        cwd=server.folder,
        env=server._environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stderr is not None
        assert any("worker_started" in line for line in worker.stderr)
        worker.send_signal(signal.SIGTERM)
        said = worker.stderr.read()
        assert worker.wait(GRACE_SECONDS) == 0
    assert "Stopped." in said
    assert "Traceback" not in said
