"""A mixed load for a while: everybody reads, orders, pays, redeems and watches at once.

Four servers share the database and a Redis, so that no core of a small machine idles. No request
ends in a fault, no subscription misses or repeats a version, and memory stays flat. Eight seconds;
a minute where SOAK is set.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support.server.many_servers import SOAK, everywhere, open_demo_servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer
    from tests.support.servers import Databases

SECONDS = 60.0 if SOAK else 8.0
SERVERS = 4
#: What is put off may be sent again, for so long at most.
PUT_OFF = (429, 503)
PATIENCE = 30.0
#: Enough that no server ever waits for us.
CLIENTS = 8
#: What each client does at once.
HANDS = 5
#: What caches and the allocator of a server may still take after the first half.
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
def servers(
    databases: Databases, redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[DemoServer]]:
    folder = tmp_path_factory.mktemp("load-server")
    environment = {"REDIS_URL": redis_server, "PDF_AHEAD": str(int(SOAK))}
    with open_demo_servers(folder, databases, SERVERS, **environment) as servers:
        yield servers


@dataclass
class Load:
    """What is asked, and what came of it."""

    http: httpx.AsyncClient
    until: float
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    keys: count[int] = field(default_factory=count)

    async def ask(self, what: str, who: Portal, document: str, **given: object) -> Any:
        """The data of a request to the server that this visitor uses."""
        if given:
            given["idempotencyKey"] = f"load-{next(self.keys)}"
        body = {"query": document, "variables": {"i": given} if given else {}}
        headers = {"authorization": f"Bearer {who.token}"}
        answer = await self.http.post(f"{who.url}/graphql", json=body, headers=headers)
        while answer.status_code in PUT_OFF and monotonic() < self.until + PATIENCE:
            self.done["again"] += 1  # with the same key, as whoever is put off is told to
            await asyncio.sleep(float(answer.headers["retry-after"]) / 10)
            answer = await self.http.post(f"{who.url}/graphql", json=body, headers=headers)
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
        await load.ask("read", client, document)


async def _orders(load: Load, client: Portal, staff: Portal) -> None:
    line = {"description": "Hosting", "unitPrice": "0.10"}
    bill = {"accountId": client.account_id, "currency": "USD", "applyCredit": False}
    made = await load.ask("order", staff, ORDER, lines=[line], **bill)
    invoice = made["createInvoice"]["invoice"]["id"]
    paid = await load.ask("pay", client, PAY, invoiceId=invoice, useCredit=True)
    if paid["payInvoice"]["invoice"]["status"] != "PAID":
        load.faults.append(f"not paid: {paid}")


async def _redeems(load: Load, client: Portal, codes: Iterator[str]) -> None:
    given = await load.ask("redeem", client, REDEEM, code=next(codes))
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
    servers: list[DemoServer], record_property: Callable[[str, object], None]
) -> None:
    server = servers[0]
    clients = [server.new_client(credit="900.00") for _ in range(CLIENTS)]
    vouchers = [server.vouchers("0.05", count=1000) for _ in range(1 + int(SECONDS / 8))]
    codes = iter([code for some in vouchers for code in some])
    done, grown, busy = asyncio.run(_loaded(servers, clients, codes))
    for name, value in (("done", dict(done)), ("grown MiB", grown), ("busy cores", busy)):
        record_property(name, value)
    print(
        f"\n{sum(done.values()) / SECONDS:.0f} requests/s, {dict(done)}, {grown:+.1f} MiB, "
        f"{busy:.2f} of {os.cpu_count()} cores busy"
    )
    # How fast it was is measured elsewhere: here it was a mixture.
    assert min(done[what] for what in ("read", "order", "pay", "redeem")) > 2
    assert grown < GROWTH_MIB_MAX * len(servers)


async def _loaded(
    servers: list[DemoServer], clients: list[Portal], codes: Iterator[str]
) -> tuple[Counter[str], float, float]:
    """What was done, by how many MiB the servers grew, and how many cores were busy."""
    staff = everywhere(servers[0].staff, servers)
    # Each client asks one server and watches the other.
    here = [everywhere(client, servers)[i % SERVERS] for i, client in enumerate(clients)]
    there = [everywhere(client, servers)[(i + 1) % SERVERS] for i, client in enumerate(clients)]
    watches = [Watch(client) for client in there]
    watching = [asyncio.create_task(watch.run()) for watch in watches]
    await asyncio.wait_for(asyncio.gather(*(watch.ready.wait() for watch in watches)), 20)
    # Ours never hang up: httpx may close an idle connection that it has just given to a request.
    limits = httpx.Limits(keepalive_expiry=None)
    async with httpx.AsyncClient(timeout=30, limits=limits) as http:
        load = Load(http, monotonic() + SECONDS)
        hands = [
            asyncio.create_task(load.keep_on(work))
            for i, client in enumerate(here)
            for work in (
                *[partial(_reads, load, client)] * (HANDS - 2),
                partial(_orders, load, client, staff[i % SERVERS]),
                partial(_redeems, load, client, codes),
            )
        ]
        idle, half = _idle_seconds(), monotonic()
        await asyncio.sleep(SECONDS / 2)
        before = _resident_mib(servers)
        busy = (os.cpu_count() or 1) - (_idle_seconds() - idle) / (monotonic() - half)
        await asyncio.gather(*hands)
        grown = _resident_mib(servers) - before
        assert load.faults == []
        for watch in watches:
            now = (await load.ask("read", watch.client, BALANCE))["balance"]["version"]
            await _until(watch, now)
            first = watch.versions[0]
            assert watch.versions == list(range(first, now + 1))
    for task in watching:
        assert not task.done(), task.exception()
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return load.done, grown, busy


async def _until(watch: Watch, version: int) -> None:
    """The subscription has caught up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(15):
            while watch.versions[-1] < version:  # noqa: ASYNC110 - another task's list
                await asyncio.sleep(0.05)


def _resident_mib(servers: list[DemoServer]) -> float:
    pids = [str(server._process.pid) for server in servers if server._process is not None]
    assert len(pids) == len(servers)
    shown = subprocess.run(
        ["ps", "-o", "rss=", "-p", ",".join(pids)],
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(map(int, shown.stdout.split())) / 1024


def _idle_seconds() -> float:
    """How long all cores together have had nothing to do, since the machine began."""
    times = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(times[4]) + int(times[5])) / os.sysconf("SC_CLK_TCK")
