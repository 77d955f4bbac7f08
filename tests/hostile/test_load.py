"""A mixed load for a while: everybody reads, orders, pays, redeems and watches at once.

No request ends in a fault, no subscription misses or repeats a version, and memory stays flat.
Eight seconds; a minute where SOAK is set.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.journeys.shop import Shop, open_shop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.journeys.portal import Portal
    from tests.servers import Databases

SECONDS = 60.0 if os.environ.get("SOAK") else 8.0
CLIENTS = 8
#: Per client: enough that the server never waits for us.
HANDS = 3
#: What caches and the allocator may still take after the first half.
GROWTH_MIB_MAX = 24.0

WATCH = "subscription { creditUpdated { balance { version } transaction { version } } }"
BALANCE = "{ balance { available { amount } reserved { amount } version } }"
INVOICES = """{ invoices(first: 20) { totalCount edges { node {
  number status total { formatted } lines { description } payments { status }
} } } }"""
STATEMENT = (
    "{ creditTransactions(first: 20) { edges { node { kind amount { amount } version } } } }"
)
ORDER = """mutation ($i: CreateInvoiceInput!) {
  createInvoice(input: $i) { invoice { id } userErrors { code } }
}"""
PAY = """mutation ($i: PayInvoiceInput!) {
  payInvoice(input: $i) { invoice { status } userErrors { code } }
}"""
REDEEM = """mutation ($i: RedeemVoucherInput!) {
  redeemVoucher(input: $i) { transaction { version } userErrors { code } }
}"""


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    url = databases.fresh()
    with open_shop(tmp_path_factory.mktemp("load-shop"), url) as shop:
        yield shop
    databases.drop(url)


@dataclass
class Load:
    """What is asked, and what came of it."""

    shop: Shop
    http: httpx.AsyncClient
    until: float
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    keys: count[int] = field(default_factory=count)

    async def ask(self, what: str, token: str, document: str, **given: object) -> Any:
        """The data of a request."""
        if given:
            given["idempotencyKey"] = f"load-{next(self.keys)}"
        answer = await self.http.post(
            f"{self.shop.url}/graphql",
            json={"query": document, "variables": {"i": given} if given else {}},
            headers={"authorization": f"Bearer {token}"},
        )
        self.done[what] += 1
        body = answer.json()
        if answer.status_code != 200 or "errors" in body:
            self.faults.append(f"{what}: {answer.status_code} {answer.text[:300]}")
        return body.get("data") or {}

    async def keep_on(self, work: Callable[[], Awaitable[None]]) -> None:
        while monotonic() < self.until and not self.faults:
            await work()


async def _reads(load: Load, client: Portal) -> None:
    for document in (BALANCE, INVOICES, STATEMENT):
        await load.ask("read", client.token, document)


async def _orders(load: Load, client: Portal) -> None:
    line = {"description": "Hosting", "unitPrice": "0.10"}
    bill = {"accountId": client.account_id, "currency": "USD", "applyCredit": False}
    made = await load.ask("order", load.shop.staff.token, ORDER, lines=[line], **bill)
    invoice = made["createInvoice"]["invoice"]["id"]
    paid = await load.ask("pay", client.token, PAY, invoiceId=invoice, useCredit=True)
    if paid["payInvoice"]["invoice"]["status"] != "PAID":
        load.faults.append(f"not paid: {paid}")


async def _redeems(load: Load, client: Portal, codes: Iterator[str]) -> None:
    given = await load.ask("redeem", client.token, REDEEM, code=next(codes))
    if given["redeemVoucher"]["userErrors"]:
        load.faults.append(f"not redeemed: {given}")
    await _reads(load, client)


@dataclass
class Watch:
    """One subscription: the versions that it was told."""

    client: Portal
    versions: list[int] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        url = f"{self.client.url}/graphql".replace("http", "ws", 1)
        protocol: Any = "graphql-transport-ws"
        async with connect(url, subprotocols=[protocol]) as socket:
            payload = {"authorization": self.client.token}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            await socket.recv()
            asked = {"type": "subscribe", "id": "1", "payload": {"query": WATCH}}
            await socket.send(json.dumps(asked))
            async for text in socket:
                message = json.loads(text)
                assert message["type"] == "next", message
                update = message["payload"]["data"]["creditUpdated"]
                # Without a transaction it is the state at the beginning, or of what is reserved.
                if update["transaction"] is not None or not self.versions:
                    self.versions.append(update["balance"]["version"])
                self.ready.set()


def test_a_mixed_load_breaks_nothing_and_memory_stays_flat(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    clients = [shop.new_client(credit="900.00") for _ in range(CLIENTS)]
    vouchers = [shop.vouchers("0.05", count=1000) for _ in range(1 + int(SECONDS / 8))]
    codes = iter([code for some in vouchers for code in some])
    done, grown = asyncio.run(_loaded(shop, clients, codes))
    record_property("done", dict(done))
    record_property("grown MiB", grown)
    print(f"\n{sum(done.values()) / SECONDS:.0f} requests/s, {dict(done)}, {grown:+.1f} MiB")
    assert min(done[what] for what in ("read", "order", "pay", "redeem")) > SECONDS
    assert grown < GROWTH_MIB_MAX


async def _loaded(
    shop: Shop, clients: list[Portal], codes: Iterator[str]
) -> tuple[Counter[str], float]:
    watches = [Watch(client) for client in clients]
    watching = [asyncio.create_task(watch.run()) for watch in watches]
    await asyncio.wait_for(asyncio.gather(*(watch.ready.wait() for watch in watches)), 20)
    limits = httpx.Limits(max_connections=CLIENTS * HANDS)
    async with httpx.AsyncClient(timeout=30, limits=limits) as http:
        load = Load(shop, http, monotonic() + SECONDS)
        hands = [
            asyncio.create_task(load.keep_on(work))
            for client in clients
            for work in (
                lambda c=client: _reads(load, c),
                lambda c=client: _orders(load, c),
                lambda c=client: _redeems(load, c, codes),
            )
        ]
        await asyncio.sleep(SECONDS / 2)
        before = _resident_mib(shop)
        await asyncio.gather(*hands)
        grown = _resident_mib(shop) - before
        assert load.faults == []
        for watch in watches:
            now = (await load.ask("read", watch.client.token, BALANCE))["balance"]["version"]
            await _until(watch, now)
            first = watch.versions[0]
            assert watch.versions == list(range(first, now + 1))
    for task in watching:
        assert not task.done(), task.exception()
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return load.done, grown


async def _until(watch: Watch, version: int) -> None:
    """The subscription has caught up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(15):
            while watch.versions[-1] < version:  # noqa: ASYNC110 - another task's list
                await asyncio.sleep(0.05)


def _resident_mib(shop: Shop) -> float:
    assert shop._process is not None
    shown = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(shop._process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(shown.stdout) / 1024
