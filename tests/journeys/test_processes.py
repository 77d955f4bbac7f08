"""Many processes on one PostgreSQL, and Redis between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.journeys.live import CREDIT, INVOICE_OF, streaming, watching
from tests.journeys.portal import Portal, at_sandbox
from tests.journeys.shop import Shop, open_shop
from tests.journeys.test_orders import order
from tests.journeys.test_retries import at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Databases

pytestmark = pytest.mark.postgres_only


@pytest.fixture(scope="module")
def shops(
    databases: Databases, redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Shop, Shop]]:
    """Two servers on one database."""
    folder = tmp_path_factory.mktemp("shops")
    with open_shop(folder, databases, REDIS_URL=redis_server) as one:
        other = Shop(folder, one.database_url, {"REDIS_URL": redis_server})
        other.start()
        try:
            yield one, other
        finally:
            other.connections.close()
            other.stop()
        other.assert_nothing_broke()


def elsewhere(client: Portal, shop: Shop) -> Portal:
    """The same client at another server."""
    return shop.portal(token=client.token, account_id=client.account_id, currency=client.currency)


def test_what_one_server_commits_the_other_pushes(shops: tuple[Shop, Shop]) -> None:
    one, other = shops
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


def test_a_click_that_reaches_two_servers_is_one(shops: tuple[Shop, Shop]) -> None:
    one, other = shops
    client = one.new_client(credit="30.00")
    places = [client, elsewhere(client, other)]
    invoice = order(one.partner, client, "20.00")["invoice"]
    how = {"useCredit": True, "idempotencyKey": "once"}
    paid = at_once(6, lambda n: places[n % 2].pay(invoice, **how)["invoice"]["status"])
    assert set(paid) == {"PAID"}
    assert client.available() == "10.00"


def test_both_are_ready_and_say_so(shops: tuple[Shop, Shop]) -> None:
    for shop in shops:
        ready = httpx.get(f"{shop.url}/readyz").json()
        assert ready["checks"]["redis"] == "ok"
        assert ready["checks"]["database"] == "ok"
        assert "live_subscriptions" in httpx.get(f"{shop.url}/metrics").text
