"""No one shuts the others out: the real application on a real port, its database held at will."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
from asgi_lifespan import LifespanManager
from tortoise.connection import get_connection
from websockets.asyncio.client import connect

from api.app import create_app
from api.server.connection import HttpConnection, WebsocketConnection
from models import audit
from models.access import password, session
from models.accounts.account import Account
from models.credit.adjustment import AdjustCredit
from models.db import connection, fair_queue, sql, tasks, transactions
from models.db.caller import LANE, called_by
from models.db.fair_queue import WAITING_MAX
from models.gateway import EventKind, GatewayEvent
from models.invoices import order
from models.invoices.order import CreateOrder
from models.journal.command import run
from models.payments import transmission
from tests.support.application import demo_settings
from tests.support.factories import STAFF
from tests.support.identities import CHEAP_HASHER, a_client
from tests.support.providers import key
from tests.support.small_endpoint import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from models.db.fair_queue import FairQueue

PROTOCOL: Any = ["graphql-transport-ws"]
PAY = """mutation ($input: PayInvoiceInput!) {
  payInvoice(input: $input) { invoice { status } userErrors { code } }
}"""
ADD = """mutation ($input: AddFundsInput!) {
  addFunds(input: $input) { invoice { id } userErrors { code } }
}"""
BALANCE = "{ balance { available { amount } version } }"
MANY = 700


@dataclass
class Person:
    """A client who is signed in, with credit and an invoice to pay with it."""

    account: Account
    token: str
    invoice: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def paying(self, key: str = "pay") -> dict[str, Any]:
        wish = {"invoiceId": self.invoice, "useCredit": True, "idempotencyKey": key}
        return {"query": PAY, "variables": {"input": wish}}

    def adding(self) -> dict[str, Any]:
        money = {"amount": "1000", "currency": "JPY"}
        wish = {"amount": money, "gateway": "sandbox", "acceptedPolicyVersion": "2026-01"}
        return {"query": ADD, "variables": {"input": {**wish, "idempotencyKey": key()}}}


@dataclass
class ServedApp:
    """Where the application is served, and what waits in it."""

    address: str
    http: httpx.AsyncClient
    #: Many at once: a client's own work grows with the square of its connections.
    crowd: Iterator[httpx.AsyncClient]

    async def post(self, person: Person, body: dict[str, Any], **headers: str) -> httpx.Response:
        http = next(self.crowd)
        return await http.post("/graphql", json=body, headers={**person.headers, **headers})

    async def balance(self, person: Person) -> str:
        answer = (await self.post(person, {"query": BALANCE})).json()
        amount: str = answer["data"]["balance"]["available"]["amount"]
        return amount

    @property
    def turns(self) -> FairQueue:
        turns: FairQueue = get_connection("default").turns  # type: ignore[attr-defined]
        return turns

    async def until_waiting(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.turns.waiting != count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """Transactions of others have all the places from which anybody could write."""
        gate, begun = asyncio.Event(), []

        async def stand() -> None:
            if connection.dialect() == "postgres":  # else it ends them
                await sql.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            began.release()
            await gate.wait()

        began = asyncio.Semaphore(0)
        for n in range(self.turns.places):
            with called_by(f"stander {n}" if n else LANE):  # the lane has one of its own
                begun.append(transactions.begin(stand))
            await began.acquire()
        try:
            yield
        finally:
            gate.set()
            await asyncio.gather(*begun)

    async def person(self) -> Person:
        user = await a_client(f"{key()}@example.com")
        account = await Account.get(id=user.account_id)
        await run(AdjustCredit(account.id, Decimal(50), account.currency, "gift"), STAFF, key())
        line = order.OrderLine("Hosting", Decimal(1), Decimal(20), Decimal(0))
        how: dict[str, Any] = {"due_at": None, "apply_credit": False, "reference": None}
        bill = await run(CreateOrder(account.id, account.currency, [line], **how), STAFF, key())
        _, token = await session.open_session(user)
        return Person(account, token, bill.public_id)


@pytest.fixture
async def place(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApp]:
    async with served(database_url, monkeypatch) as place:
        yield place


@asynccontextmanager
async def served(
    url: str, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> AsyncIterator[ServedApp]:
    """In the end its books add up, and nobody waits or has a place."""
    monkeypatch.setattr(password, "hasher", CHEAP_HASHER)
    limits = httpx.Limits(max_connections=None, keepalive_expiry=None)
    async with LifespanManager(create_app(demo_settings(url, **more))) as manager:
        app: Any = manager.app
        how: Any = {"http": HttpConnection, "ws": WebsocketConnection, "backlog": 2048}
        how["timeout_keep_alive"] = 900  # or it hangs up on a connection just when it is used again
        async with serving(app, **how) as address, AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=f"http://{address}", limits=limits, timeout=900)
                )
                for _ in range(MANY // 50)
            ]
            place = ServedApp(address, clients[0], cycle(clients))
            yield place
            assert (await audit.audit()).findings == []
            await tasks.drain()
            assert (place.turns.waiting, place.turns._free) == (0, place.turns.places)


@pytest.fixture
def patient(place: ServedApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody loses patience while a test looks around."""
    monkeypatch.setattr(fair_queue, "WAITING_SECONDS_MAX", 900.0)
    place.turns.patience_seconds = 900.0


