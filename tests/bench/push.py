"""From a commit to the websocket message that tells of it.

In a process of its own, which commits and listens: `python -m tests.bench.push` takes an account, a
token and a port from standard input. Without a port it serves as well, and the news stays within
the process; with one, another process serves, and the news takes the way through Redis.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import uvicorn
import uvloop
from websockets.asyncio.client import connect

from api.app import create_app
from api.domain import make_feed, opened
from api.gateways import load_gateways
from api.observe import logs
from api.settings.settings import load_settings
from models.access.identity import Actor, Role
from models.accounts.account import Account
from models.credit.adjustment import AdjustCredit
from models.db import record, transactions
from models.journal.command import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.settings.settings import Settings

_COMMITS: Final = 200
_WARM: Final = 20
_SUBSCRIBE: Final = "subscription { creditUpdated { balance { version available { amount } } } }"


async def measure(asked: dict[str, Any]) -> dict[str, float]:
    """Half and 99 of 100 messages came within so many seconds."""
    settings = load_settings(port=asked["port"] or asked["own_port"])
    logs.configure(settings)
    around = _elsewhere(settings) if asked["port"] else _here(settings)
    async with around:
        seconds = [one async for one in _messages(settings, asked)][_WARM:]
    seconds.sort()
    return {"p50": seconds[len(seconds) // 2], "p99": seconds[len(seconds) * 99 // 100]}


@asynccontextmanager
async def _here(settings: Settings) -> AsyncIterator[None]:
    config = uvicorn.Config(create_app(settings), port=settings.port, log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await serving


@asynccontextmanager
async def _elsewhere(settings: Settings) -> AsyncIterator[None]:
    async with opened(settings, load_gateways(settings), make_feed(settings)):
        yield


async def _messages(settings: Settings, asked: dict[str, Any]) -> AsyncIterator[float]:
    """Seconds from each commit to its message."""
    account_id = record.parse_id(Account.PREFIX, asked["account"])
    assert account_id is not None
    by = Actor(role=Role.STAFF, user_id=record.new_id())
    committed = _committed()
    url = f"ws://127.0.0.1:{settings.port}/graphql"
    async with connect(url, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        await _subscribe(socket, asked["token"])
        for n in range(_COMMITS + _WARM):
            await run(AdjustCredit(account_id, Decimal(1), "USD", "push"), by, f"push-{n}")
            told = json.loads(await socket.recv())
            assert told["type"] == "next", told
            yield perf_counter() - committed[-1]


async def _subscribe(socket: Any, token: str) -> None:
    payload = {"authorization": f"Bearer {token}"}
    await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
    await socket.recv()
    subscription = {"id": "1", "type": "subscribe", "payload": {"query": _SUBSCRIBE}}
    await socket.send(json.dumps(subscription))
    await socket.recv()


def _committed() -> list[float]:
    """The moments of the commits from now on: the bell rings right after each."""
    moments: list[float] = []
    bell = transactions._bell
    assert bell is not None

    def noted(topics: set[str]) -> None:
        moments.append(perf_counter())
        bell(topics)

    transactions.on_ring(noted)
    return moments


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(json.load(sys.stdin)))))
