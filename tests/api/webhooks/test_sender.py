"""The sender: an endpoint that is slow keeps nobody else waiting, and a stop ends what is begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from api.webhooks.sender import Sender
from models.access.api_key import revoke_key
from models.partners.attempt import Outcome
from tests.support.factories import a_client
from tests.support.providers import wire_provider
from tests.support.webhooks import (
    NoAnswers,
    Receiver,
    a_partner,
    an_endpoint,
    as_it_is,
    deliveries_of,
    published,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.partners.address import Target

pytestmark = pytest.mark.usefixtures("db")

SLOW = "https://slow.example.com/in"


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_provider(monkeypatch)


class Sorted:
    """One caller for two far sides: the slow one by its URL, and the others."""

    def __init__(self, slow: Receiver, quick: Receiver) -> None:
        self.slow, self.quick = slow, quick

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Outcome:
        side = self.slow if target.host == "slow.example.com" else self.quick
        return await side.post(target, headers, body)


async def test_a_slow_endpoint_with_much_waiting_delays_no_other() -> None:
    client, slow, quick = await a_client(), Receiver(held=asyncio.Event()), Receiver()
    late = await an_endpoint(await a_partner([client.id]), url=SLOW)
    soon = await an_endpoint(await a_partner([client.id]))
    for _ in range(12):
        await client.given(100)
    await published()
    sender = Sender(Sorted(slow, quick), NoAnswers())
    assert slow.held is not None
    async with sender.running():
        async with asyncio.timeout(60):
            while len(quick.messages) < 12:
                await sender.start_due()
                await asyncio.sleep(0.001)
        assert slow.most_under_way <= 4
        assert {one.state for one in await deliveries_of(late)} == {"PENDING"}
        slow.held.set()
        await sender.drained()
    assert {one.state for one in await deliveries_of(soon)} == {"DELIVERED"}
    assert {one.state for one in await deliveries_of(late)} == {"DELIVERED"}
    assert len({message.id for message in slow.messages}) == len(slow.messages) == 12


async def test_there_are_no_more_lanes_than_allowed() -> None:
    client, receiver = await a_client(), Receiver(held=asyncio.Event())
    for _ in range(3):
        await an_endpoint(await a_partner([client.id]))
    for _ in range(5):
        await client.given(100)
    await published()
    sender = Sender(receiver, NoAnswers(), lanes_max=2)
    assert receiver.held is not None
    async with sender.running():
        await sender.start_due()
        assert await sender.start_due() == 0
        assert sender.under_way == 2
        receiver.held.set()
    assert receiver.most_under_way <= 2


async def test_many_that_hang_leave_a_lane_for_each_other_one() -> None:
    client, slow, quick = await a_client(), Receiver(held=asyncio.Event()), Receiver()
    for _ in range(5):
        await an_endpoint(await a_partner([client.id]), url=SLOW)
    for _ in range(6):
        await client.given(100)
    await published()
    sender = Sender(Sorted(slow, quick), NoAnswers(), lanes_max=10)
    assert slow.held is not None
    async with sender.running():
        for _ in range(5):
            await sender.start_due()
            await asyncio.sleep(0)
        assert sender.under_way == 5
        await an_endpoint(await a_partner([client.id]))
        await client.given(100)
        await published()
        async with asyncio.timeout(60):
            while not quick.messages:
                await sender.start_due()
                await asyncio.sleep(0.001)
        assert slow.under_way == 5
        slow.held.set()
        await sender.drained()


async def test_where_there_are_more_endpoints_than_lanes_they_take_turns() -> None:
    client, receiver = await a_client(), Receiver()
    given = [await an_endpoint(await a_partner([client.id])) for _ in range(5)]
    for _ in range(4):
        await client.given(100)
    await published()
    sender = Sender(receiver, NoAnswers(), lanes_max=2)
    async with sender.running():
        for _ in range(3):
            await sender.start_due()
            await sender.drained()
        # Nobody's fourth message has gone out before everybody's first.
        for one in given:
            assert "DELIVERED" in {each.state for each in await deliveries_of(one)}


async def test_a_stop_lets_what_is_under_way_end_and_begins_nothing_more() -> None:
    client, receiver = await a_client(), Receiver(held=asyncio.Event())
    given = await an_endpoint(await a_partner([client.id]))
    for _ in range(9):
        await client.given(100)
    await published()
    sender = Sender(receiver, NoAnswers())
    assert receiver.held is not None
    async with sender.running():
        await sender.start_due()
        async with asyncio.timeout(30):
            while receiver.under_way < 4:  # noqa: ASYNC110 - it is the far side that is waited for
                await asyncio.sleep(0.001)
        asyncio.get_running_loop().call_later(0.05, receiver.held.set)
    done = [one.state for one in await deliveries_of(given)]
    assert done.count("DELIVERED") == 4
    assert sender.under_way == 0


async def test_a_fault_of_one_lane_ends_no_other() -> None:
    client, receiver = await a_client(), Receiver()
    broken = await an_endpoint(await a_partner([client.id]), url=SLOW)
    given = await an_endpoint(await a_partner([client.id]))
    await client.given(100)
    await published()
    sender = Sender(Sorted(Receiver(trouble=RuntimeError("a fault")), receiver), NoAnswers())
    async with sender.running():
        await sender.start_due()
        await sender.drained()
    assert {one.state for one in await deliveries_of(given)} == {"DELIVERED"}
    assert {one.state for one in await deliveries_of(broken)} == {"PENDING"}


async def test_an_endpoint_whose_key_was_revoked_is_disabled_by_the_next_look() -> None:
    given = await an_endpoint(await a_partner())
    await revoke_key(given.endpoint.line_id)
    async with Sender(Receiver(), NoAnswers()).running():
        await Sender(Receiver(), NoAnswers()).start_due()
    assert (await as_it_is(given)).disabled_reason == "KEY_ENDED"
