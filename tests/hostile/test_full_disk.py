"""A database that takes nothing more: it is said, reads go on, and nothing is lost or made."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from api.server import health
from models.access import session
from models.access.user import create_staff
from models.audit import audit
from models.db import sql
from tests.support.application import demo_settings, running
from tests.support.server.demo_server import DemoServer
from tests.support.server.people import findings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.support.server.api_client import Portal
    from tests.support.servers import Databases

READ: Final = "{ accounts(first: 1) { edges { node { id name } } } }"
CREATE: Final = """mutation ($n: String!) { createAccount(input: {
    name: "Ada", email: $n, currency: "USD", idempotencyKey: $n }) {
    account { id } userErrors { code message } } }"""


@pytest.fixture(autouse=True)
def looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_FRESH_SECONDS", 0.0)


async def signed_in(client: httpx.AsyncClient) -> None:
    _, token = await session.open_session(await create_staff("staff@example.com", None))
    client.headers["authorization"] = f"Bearer {token}"


async def asked(client: httpx.AsyncClient, query: str, **variables: Any) -> httpx.Response:
    return await client.post("/graphql", json={"query": query, "variables": variables})


async def create(client: httpx.AsyncClient, name: str) -> httpx.Response:
    return await asked(client, CREATE, n=f"{name}@example.com")


async def accounts() -> int:
    [row] = await sql.fetch("SELECT COUNT(*) AS n FROM account")
    return int(row["n"])


async def assert_full(client: httpx.AsyncClient) -> None:
    """Writes are refused clearly, reads are answered, and it is not ready."""
    before = await accounts()
    for n in range(3):
        answer = await create(client, f"late{n}")
        assert answer.status_code == 503, answer.text
        [error] = answer.json()["errors"]
        assert error["extensions"] == {"code": "TRY_AGAIN"}
        assert "store anything" in error["message"]
        assert not answer.json().get("data")
    read = await asked(client, READ)
    assert "errors" not in read.json()
    assert await accounts() == before
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert "full" in ready.json()["checks"]["storage"]
    assert (await client.get("/healthz")).status_code == 200


async def assert_well(client: httpx.AsyncClient) -> None:
    """By itself, and with the very keys that were refused."""
    ready = await client.get("/readyz")
    assert ready.status_code == 200, ready.text
    for n in range(3):
        answer = (await create(client, f"late{n}")).json()
        assert answer["data"]["createAccount"]["userErrors"] == [], answer
    assert (await audit()).findings == []


@pytest.mark.sqlite_only
async def test_a_full_sqlite_says_so_and_recovers(database_url: str) -> None:
    async with running(demo_settings(database_url)) as client:
        await signed_in(client)
        [pages] = await sql.fetch("PRAGMA page_count")
        await sql.fetch(f"PRAGMA max_page_count = {pages['page_count']}")
        for n in range(200):  # what room its pages have
            if (await create(client, f"early{n}")).status_code != 200:
                break
        else:
            pytest.fail("it does not fill")
        await assert_full(client)
        await sql.fetch("PRAGMA max_page_count = 1000000")
        await assert_well(client)


@pytest.mark.postgres_only
async def test_a_full_postgresql_says_so_and_recovers(database_url: str) -> None:
    async with running(demo_settings(database_url)) as client:
        await signed_in(client)
        await sql.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE"
            " EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';"
            " END $f$"
        )
        tables = ("account", "users", "pulse", "idempotency_key", "audit_entry")
        for table in tables:
            await sql.execute(
                f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION full_disk()"
            )
        await assert_full(client)
        for table in tables:
            await sql.execute(f"DROP TRIGGER full_disk ON {table}")
        await assert_well(client)


# ------------------------------------------------------------------------------- a real disk


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of that size; skips where this process may not mount one."""
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={mebibytes}m".encode()
    if libc.mount(b"none", bytes(folder), b"tmpfs", 0, options):
        pytest.skip(f"no tmpfs can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        assert libc.umount2(bytes(folder), 2) == 0  # MNT_DETACH: what is open may close later


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


@pytest.mark.sqlite_only
def test_a_server_whose_disk_runs_full_stays_up_and_its_log_stays_short(
    tmp_path: Path, databases: Databases
) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        source = databases.filled().removeprefix("sqlite://")
        shutil.copyfile(source, disk / "credit.db")
        server = DemoServer(
            tmp_path, f"sqlite://{disk}/credit.db", {"DOCUMENT_STORE": str(tmp_path / "d")}
        )
        assert server.demo
        server.start()
        try:
            _serve_on_a_full_disk(server, disk)
        finally:
            server.connections.close()
            server.stop()
        assert findings(server.database_url) == []
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert not [line for line in lines if "exception" in line]
    trouble = [line for line in lines if line["event"] == "database_trouble"]
    assert 1 <= len(trouble) <= 3
    assert "Traceback" not in log


def _serve_on_a_full_disk(server: DemoServer, disk: Path) -> None:
    client = server.new_client(credit="100")
    ballast = fill(disk)
    refused = 0
    for n in range(300):
        if refused == 25:
            break
        answer = _deposit(client, n)
        if answer.status_code != 200:
            assert answer.status_code == 503
            assert answer.json()["errors"][0]["extensions"]["code"] == "TRY_AGAIN"
            refused += 1
            assert client.balance()["available"] == "100.00"
    assert refused == 25
    # It may have looked less than a second ago.
    while (ready := client.http.get(f"{server.url}/readyz")).status_code == 200:
        pass
    assert ready.status_code == 503
    assert "full" in ready.json()["checks"]["storage"]
    assert client.http.get(f"{server.url}/healthz").status_code == 200
    ballast.unlink()
    while client.http.get(f"{server.url}/readyz").status_code != 200:
        pass
    assert _deposit(client, 299).status_code == 200


def _deposit(client: Portal, number: int) -> httpx.Response:
    query = """mutation ($input: AddFundsInput!) { addFunds(input: $input) {
        invoice { id } userErrors { code message } } }"""
    given = {
        "amount": client.money("25.00"),
        "gateway": "sandbox",
        "acceptedPolicyVersion": client.policy_version(),
        "idempotencyKey": f"deposit-{number}",
    }
    return client.post(query, {"input": given})
