"""Reads of one tick are one; nobody is told what was true before they asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from models.db.caller import called_by, current_caller
from models.db.coalesced import Coalesced
from models.db.transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.once


class Shelf:
    """Squares of numbers below 100, and how they were read."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.callers: list[str] = []
        self.under_way = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def read(self, keys: Sequence[int]) -> dict[int, int]:
        self.reads.append(list(keys))
        self.callers.append(current_caller())
        self.under_way.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return {key: key * key for key in keys if key < 100}


async def test_what_is_asked_for_at_once_is_one_read() -> None:
    shelf = Shelf()
    coalesced = Coalesced(shelf.read)
    found = await asyncio.gather(*(coalesced.find(n) for n in (3, 4, 3, 400)))
    assert found == [9, 16, 9, None]
    assert shelf.reads == [[3, 4, 400]]
    assert await coalesced.find(3) == 9
    assert len(shelf.reads) == 2


async def test_who_asks_while_a_read_is_under_way_gets_one_of_their_own() -> None:
    shelf = Shelf()
    coalesced = Coalesced(shelf.read)
    shelf.gate.clear()
    early = asyncio.create_task(coalesced.find(3))
    await shelf.under_way.wait()
    shelf.under_way.clear()
    late = asyncio.create_task(coalesced.find(3))
    await shelf.under_way.wait()
    shelf.gate.set()
    assert await early == await late == 9
    assert shelf.reads == [[3], [3]]


async def test_many_are_several_reads() -> None:
    shelf = Shelf()
    coalesced = Coalesced(shelf.read)
    found = await asyncio.gather(*(coalesced.find(n) for n in range(150)))
    assert found == [n * n if n < 100 else None for n in range(150)]
    assert [len(read) for read in shelf.reads] == [64, 64, 22]


async def test_a_failure_is_everybodys_and_the_next_read_has_none_of_it() -> None:
    shelf = Shelf()
    coalesced = Coalesced(shelf.read)
    shelf.failure = OSError("away")
    found = await asyncio.gather(*(coalesced.find(n) for n in range(3)), return_exceptions=True)
    assert found == [shelf.failure] * 3
    shelf.failure = None
    assert await coalesced.find(3) == 9


async def test_who_goes_away_leaves_the_read_to_the_others() -> None:
    shelf = Shelf()
    coalesced = Coalesced(shelf.read)
    shelf.gate.clear()
    gone, stays = (asyncio.create_task(coalesced.find(3)) for _ in range(2))
    await shelf.under_way.wait()
    gone.cancel()
    shelf.gate.set()
    assert await stays == 9
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_it_is_nobodys_turn_that_a_read_for_many_takes() -> None:
    shelf = Shelf()
    coalesced = Coalesced(shelf.read)
    with called_by("account 1"):
        await coalesced.find(3)
        assert current_caller() == "account 1"
    assert shelf.callers == ["many"]


@pytest.mark.usefixtures("db")
async def test_in_a_transaction_a_read_is_its_own() -> None:
    shelf = Shelf()
    coalesced = Coalesced(shelf.read)

    async def work() -> list[int | None]:
        return [await coalesced.find(3), await coalesced.find(4)]

    assert await transaction(work) == [9, 16]
    assert shelf.reads == [[3], [4]]
    assert shelf.callers != ["many", "many"]
