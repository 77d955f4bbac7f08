"""Reads that go together ask once for what all of them want."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from models.db.together import find_one, find_some, read_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

pytestmark = pytest.mark.once


class Shelf:
    """Squares of numbers below 100 and their negatives, and how they were asked for, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[int]]] = []

    async def squares(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.asked.append(("squares", list(keys)))
        await asyncio.sleep(0)
        return {key: key * key for key in keys if key < 100}

    async def negatives(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.asked.append(("negatives", list(keys)))
        return {key: -key for key in keys}

    async def locks(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.asked.append(("locks", list(keys)))
        return {key: key for key in keys}

    async def fourth_powers(self, keys: Sequence[int]) -> Mapping[int, int]:
        found = await find_some(self.squares, keys)
        return {key: value * value for key, value in found.items()}

    async def fails(self, keys: Sequence[int]) -> Mapping[int, int]:
        raise OSError(f"away: {keys}")


async def test_a_read_by_itself_asks_for_its_own_key() -> None:
    shelf = Shelf()
    assert await find_one(shelf.squares, 3) == 9
    assert await find_one(shelf.squares, 400) is None
    assert shelf.asked == [("squares", [3]), ("squares", [400])]


async def test_what_all_want_is_asked_for_once_in_their_order_and_each_gets_its_own() -> None:
    shelf = Shelf()
    found = await read_together([find_one(shelf.squares, n) for n in (4, 3, 4, 400)], ())
    assert found == [16, 9, 16, None]
    assert shelf.asked == [("squares", [4, 3, 400])]


async def test_they_go_on_in_step_and_who_is_through_waits_for_nobody() -> None:
    shelf = Shelf()

    async def squared_twice(n: int) -> int | None:
        once = await find_one(shelf.squares, n)
        assert once is not None
        return await find_one(shelf.squares, once)

    async def nothing() -> str:
        return "nothing"

    readings = [squared_twice(2), find_one(shelf.squares, 7), squared_twice(3), nothing()]
    assert await read_together(readings, ()) == [16, 49, 81, "nothing"]
    assert shelf.asked == [("squares", [2, 7, 3]), ("squares", [4, 9])]


async def test_different_things_are_asked_for_apart_and_no_keys_ask_nothing() -> None:
    shelf = Shelf()
    found = await read_together(
        [
            find_some(shelf.squares, [1, 2]),
            find_some(shelf.negatives, [2]),
            find_some(shelf.squares, []),
            find_some(shelf.squares, [2, 3]),
        ],
        (),
    )
    # Each finds its own among what was found for all.
    assert [{n: one.get(n) for n in (1, 2, 3)} for one in found if isinstance(one, dict)] == [
        {1: 1, 2: 4, 3: 9},
        {1: None, 2: -2, 3: None},
        {1: None, 2: None, 3: None},
        {1: 1, 2: 4, 3: 9},
    ]
    assert shelf.asked == [("squares", [1, 2, 3]), ("negatives", [2])]


async def test_locks_come_last_and_all_at_once() -> None:
    shelf = Shelf()

    async def at_once(n: int) -> int | None:
        return await find_one(shelf.locks, n, is_lock=True)

    async def after_reading(n: int) -> int | None:
        found = await find_one(shelf.squares, n)
        assert found is not None
        return await find_one(shelf.locks, found, is_lock=True)

    assert await read_together([at_once(1), after_reading(2), at_once(3)], ()) == [1, 4, 3]
    assert shelf.asked == [("squares", [2]), ("locks", [1, 4, 3])]


async def test_a_refusal_is_the_answer_of_one_and_the_others_go_on() -> None:
    shelf = Shelf()

    async def refused(n: int) -> int:
        raise LookupError(await find_one(shelf.squares, n))

    one, other = await read_together([refused(2), find_one(shelf.squares, 3)], (LookupError,))
    assert isinstance(one, LookupError)
    assert one.args == (4,)
    assert other == 9


async def test_any_other_error_ends_them_all() -> None:
    shelf = Shelf()
    ended: list[str] = []

    async def waits() -> None:
        try:
            await find_one(shelf.locks, 1, is_lock=True)
        finally:
            ended.append("waits")

    waiting = waits()
    with pytest.raises(OSError, match="away"):
        await read_together([waiting, find_one(shelf.fails, 2)], (LookupError,))
    assert ended == ["waits"]
    assert shelf.asked == []


async def test_a_read_may_wait_for_anything_else_and_catch_what_that_raises() -> None:
    shelf = Shelf()

    async def waits(n: int) -> int | None:
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        return await find_one(shelf.squares, n)

    assert await read_together([waits(2), waits(3)], ()) == [4, 9]
    assert shelf.asked == [("squares", [2, 3])]


async def test_a_read_that_is_canceled_learns_of_it() -> None:
    began, told = asyncio.Event(), list[str]()

    async def waits() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("canceled")
            raise

    reading = asyncio.create_task(read_together([waits()], ()))
    await began.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert told == ["canceled"]


async def test_what_finds_may_ask_for_more_by_itself() -> None:
    shelf = Shelf()
    assert await read_together([find_one(shelf.fourth_powers, n) for n in (2, 3)], ()) == [16, 81]
    assert shelf.asked == [("squares", [2, 3])]


async def test_afterwards_a_read_is_by_itself_again() -> None:
    shelf = Shelf()
    with pytest.raises(OSError, match="away"):
        await read_together([find_one(shelf.fails, 1)], ())
    assert await find_one(shelf.squares, 3) == 9