def code_of(answer: httpx.Response) -> str:
    [error] = answer.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


async def count(table: str) -> int:
    row = await sql.fetch_one(f"SELECT COUNT(*) AS n FROM {table}")
    assert row is not None
    return int(row["n"])


# ------------------------------------------------------------------------------- one with many


@pytest.mark.usefixtures("patient")
async def test_one_client_with_700_mutations_over_http_delays_nobody_else(place: ServedApp) -> None:
    many, other = await place.person(), await place.person()
    before, done = await count("invoice"), list[str]()

    async def send(name: str, person: Person, body: dict[str, Any]) -> httpx.Response:
        answer = await place.post(person, body)
        if answer.status_code == 200:
            done.append(name)
        return answer

    async with place.standing_still():
        flood = [asyncio.create_task(send("many", many, many.adding())) for _ in range(MANY)]
        refused = await first_of(flood, MANY - WAITING_MAX)
        await place.until_waiting(WAITING_MAX)
        # Reading waits for nobody.
        assert await place.balance(other) == "50"
        for path in ("/healthz", "/readyz"):
            assert (await place.http.get(path)).status_code == 200
        paying = asyncio.create_task(send("other", other, other.paying()))
        await place.until_waiting(WAITING_MAX + 1)
    assert (await paying).json()["data"]["payInvoice"]["userErrors"] == []
    assert await place.balance(other) == "30"
    answers = await asyncio.gather(*flood)
    # Its turn came in the first round, before nearly all that the flood had waiting.
    assert done.index("other") < WAITING_MAX / 4
    assert done.count("many") == WAITING_MAX
    assert await count("invoice") == before + WAITING_MAX
    for answer in refused:
        assert (answer.status_code, code_of(answer)) == (429, "RATE_LIMITED")
        assert answer.headers["retry-after"] == "1"
        assert answer.json().keys() == {"errors"}
        assert answer.json()["errors"][0]["extensions"]["retryAfterSeconds"] == 1
    assert sum(answer.status_code == 429 for answer in answers) == MANY - WAITING_MAX


async def first_of(tasks: list[asyncio.Task[httpx.Response]], count: int) -> list[httpx.Response]:
    """What the first `count` that end answer."""
    pending, ended = set(tasks), list[asyncio.Task[httpx.Response]]()
    while len(ended) < count:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        ended += done
    return [task.result() for task in ended]


@pytest.mark.usefixtures("patient")
async def test_what_was_turned_away_is_done_once_when_it_is_sent_again(place: ServedApp) -> None:
    person = await place.person()
    async with place.standing_still():
        flood = [asyncio.create_task(place.post(person, person.adding())) for _ in range(100)]
        await place.until_waiting(WAITING_MAX)
        for accept in ("application/json", "application/graphql-response+json"):
            refused = await place.post(person, person.paying(), accept=accept)
            assert (refused.status_code, code_of(refused)) == (429, "RATE_LIMITED")
    await asyncio.gather(*flood)
    for _ in range(2):
        answer = (await place.post(person, person.paying())).json()
        assert answer["data"]["payInvoice"]["invoice"]["status"] == "PAID"
    assert await place.balance(person) == "30"


