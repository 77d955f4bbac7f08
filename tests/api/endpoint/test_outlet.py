"""What is sent to one client: in order, without waiting for it, and without piling up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.endpoint.outlet import WAITING_MAX, Outlet

pytestmark = pytest.mark.once


class Client:
    """Takes messages while it is open; raises once it has gone."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.gone = False

    async def send(self, message: Any) -> None:
        await self.open.wait()
        if self.gone:
            raise OSError("gone")
        self.taken.append(message["n"])


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_messages_go_in_the_order_in_which_they_came() -> None:
    client = Client()
    outlet = Outlet(client.send)
    assert outlet.push({"n": 1})
    assert outlet.push({"n": 2})
    await outlet.send({"n": 3})
    assert client.taken == [1, 2, 3]


async def test_a_slow_client_is_not_waited_for_and_hears_when_it_takes_more() -> None:
    client = Client()
    outlet = Outlet(client.send)
    client.open.clear()
    assert all(outlet.push({"n": n}) for n in range(WAITING_MAX))
    assert not outlet.push({"n": -1})
    assert outlet.push({"n": WAITING_MAX}, always=True)
    free: list[int] = []
    outlet.when_free(lambda: free.append(len(client.taken)))
    await turns()
    assert client.taken == []
    client.open.set()
    await turns()
    assert client.taken == list(range(WAITING_MAX + 1))
    assert free == [WAITING_MAX + 1]


async def test_a_client_that_has_gone_is_no_error() -> None:
    client = Client()
    outlet = Outlet(client.send)
    client.gone = True
    outlet.push({"n": 1})
    await outlet.send({"n": 2})
    await turns()
    assert client.taken == []


async def test_nothing_is_sent_after_it_was_closed() -> None:
    client = Client()
    outlet = Outlet(client.send)
    client.open.clear()
    outlet.push({"n": 1})
    outlet.when_free(lambda: pytest.fail("nobody listens"))
    await turns()
    await outlet.close()
    client.open.set()
    await turns()
    assert client.taken == []


async def test_who_sends_waits_for_what_came_before_and_for_nothing_that_comes_after() -> None:
    client = Client()
    outlet = Outlet(client.send)
    client.open.clear()
    outlet.push({"n": 1})
    sending = asyncio.create_task(outlet.send({"n": 2}))
    given_up = asyncio.create_task(outlet.send({"n": 3}))
    await turns()
    given_up.cancel()

    async def more() -> None:
        for n in range(4, 30):
            outlet.push({"n": n})
            await asyncio.sleep(0)

    pushing = asyncio.create_task(more())
    client.open.set()
    await sending
    assert not pushing.done()
    await pushing
    await turns()
    assert client.taken == [1, 2, *range(4, 30)]


@pytest.mark.parametrize("how", ["it is closed", "the client goes"])
async def test_who_sends_waits_no_longer_than_there_is_anybody(how: str) -> None:
    client = Client()
    outlet = Outlet(client.send)
    client.open.clear()
    outlet.push({"n": 1})
    sending = asyncio.create_task(outlet.send({"n": 2}))
    await turns()
    if how == "it is closed":
        await outlet.close()
    client.gone = True
    client.open.set()
    async with asyncio.timeout(5):
        await sending
    assert client.taken == []
