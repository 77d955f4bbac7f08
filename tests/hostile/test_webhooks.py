"""Servers and workers are killed while they deliver: every event arrives, and none that is none."""

from __future__ import annotations

import random
import signal
import subprocess
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

import orjson
from standardwebhooks import Webhook

from models.db.record import public_id
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.many_servers import SOAK, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.servers import Databases

KILLS = 12 if SOAK else 3
EVENTS = 12
PATIENCE_SECONDS = 120


class Far:
    """The far side: verifies and keeps what comes, and refuses some of it the first time."""

    def __init__(self) -> None:
        self.secret = ""
        self.told: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, set[bytes]] = {}
        self.times: Counter[str] = Counter()
        self.changed = Condition()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        told = Webhook(self.secret).verify(body, headers)
        with self.changed:
            id = headers["webhook-id"]
            self.times[id] += 1
            self.bodies.setdefault(id, set()).add(body)
            self.told[id] = told
            self.changed.notify_all()
        return 200

    def wait_for(self, ids: set[str]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: set(self.told) >= ids, PATIENCE_SECONDS)

    def wait_for_another(self) -> None:
        with self.changed:
            before = sum(self.times.values())
            self.changed.wait_for(lambda: sum(self.times.values()) > before, PATIENCE_SECONDS)


@contextmanager
def listening(far: Far) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(far.take(headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, *_: object) -> None:
            """The sender was killed."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/in"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def endpoint(server: DemoServer, far: Far, url: str) -> None:
    selection = "secret endpoint { id }"
    made = server.partner.do("createWebhookEndpoint", selection, url=url, events=["*"])
    far.secret = made["secret"]


def forget_leases(server: DemoServer) -> None:
    """What was under way is left for three quarters of a minute; here they have passed."""
    rows(
        server.database_url,
        "UPDATE webhook_delivery SET next_at = created_at, leased_until_at = NULL"
        " WHERE leased_until_at IS NOT NULL RETURNING id",
    )


def happened(server: DemoServer) -> set[str]:
    """The events since there is an endpoint."""
    found = rows(
        server.database_url,
        "SELECT id FROM event WHERE created_at >= (SELECT MIN(created_at) FROM webhook_endpoint)",
    )
    return {public_id("evt", row["id"]) for row in found}


def give(server: DemoServer, account_id: str) -> None:
    server.staff.do(
        "adjustCredit",
        "balance { version }",
        accountId=account_id,
        amount={"amount": "1.00", "currency": "USD"},
        reason="a gift",
    )


def test_a_server_that_delivers_is_killed_at_any_moment_and_every_event_arrives(
    databases: Databases, tmp_path: Path
) -> None:
    far, choice = Far(), random.Random(5)
    with listening(far) as url, open_demo_server(tmp_path, databases) as server:
        endpoint(server, far, url)
        client = server.new_client()
        for _ in range(KILLS):
            for _ in range(EVENTS):
                give(server, client.account_id)
            for _ in range(choice.randrange(1, 4)):
                far.wait_for_another()
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
            server.connections.close()
            forget_leases(server)
            server.start()
        assert_all_arrives(server, far)


def test_a_worker_that_delivers_is_killed_at_any_moment_and_every_event_arrives(
    databases: Databases, tmp_path: Path
) -> None:
    far, choice = Far(), random.Random(6)
    with (
        listening(far) as url,
        open_demo_server(tmp_path, databases, EMBEDDED_WORKER="0") as server,
    ):
        endpoint(server, far, url)
        client = server.new_client()
        for _ in range(KILLS):
            with worker(server) as working:
                for _ in range(EVENTS):
                    give(server, client.account_id)
                for _ in range(choice.randrange(1, 4)):
                    far.wait_for_another()
                working.kill()
            forget_leases(server)
        with worker(server):
            assert_all_arrives(server, far)


@contextmanager
def worker(server: DemoServer) -> Iterator[subprocess.Popen[str]]:
    with (
        (server.folder / "worker.log").open("a") as log,
        subprocess.Popen(
            server._command("worker"),
            cwd=server.folder,
            env={**server._environment(), "ACCOUNT_CREDIT_DEMO": "1"},
            stderr=log,
            text=True,
        ) as working,
    ):
        try:
            yield working
        finally:
            working.kill()


def assert_all_arrives(server: DemoServer, far: Far) -> None:
    """Each at least once, always the same, and nothing else."""
    ids = happened(server)
    assert len(ids) >= KILLS * EVENTS
    far.wait_for(ids)
    assert set(far.told) == ids
    assert {len(bodies) for bodies in far.bodies.values()} == {1}
    by_account: dict[str, list[int]] = {}
    for id, told in far.told.items():
        assert told["id"] == id
        assert orjson.loads(next(iter(far.bodies[id]))) == told
        by_account.setdefault(told["accountId"], []).append(told["sequence"])
    for sequences in by_account.values():
        assert sorted(sequences) == list(range(min(sequences), max(sequences) + 1))