async def test_one_client_with_700_mutations_over_one_socket_delays_nobody_else(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_queue, "WAITING_SECONDS_MAX", 900.0)
    async with served(database_url, monkeypatch, subscriptions_max=1000) as place:
        place.turns.patience_seconds = 900.0
        many, other = await place.person(), await place.person()
        async with AsyncExitStack() as stack:
            socket = await stack.enter_async_context(opened(place, many))
            async with place.standing_still():
                for n in range(MANY):
                    await subscribe(socket, str(n), many.adding())
                refused = [await heard(socket) for _ in range(MANY - WAITING_MAX)]
                await place.until_waiting(WAITING_MAX)
                assert await place.balance(other) == "50"
                paying = asyncio.create_task(place.post(other, other.paying()))
                await place.until_waiting(WAITING_MAX + 1)
            said = [await heard(socket) for _ in range(2)]
            assert (await paying).json()["data"]["payInvoice"]["userErrors"] == []
            said += [await heard(socket) for _ in range(2 * WAITING_MAX - len(said))]
        assert {message["type"] for message in refused} == {"error"}
        for message in refused:
            [error] = message["payload"]
            assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}
        assert sum(message["type"] == "next" for message in said) == WAITING_MAX


@pytest.mark.usefixtures("patient")
async def test_a_mutation_too_many_on_a_socket_may_be_sent_again_and_a_subscription_not(
    place: ServedApp,
) -> None:
    person = await place.person()
    async with opened(place, person) as socket, place.standing_still():
        for n in range(50):
            await subscribe(socket, f"under way {n}", person.adding())
        await subscribe(socket, "pay", person.paying())
        refused = await heard(socket)
        assert (refused["type"], refused["id"]) == ("error", "pay")
        assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        watch = "subscription { creditUpdated { balance { version } } }"
        await subscribe(socket, "watch", {"query": watch})
        assert (await heard(socket))["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"


@asynccontextmanager
async def opened(place: ServedApp, person: Person) -> AsyncIterator[Any]:
    async with connect(
        f"ws://{place.address}/graphql", subprotocols=PROTOCOL, ping_interval=None
    ) as socket:
        payload = {"authorization": f"Bearer {person.token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert (await heard(socket))["type"] == "connection_ack"
        yield socket


async def subscribe(socket: Any, id: str, body: dict[str, Any]) -> None:
    await socket.send(json.dumps({"type": "subscribe", "id": id, "payload": body}))


async def heard(socket: Any) -> dict[str, Any]:
    async with asyncio.timeout(600):
        message: dict[str, Any] = json.loads(await socket.recv())
    return message


# ------------------------------------------------------------------------------- who leaves


async def completed(place: ServedApp, person: Person) -> None:
    """A socket's client that no longer wants the answer, and says so."""
    async with opened(place, person) as socket:
        await subscribe(socket, "1", person.paying())
        await place.until_waiting(1)
        await socket.send(json.dumps({"type": "complete", "id": "1"}))
        await place.until_waiting(0)


async def hung_up(place: ServedApp, person: Person) -> None:
    async with opened(place, person) as socket:
        await subscribe(socket, "1", person.paying())
        await place.until_waiting(1)
    await place.until_waiting(0)


async def over_http(place: ServedApp, person: Person) -> None:
    sending = asyncio.create_task(place.post(person, person.paying()))
    await place.until_waiting(1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await place.until_waiting(0)


@pytest.mark.parametrize("leaves", [completed, hung_up, over_http])
@pytest.mark.usefixtures("patient")
async def test_who_leaves_while_they_wait_takes_no_turn_and_has_changed_nothing(
    place: ServedApp, leaves: Callable[[ServedApp, Person], Awaitable[None]]
) -> None:
    person = await place.person()
    async with place.standing_still():
        await leaves(place, person)
    await tasks.drain()
    assert await place.balance(person) == "50"
    assert (await place.post(person, person.paying())).status_code == 200
    assert await place.balance(person) == "30"


# ------------------------------------------------------------------------------- the system's own


@pytest.mark.usefixtures("patient")
async def test_the_worker_and_gateways_have_turns_of_their_own_beside_any_flood(
    place: ServedApp,
) -> None:
    people = [await place.person() for _ in range(2)]
    told: list[str] = []

    class Gateway:
        code = "card"

        async def parse_message(self, *_: object) -> list[GatewayEvent]:
            return [GatewayEvent("evt-1", EventKind.IGNORED, payment="pay_unknown")]

    async def message() -> None:
        gateway: Any = Gateway()
        await transmission.receive(gateway, {}, b"")
        told.append("gateway")

    async def job() -> None:
        await transactions.transaction(lambda: sql.fetch("SELECT 1 AS one"))
        told.append("worker")

    async def sent(person: Person) -> None:
        await place.post(person, person.adding())
        told.append("client")

    async with place.standing_still():
        flood = [asyncio.create_task(sent(one)) for one in people for _ in range(WAITING_MAX)]
        await place.until_waiting(2 * WAITING_MAX)
        own = [asyncio.create_task(job()), asyncio.create_task(message())]
        await place.until_waiting(2 * WAITING_MAX + 2)
    await asyncio.gather(*own)
    assert told.index("worker") < WAITING_MAX / 2
    await asyncio.gather(*flood)
    assert told.index("gateway") < WAITING_MAX
    assert await count("receipt") == 1


# ------------------------------------------------------------------------------- what stands still


async def test_while_everything_stands_still_writing_is_put_off_and_reading_goes_on(
    place: ServedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.turns, "patience_seconds", 0.05)
    person = await place.person()
    async with place.standing_still():
        late = await place.post(person, person.paying())
        assert (late.status_code, code_of(late)) == (503, "TRY_AGAIN")
        assert late.headers["retry-after"] == "1"
        assert await place.balance(person) == "50"
        async with opened(place, person) as socket:
            await subscribe(socket, "1", person.paying())
            refused = await heard(socket)
            assert refused["type"] == "error"
            assert refused["payload"][0]["extensions"]["code"] == "TRY_AGAIN"
    assert (await place.post(person, person.paying())).status_code == 200
    assert await place.balance(person) == "30"


async def test_pages_and_messages_that_cannot_be_taken_now_are_put_off_as_well(
    place: ServedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.turns, "patience_seconds", 0.05)
    person = await place.person()
    begin = person.paying()
    begin["query"] = PAY.replace("userErrors", "payment { nextAction { ...Url } } userErrors")
    begin["query"] += " fragment Url on RedirectAction { url }"
    begin["variables"]["input"] |= {"useCredit": False, "gateway": "sandbox"}
    begun = (await place.post(person, begin)).json()["data"]["payInvoice"]["payment"]
    page = begun["nextAction"]["url"].partition("/sandbox/")[2]
    async with place.standing_still():
        answer = await place.http.post(f"/sandbox/{page}/approve")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json().keys() == {"error"}
    answer = await place.http.post(f"/sandbox/{page}/approve")
    assert answer.status_code < 400


@asynccontextmanager
async def locked(url: str, person: Person) -> AsyncIterator[None]:
    """Somebody outside of this server has what paying needs: SQLite's lock, or the balance."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite://").partition("?")[0])
        with closing(other):
            other.execute("BEGIN IMMEDIATE")
            yield
            other.rollback()
        return
    connection = await asyncpg.connect(url.partition("?maxsize")[0].partition("&maxsize")[0])
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT 1 FROM balance WHERE account_id = $1 FOR UPDATE", person.account.id
            )
            yield
    finally:
        await connection.close()


async def test_a_lock_that_does_not_come_is_try_again_at_once_and_the_same_key_pays_once(
    place: ServedApp, database_url: str
) -> None:
    person = await place.person()
    async with locked(database_url, person):
        started = asyncio.get_running_loop().time()
        late = await place.post(person, person.paying())
        waited = asyncio.get_running_loop().time() - started
        assert (late.status_code, code_of(late)) == (503, "TRY_AGAIN")
        assert late.headers["retry-after"] == "1"
        # Two seconds for the lock; it is not asked for again and again.
        assert 1.5 < waited < 8
        assert await place.balance(person) == "50"
        assert (await place.http.get("/readyz")).status_code == 200
    for _ in range(2):
        answer = (await place.post(person, person.paying())).json()
        assert answer["data"]["payInvoice"]["invoice"]["status"] == "PAID"
    assert await place.balance(person) == "30"


@pytest.mark.postgres_only
async def test_locks_that_do_not_come_and_a_full_pool_leave_reading_alone(
    place: ServedApp, database_url: str
) -> None:
    people = [await place.person() for _ in range(4)]
    async with AsyncExitStack() as stack:
        for person in people:
            await stack.enter_async_context(locked(database_url, person))
        stuck = [
            asyncio.create_task(place.post(person, person.paying(f"{n}")))
            for person in people
            for n in range(3)
        ]
        # One place is the lane's, which waits for no lock; before, fewer wait for a moment.
        await place.until_waiting(len(stuck) - (place.turns.places - 1))
        for person in people:
            assert await place.balance(person) == "50"
        assert (await place.http.get("/readyz")).status_code == 200
        answers = await asyncio.gather(*stuck)
    assert {answer.status_code for answer in answers} == {503}
