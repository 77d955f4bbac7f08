"""Watchers: what has changed is read once, and told once to each who listens."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tortoise.exceptions import DBConnectionError

from models.access.identity import Actor, Role
from models.db.record import new_id
from models.errors import TryAgain
from schema.core import watch
from schema.core.errors import SessionEnded
from schema.core.watch import Listener, Source, Watchers, follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence

    from schema.core.watch import State

pytestmark = pytest.mark.once


class Counters:
    """What the sources read: a number for each topic, and how often it was asked for."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.reads: list[list[str]] = []
        self.problem: Exception | None = None
        #: Of what happens from one number to the next.
        self.problem_after: Exception | None = None


class Numbers(Source):
    """Each number since the last is an event."""

    counters = Counters()

    @classmethod
    async def read(cls, sources: Sequence[Numbers]) -> Mapping[str, State]:
        await asyncio.sleep(0)
        topics = [source.topic for source in sources]
        cls.counters.reads.append(topics)
        if cls.counters.problem is not None:
            raise cls.counters.problem
        return {topic: cls.counters.now[topic] for topic in topics}

    async def events(
        self, told: State | None, present: State | None
    ) -> AsyncIterator[tuple[State, int]]:
        assert isinstance(present, int)
        if present < 0:
            raise LookupError(self.topic)
        first = present if told is None else int(str(told)) + 1
        for number in range(first, present + 1):
            await asyncio.sleep(0)
            yield number, number
            if self.counters.problem_after is not None:
                raise self.counters.problem_after

    def is_older(self, one: State | None, other: State | None) -> bool:
        return isinstance(one, int) and isinstance(other, int) and 0 <= one < other

    def forget(self) -> None:
        """It remembers nothing."""

    def explained(self, error: Exception) -> Exception:
        return error


class Ear(Listener):
    """Notes what it takes; `deaf` while it takes nothing."""

    shown: ClassVar[Counter[tuple[Hashable, int]]] = Counter()

    def __init__(self, watchers: Watchers, topic: str, group: str = "") -> None:
        super().__init__(Numbers(watchers, topic, ACTOR))
        self.name = group
        self.heard: list[int] = []
        self.deaf = False
        self.refused = 0
        self.ended: Exception | None = None
        watchers.add(self)

    @property
    def group(self) -> Hashable:
        return self.name

    async def show(self, event: Any) -> Any:
        await asyncio.sleep(0)
        self.shown[self.name, event] += 1
        return event

    def take(self, message: Any) -> bool:
        if self.deaf:
            self.refused += 1
            return False
        self.heard.append(message)
        return True

    def end(self, error: Exception) -> None:
        self.ended = error

    async def read_on(self) -> None:
        self.deaf = False
        self.heard += [message async for message in follow(self)]


ACTOR = Actor(role=Role.STAFF, user_id=new_id())


@pytest.fixture(autouse=True)
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    monkeypatch.setattr(watch, "POLL_SECONDS", 60.0)
    monkeypatch.setattr(Numbers, "counters", Counters())
    Ear.shown.clear()
    return Numbers.counters


@asynccontextmanager
async def ears(*topics: str, group: str = "") -> AsyncIterator[tuple[Watchers, list[Ear]]]:
    """Listeners who have heard what there is."""
    async with Watchers().running() as watchers:
        opened = [Ear(watchers, topic, group) for topic in topics]
        for one in opened:
            await one.read_on()
        Numbers.counters.reads.clear()
        Ear.shown.clear()
        yield watchers, opened
        for one in opened:
            watchers.remove(one)
        assert watchers.listeners == 0
        assert watchers._topics == {}


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)


async def test_a_change_is_read_once_and_written_once_for_all_of_a_group(
    counters: Counters,
) -> None:
    async with ears(*["t"] * 50) as (watchers, opened):
        others = [Ear(watchers, "t", "others") for _ in range(50)]
        for one in others:
            await one.read_on()
        counters.reads.clear()
        Ear.shown.clear()
        tasks = len(asyncio.all_tasks())
        counters.now["t"] = 2
        watchers.ring({"t"})
        await until(lambda: all(one.heard == [0, 1, 2] for one in (*opened, *others)))
        assert counters.reads == [["t"]]
        assert Ear.shown == dict.fromkeys([("", 1), ("", 2), ("others", 1), ("others", 2)], 1)
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        for one in others:
            watchers.remove(one)


async def test_topics_that_ring_together_are_read_together(counters: Counters) -> None:
    topics = [f"t{n}" for n in range(100)]
    async with ears(*topics) as (watchers, opened):
        for topic in topics:
            counters.now[topic] = 1
            watchers.ring({topic, "nobody's"})
        await until(lambda: all(one.heard == [0, 1] for one in opened))
        assert [sorted(read) for read in counters.reads] == [sorted(topics)]


