"""Heartbeats: each at its interval, all from one timer."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import ClassVar

import pytest

from api.endpoint.heartbeat import Heartbeats

pytestmark = pytest.mark.once

SECONDS = 0.02


class Member:
    beats: ClassVar[Counter[str]] = Counter()

    def __init__(self, name: str) -> None:
        self.name = name

    def beat(self) -> None:
        self.beats[self.name] += 1


@pytest.fixture(autouse=True)
def silent() -> None:
    Member.beats.clear()


async def until_beaten(name: str, times: int) -> None:
    async with asyncio.timeout(5):
        while Member.beats[name] < times:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)


async def test_each_member_beats_again_and_again_until_it_leaves() -> None:
    heartbeats = Heartbeats(SECONDS)
    first, second = Member("first"), Member("second")
    heartbeats.add(first)
    await until_beaten("first", 1)
    heartbeats.add(second)
    await until_beaten("second", 2)
    heartbeats.discard(first)
    before = Member.beats["first"]
    await until_beaten("second", 5)
    assert Member.beats["first"] == before
    heartbeats.discard(second)
    heartbeats.discard(second)
    assert heartbeats._timer is None


async def test_who_comes_together_beats_together() -> None:
    heartbeats = Heartbeats(SECONDS)
    members = [Member(str(n)) for n in range(100)]
    for member in members:
        heartbeats.add(member)
    assert Member.beats.total() == 0, "nobody beats at once"
    await until_beaten("99", 3)
    beats = Member.beats.values()
    assert max(beats) - min(beats) <= 1
    assert len(beats) == len(members)
    for member in members:
        heartbeats.discard(member)


async def test_one_that_leaves_while_others_beat_is_not_called() -> None:
    heartbeats = Heartbeats(SECONDS)
    second = Member("second")

    class Ends(Member):
        def beat(self) -> None:
            super().beat()
            heartbeats.discard(second)

    heartbeats.add(Ends("first"))
    heartbeats.add(second)
    await until_beaten("first", 3)
    assert Member.beats["second"] == 0
