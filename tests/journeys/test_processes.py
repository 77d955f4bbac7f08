"""Many processes on one PostgreSQL, and Redis between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.server.actions import at_once, order
from tests.support.server.api_client import Portal, at_sandbox
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.live import CREDIT, INVOICE_OF, streaming, watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Databases

pytestmark = pytest.mark.postgres_only


@pytest.fixture(scope="module")
def servers(
    databases: Databases, redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DemoServer, DemoServer]]:
    """Two servers on one database."""
    folder = tmp_path_factory.mktemp("servers")
    with open_demo_server(folder, databases, REDIS_URL=redis_server) as one:
        other = DemoServer(folder, one.database_url, {"REDIS_URL": redis_server})
        other.start()
        try:
            yield one, other
        finally:
            other.connections.close()
            other.stop()
        other.assert_nothing_broke()


def elsewhere(client: Portal, server: DemoServer) -> Portal:
    """The same client at another server."""
    return server.portal(token=client.token, account_id=client.account_id, currency=client.currency)


def test_what_one_server_commits_the_other_pushes(servers: tuple[DemoServer, DemoServer]) -> None:
    one, other = servers
    client = one.new_client()
    there = elsewhere(client, other)
    invoice = client.add_funds("25.00")
    with (
        watching(there, CREDIT) as credit,
        streaming(there, INVOICE_OF, id=invoice["id"]) as shown,
    ):
        assert credit()["balance"]["version"] == 0
        assert shown()["status"] == "UNPAID"
        payment = client.begin(invoice)
        assert credit()["balance"]["pending"] == "25.00"
        at_sandbox(payment, "approve")
        while (update := credit())["transaction"] is None:
            assert update["balance"]["available"] == "0.00"
        assert update["balance"]["available"] == "25.00"
        while shown()["status"] != "PAID":
            pass
    assert there.available() == "25.00"


def test_a_click_that_reaches_two_servers_is_one(servers: tuple[DemoServer, DemoServer]) -> None:
    one, other = servers
    client = one.new_client(credit="30.00")
    places = [client, elsewhere(client, other)]
    invoice = order(one.partner, client, "20.00")["invoice"]
    how = {"useCredit": True, "idempotencyKey": "once"}
    paid = at_once(6, lambda n: places[n % 2].pay(invoice, **how)["invoice"]["status"])
    assert set(paid) == {"PAID"}
    assert client.available() == "10.00"


def test_both_are_ready_and_say_so(servers: tuple[DemoServer, DemoServer]) -> None:
    for server in servers:
        ready = httpx.get(f"{server.url}/readyz").json()
        assert ready["checks"]["redis"] == "ok"
        assert ready["checks"]["database"] == "ok"
        assert "live_subscriptions" in httpx.get(f"{server.url}/metrics").text