async def test_rings_that_were_lost_are_healed_by_one_poll_for_all(
    counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    async with ears("a", "b", "b") as (_, opened):
        counters.now.update(a=1, b=2)
        await until(lambda: [one.heard for one in opened] == [[0, 1], [0, 1, 2], [0, 1, 2]])
        assert all(sorted(read) == ["a", "b"] for read in counters.reads)


async def test_who_is_slow_is_passed_over_and_misses_and_repeats_nothing(
    counters: Counters,
) -> None:
    async with ears("t", "t") as (watchers, (slow, quick)):
        slow.deaf = True
        for number in range(1, 6):
            counters.now["t"] = number
            watchers.ring({"t"})
            await until(lambda number=number: quick.heard[-1] == number)  # type: ignore[misc]
        assert slow.heard == [0]
        assert slow.refused == 1, "it is not asked again before it comes back"
        await slow.read_on()
        assert slow.heard == [0, 1, 2, 3, 4, 5]
        counters.now["t"] = 6
        watchers.ring({"t"})
        await until(lambda: quick.heard[-1] == slow.heard[-1] == 6)
        assert slow.heard == quick.heard == list(range(7))


async def test_what_rings_while_something_is_told_is_told_as_well(counters: Counters) -> None:
    async with ears(*["t"] * 5) as (watchers, opened):
        for number in range(1, 200):
            counters.now["t"] = number
            watchers.ring({"t"})
            if number % 3 == 0:
                await asyncio.sleep(0)
        await until(lambda: all(one.heard == list(range(200)) for one in opened))


async def test_one_who_comes_while_it_changes_misses_and_repeats_nothing(
    counters: Counters,
) -> None:
    async with ears("t") as (watchers, (first,)):
        for number in range(1, 30):
            late = Ear(watchers, "t")
            counters.now["t"] = number
            watchers.ring({"t"})
            await late.read_on()
            await until(lambda late=late, number=number: late.heard[-1] == number)  # type: ignore[misc]
            assert late.heard == list(range(late.heard[0], number + 1))
            watchers.remove(late)
        await until(lambda: first.heard == list(range(30)))


async def test_a_database_that_is_away_ends_nothing_and_is_asked_again(
    counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.01)
    async with ears("t") as (watchers, (one,)):
        counters.problem = OSError("away")
        counters.now["t"] = 1
        watchers.ring({"t"})
        await until(lambda: len(counters.reads) > 2)
        assert one.ended is None
        counters.problem = None
        await until(lambda: one.heard == [0, 1])


async def test_what_is_not_to_be_seen_any_more_ends_its_listeners_only(counters: Counters) -> None:
    async with ears("t", "u") as (watchers, (gone, stays)):
        counters.now.update(t=-1, u=1)
        watchers.ring(None)
        await until(lambda: gone.ended is not None and stays.heard == [0, 1])
        assert isinstance(gone.ended, LookupError)
        assert watchers.listeners == 1


async def test_who_may_listen_no_more_is_told_of_no_change(
    counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(_actors: object) -> set[Actor]:
        return set()

    async with ears("t") as (watchers, (one,)):
        monkeypatch.setattr(watch, "holding", nobody)
        counters.now["t"] = 1
        watchers.ring({"t"})
        await until(lambda: one.ended is not None)
        assert isinstance(one.ended, SessionEnded)
        assert one.heard == [0]


@pytest.mark.parametrize("problem", [DBConnectionError("away"), TryAgain()], ids=repr)
async def test_a_database_that_is_away_or_busy_in_the_middle_ends_nothing_and_nothing_is_told_twice(
    counters: Counters, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.01)
    async with ears("t", "t") as (watchers, (one, slow)):
        counters.problem_after = problem
        counters.now["t"] = 3
        slow.deaf = True
        watchers.ring({"t"})
        await until(lambda: one.heard == [0, 1, 2, 3])  # one event each time that it is read
        reading_on = asyncio.create_task(slow.read_on())
        await until(lambda: slow.heard != [0] or len(counters.reads) > 5)
        counters.problem_after = None
        await reading_on
        assert one.ended is slow.ended is None
        assert slow.heard == one.heard == [0, 1, 2, 3]


async def test_where_nobody_can_say_who_may_listen_nobody_is_told(
    counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.02)

    async def away(_actors: object) -> set[Actor]:
        raise DBConnectionError("away")

    async with ears("t") as (_, (one,)):
        with monkeypatch.context() as patch:
            patch.setattr(watch, "holding", away)
            counters.now["t"] = 1
            await until(lambda: len(counters.reads) > 3)
            assert (one.heard, one.ended) == ([0], None)
        await until(lambda: one.heard == [0, 1])


async def test_a_database_that_has_lost_its_newest_is_not_asked_without_a_pause(
    counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.2)
    counters.now["t"] = 5
    async with ears("t") as (watchers, (one,)):
        counters.now["t"] = 3
        watchers.ring({"t"})
        await until(lambda: len(counters.reads) == 1)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(counters.reads) == 1
        counters.now["t"] = 6
        await until(lambda: one.heard == [5, 6])
