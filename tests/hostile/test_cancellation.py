"""Sockets that close in the middle of mutations: nothing is half done, wedged or leaked."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asgi_lifespan import LifespanManager
from httpx import ASGITransport, AsyncClient
from tortoise.connection import get_connection
from websockets.asyncio.client import connect

from api.app import create_app
from api.server.connection import HttpConnection, WebsocketConnection
from models import audit
from models.access import password, session
from models.accounts.account import Account
from models.credit.adjustment import AdjustCredit
from models.db import connection, sql
from models.db.tasks import open_transactions
from models.invoices import order
from models.invoices.order import CreateOrder
from models.journal.command import run
from tests.support.application import demo_settings
from tests.support.factories import STAFF
from tests.support.identities import CHEAP_HASHER, a_client
from tests.support.server.many_servers import SOAK
from tests.support.small_endpoint import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.once

MUTATIONS = 2000 if SOAK else 400
AT_ONCE = 20
PRICE = 100
PROTOCOL: Any = "graphql-transport-ws"

PAY = """mutation ($input: PayInvoiceInput!) {
  payInvoice(input: $input) { invoice { id status } payment { id } userErrors { code } }
}"""
ADD = """mutation ($input: AddFundsInput!) {
  addFunds(input: $input) { invoice { id } userErrors { code } }
}"""


@dataclass(frozen=True)
class Wish:
    """A mutation, and whose it is."""

    token: str
    document: str
    input: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        return {"query": self.document, "variables": {"input": self.input}}


@dataclass
class Server:
    """The whole application, served on a real port, and a client of it."""

    address: str
    http: AsyncClient
    account_id: Any = None
    token: str = ""

    async def ask(self, wish: Wish) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {wish.token}"}
        answer = (await self.http.post("/graphql", json=wish.body, headers=headers)).json()
        assert "errors" not in answer, answer
        [payload] = answer["data"].values()
        assert payload["userErrors"] == [], payload
        found: dict[str, Any] = payload
        return found


@pytest.fixture
async def server(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(password, "hasher", CHEAP_HASHER)
    settings = demo_settings(database_url, open_invoices_max=2 * MUTATIONS)
    async with LifespanManager(create_app(settings)) as manager:
        app: Any = manager.app
        how: Any = {"http": HttpConnection, "ws": WebsocketConnection}
        transport = ASGITransport(app)
        async with (
            serving(app, **how) as address,
            AsyncClient(transport=transport, base_url=settings.public_url) as client,
        ):
            server = Server(address, client)
            user = await a_client()
            server.account_id = user.account_id
            _, server.token = await session.open_session(user)
            yield server


# ------------------------------------------------------------------------------- cutting off


async def over_http(server: Server, wish: Wish, seconds: float) -> None:
    """Send it, and go away without a word."""
    body = json.dumps(wish.body).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {server.address}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {wish.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + body)
    await _a_moment(reader.read(1), seconds)
    writer.transport.abort()


async def over_a_websocket(server: Server, wish: Wish, seconds: float) -> None:
    async with connect(f"ws://{server.address}/graphql", subprotocols=[PROTOCOL]) as socket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {wish.token}"}}
        await socket.send(json.dumps(init))
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": wish.body}))
        await _a_moment(socket.recv(), seconds)
        socket.transport.abort()


async def over_a_websocket_that_stays(server: Server, wish: Wish, seconds: float) -> None:
    """The client completes its mutation while that runs, and then leaves politely."""
    async with connect(f"ws://{server.address}/graphql", subprotocols=[PROTOCOL]) as socket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {wish.token}"}}
        await socket.send(json.dumps(init))
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": wish.body}))
        await _a_moment(socket.recv(), seconds)
        await socket.send(json.dumps({"type": "complete", "id": "1"}))


async def _a_moment(answer: Awaitable[object], seconds: float) -> None:
    """Wait for an answer, as far as patience goes."""
    with suppress(TimeoutError):
        await asyncio.wait_for(answer, seconds)


# ------------------------------------------------------------------------------- what is left


@asynccontextmanager
async def nothing_left_behind(server: Server, count: int) -> AsyncIterator[None]:
    """All tasks, sockets and connections that are open afterwards were open before: what `count`
    callers left behind is worked off first.
    """
    running, sockets = len(asyncio.all_tasks()), _open_sockets()
    yield
    async with asyncio.timeout(20 + count / 40):
        while (  # noqa: ASYNC110 - nobody tells when the last task has gone
            open_transactions() or len(asyncio.all_tasks()) > running or _open_sockets() > sockets
        ):
            await asyncio.sleep(0.01)
    assert (await server.http.get("/readyz")).status_code == 200
    if connection.dialect() == "postgres":
        client: Any = get_connection("default")
        free = len(client._idle) + client._pool.get_idle_size()
        assert free == client._pool.get_size(), "connections stay, and nobody has one"
        stuck = await sql.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'"
        )
        assert stuck == []


def _open_sockets() -> int:
    folder = Path("/proc/self/fd")
    if not folder.is_dir() or connection.dialect() == "postgres":
        return 0  # the pool opens and closes connections as it likes, and is asked itself
    return sum(_target(file).startswith("socket:") for file in folder.iterdir())


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:  # it was the listing's own
        return ""


async def wishes(server: Server, count: int) -> list[Wish]:
    """As many mutations: credit spent, payments begun at the gateway, funds added."""
    credit = Decimal(PRICE * count)
    await run(AdjustCredit(server.account_id, credit, "JPY", "a gift"), STAFF, "gift")
    account = await Account.get(id=server.account_id)
    made = []
    for n in range(count):
        key = {"idempotencyKey": f"cut-off-{n}"}
        if n % 3 == 0:
            money = {"amount": "1000", "currency": account.currency}
            funds = {"amount": money, "gateway": "sandbox", "acceptedPolicyVersion": "2026-01"}
            made.append(Wish(server.token, ADD, {**funds, **key}))
            continue
        line = order.OrderLine("Hosting", Decimal(1), Decimal(PRICE), Decimal(0))
        how: dict[str, Any] = {"due_at": None, "apply_credit": False, "reference": None}
        bill = await run(
            CreateOrder(account.id, account.currency, [line], **how), STAFF, f"bill-{n}"
        )
        way = {"useCredit": True} if n % 3 == 1 else {"gateway": "sandbox"}
        made.append(Wish(server.token, PAY, {"invoiceId": bill.public_id, **way, **key}))
    return made


@pytest.mark.parametrize(
    "cut", [over_http, over_a_websocket, over_a_websocket_that_stays], ids=lambda cut: cut.__name__
)
async def test_sockets_closed_in_the_middle_of_mutations_wedge_nothing_and_leak_nothing(
    server: Server, cut: Callable[[Server, Wish, float], Awaitable[None]]
) -> None:
    count = MUTATIONS if cut is not over_a_websocket_that_stays else MUTATIONS // 4
    given = await wishes(server, count)
    choice, turns = random.Random(), asyncio.Semaphore(AT_ONCE)

    async def cut_off(wish: Wish) -> None:
        async with turns:
            await cut(server, wish, choice.choice([0, 0.001, choice.uniform(0, 0.1)]))

    await cut(server, given[0], 0.1)
    async with nothing_left_behind(server, count):
        await asyncio.gather(*(cut_off(wish) for wish in given))
    done = await _done(server)
    for wish in given:
        await server.ask(wish)
    after = await _done(server)
    assert after == {"keys": count, "paid": (count + 1) // 3, "begun": count // 3}
    # Some were cut off before they began; the others are done, whole, once.
    assert 0 < done["keys"] <= count
    assert (await audit.audit()).findings == []
    state = await sql.fetch_one("SELECT available FROM balance")
    assert state is not None
    assert state["available"] == PRICE * (count - (count + 1) // 3)


async def _done(_house: Server) -> dict[str, int]:
    counted = {
        "keys": "SELECT count(*) AS n FROM idempotency_key WHERE key LIKE 'cut-off-%'",
        "paid": "SELECT count(*) AS n FROM invoice WHERE status = 'PAID'",
        "begun": "SELECT count(*) AS n FROM payment",
    }
    found = {}
    for name, statement in counted.items():
        row = await sql.fetch_one(statement)
        assert row is not None
        found[name] = row["n"]
    return found
