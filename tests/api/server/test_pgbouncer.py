"""PostgreSQL behind PgBouncer in transaction mode: another connection for each transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.support import servers
from tests.support.server.actions import adding, order
from tests.support.server.demo_server import DemoServer
from tests.support.server.live import CREDIT, watching
from tests.support.server.people import findings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.postgres_only

LIMITS: Final = (
    "SET jit = off; SET statement_timeout = 15000; SET lock_timeout = 2000;"
    " SET idle_in_transaction_session_timeout = 10000"
)


@pytest.fixture(scope="module")
def bouncer(databases: servers.PostgresDatabases) -> Iterator[str]:
    try:
        with servers.pgbouncer(databases, LIMITS) as url:
            yield url
    except servers.NoPgBouncerError as reason:
        pytest.skip(f"NOT TESTED: {reason}")


def test_a_server_and_its_commands_work_through_it(
    bouncer: str, databases: servers.PostgresDatabases, tmp_path: Path
) -> None:
    direct = databases.filled()
    through = f"{bouncer}{urlsplit(direct).path}?pgbouncer=true"
    server = DemoServer(tmp_path, through)
    # Commands of the database's own: they take turns by a lock, and read as of one moment.
    assert server.run("migrate").returncode == 0
    server.start()
    try:
        ada = server.new_client(credit="10.00")
        orders = [order(server.partner, ada, "1.00")["invoice"]["id"] for _ in range(12)]
        with watching(ada, CREDIT) as hear, ThreadPoolExecutor(12) as pool:
            assert hear()["balance"]["available"] == "10.00"
            paid = list(pool.map(lambda bill: _pay(server, ada.token, bill), orders))
            assert sorted(paid) == ["PAID"] * 10 + ["UNPAID"] * 2
            while hear()["balance"]["available"] != "0.00":
                """It hears of each."""
        with ThreadPoolExecutor(8) as pool:
            asked = [
                pool.submit(ada.do, "addFunds", "invoice { id }", **adding(ada, "once"))
                for _ in range(8)
            ]
            assert len({one.result()["invoice"]["id"] for one in asked}) == 1
        audit = server.run("audit")
        assert audit.returncode == 0, audit.stderr
        assert findings(direct) == []
    finally:
        server.connections.close()
        assert server.stop() == 0
    server.assert_nothing_broke()
    databases.drop(direct)


def _pay(server: DemoServer, token: str, bill: str) -> str:
    asked = {"invoiceId": bill, "useCredit": True}
    paid = server.portal(token=token).attempt("payInvoice", "invoice { status }", **asked)
    status: str = paid["invoice"]["status"] if paid["invoice"] else "UNPAID"
    return status


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "DATABASE_URL leads to PgBouncer. Add ?pgbouncer=true to it."),
        ("?pgbouncer=true", "SET lock_timeout = '2000'"),
    ],
)
def test_what_it_lacks_is_said_before_anything_is_served(
    query: str, sentence: str, databases: servers.PostgresDatabases, tmp_path: Path
) -> None:
    direct = databases.fresh()
    try:
        with servers.pgbouncer(databases) as url:
            server = DemoServer(tmp_path, f"{url}{urlsplit(direct).path}{query}")
            done = server.run("serve")
    except servers.NoPgBouncerError as reason:
        pytest.skip(f"NOT TESTED: {reason}")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
