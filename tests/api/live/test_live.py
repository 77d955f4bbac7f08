"""The live feed: wakes whoever listens, once, in this process and in the others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from api.live.local import LocalFeed
from api.live.redis_feed import CHANNEL, RedisFeed
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from api.live.local import LiveFeed

SOON = 5.0
NOT_AT_ALL = 0.05


class Bell:
    """However often it is rung between two waits, the next wait returns once."""

    def __init__(self, topics: set[str]) -> None:
        self.topics = topics
        self.rung = asyncio.Event()

    def hear(self, topics: Collection[str] | None) -> None:
        if topics is None or self.topics.intersection(topics):
            self.rung.set()

    async def wait(self, timeout_seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.rung.wait(), timeout_seconds)
        except TimeoutError:
            return False
        self.rung.clear()
        return True


@asynccontextmanager
async def listening(feed: LiveFeed, topics: set[str]) -> AsyncIterator[Bell]:
    bell = Bell(topics)
    feed.hear(bell.hear)
    yield bell


async def test_a_listener_hears_its_topics_and_no_others() -> None:
    feed = LocalFeed()
    async with listening(feed, {"credit:1"}) as bell:
        feed.ring({"credit:2"})
        assert not await bell.wait(NOT_AT_ALL)
        feed.ring({"credit:1", "invoice:9"})
        assert await bell.wait(SOON)


async def test_what_rings_before_the_wait_is_not_missed() -> None:
    feed = LocalFeed()
    async with listening(feed, {"credit:1"}) as bell:
        feed.ring({"credit:1"})
        assert await bell.wait(SOON)


async def test_many_rings_between_two_waits_are_one() -> None:
    feed = LocalFeed()
    async with listening(feed, {"credit:1", "credit:2"}) as bell:
        for _ in range(1000):
            feed.ring({"credit:1", "credit:2"})
        assert await bell.wait(SOON)
        assert not await bell.wait(NOT_AT_ALL)


async def test_all_listeners_of_a_topic_are_woken() -> None:
    feed = LocalFeed()
    async with listening(feed, {"t"}) as first, listening(feed, {"t"}) as second:
        feed.ring({"t"})
        assert await first.wait(SOON)
        assert await second.wait(SOON)


async def test_two_processes_hear_each_other_through_redis(redis_url: str) -> None:
    async with (
        hearing(redis_url) as here,
        hearing(redis_url) as there,
        listening(here, {"credit:1"}) as mine,
        listening(there, {"credit:1"}) as theirs,
    ):
        await settled(mine, theirs)
        here.ring({"credit:1"})
        assert await mine.wait(SOON)
        assert await theirs.wait(SOON)
        assert not await mine.wait(NOT_AT_ALL), "its own message came back to it"


async def test_other_topics_do_not_ring_through_redis(redis_url: str) -> None:
    async with (
        hearing(redis_url) as here,
        hearing(redis_url) as there,
        listening(there, {"credit:1"}) as bell,
        listening(there, {"credit:2"}) as marker,
    ):
        await settled(bell, marker)
        here.ring({"credit:2"})
        assert await marker.wait(SOON)
        assert not await bell.wait(NOT_AT_ALL)


async def test_more_topics_than_can_wait_become_one_wake_of_everybody(redis_url: str) -> None:
    async with (
        hearing(redis_url) as here,
        hearing(redis_url) as there,
        listening(there, {"credit:1"}) as bell,
    ):
        await settled(bell)
        here.ring({f"credit:x{n}" for n in range(30_000)})
        assert await bell.wait(SOON)


async def test_a_lost_connection_comes_back_and_wakes_everybody(redis_url: str) -> None:
    async with (
        hearing(redis_url) as here,
        hearing(redis_url) as there,
        listening(there, {"credit:1"}) as bell,
    ):
        await settled(bell)
        await kill_connections(redis_url)
        assert await bell.wait(SOON), "what was said meanwhile may have been missed"
        await asyncio.wait_for(here.heard(), SOON)
        await asyncio.wait_for(there.heard(), SOON)
        await settled(bell)
        here.ring({"credit:1"})
        assert await bell.wait(SOON)


async def test_without_redis_the_process_itself_is_served() -> None:
    async with RedisFeed("redis://127.0.0.1:1/0") as feed, listening(feed, {"credit:1"}) as bell:
        feed.ring({"credit:1"})
        assert await bell.wait(SOON)


@pytest.mark.parametrize("nonsense", ["", "\n", "no sender", "\x00\nx"])
async def test_nonsense_on_the_channel_does_no_harm(redis_url: str, nonsense: str) -> None:
    async with hearing(redis_url) as feed, listening(feed, {"credit:1"}) as bell:
        await settled(bell)
        async with Redis.from_url(redis_url) as client:
            await client.publish(CHANNEL, nonsense)
            await client.publish(CHANNEL, "somebody\ncredit:1")
        assert await bell.wait(SOON)


FOREIGN: dict[str, bytes] = {
    "no text": b"\xff\xfe\x00\x80",
    "half a character": "süß".encode()[:2],
    "a topic that is no text": b"somebody\ncredit:\xc3\x28",
    "another program's JSON": b'{"type": "hello", "data": [1, 2, 3]}',
    "pickled": b"\x80\x05\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    "large": b"x\n" * (8 << 20),
    "many topics": b"somebody\n" + b"\n".join(b"t%d" % n for n in range(200_000)),
    "NUL": b"\x00" * 1000,
    "a sender alone": b"somebody",
    "lone surrogates": "somebody\ncredit:\ud800".encode("utf-8", "surrogatepass"),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_no_message_of_others_ends_the_listening(redis_url: str, name: str) -> None:
    async with hearing(redis_url) as feed, listening(feed, {"credit:1"}) as bell:
        await settled(bell)
        async with Redis.from_url(redis_url) as client:
            await client.publish(CHANNEL, FOREIGN[name])
            await client.publish("another:channel", FOREIGN[name])
            await client.publish(CHANNEL, b"somebody\ncredit:1")
        assert await bell.wait(SOON)
        await asyncio.wait_for(feed.heard(), SOON)
        assert feed.problem is None


@pytest.mark.parametrize("name", ["live_hear", "live_publish"])
@pytest.mark.parametrize("end", ["canceled", "failed"])
async def test_a_task_that_ends_is_replaced(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, name: str, end: str
) -> None:
    async with hearing(redis_url) as here, hearing(redis_url) as there:
        broken = OnceBroken(here._keep)
        if end == "failed":
            # Whatever it is, be it not even an Exception.
            monkeypatch.setattr(here, "_keep", broken)
        [task] = [one for one in here._tasks if one.get_name() == name]
        task.cancel()
        await asyncio.wait({task})
        async with listening(here, {"credit:1"}) as mine, listening(there, {"credit:2"}) as theirs:
            async with asyncio.timeout(SOON):
                while task in here._tasks or len(here._tasks) < 2 or here.problem:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
            await settled(mine, theirs)
            there.ring({"credit:1"})
            here.ring({"credit:2"})
            assert await mine.wait(SOON)
            assert await theirs.wait(SOON)
        if end == "failed":
            assert broken.times >= 2


class OnceBroken:
    """Work that fails the first time, in a way that nobody expects."""

    def __init__(self, work: Callable[..., Awaitable[None]]) -> None:
        self.work, self.times = work, 0

    async def __call__(self, *args: Any) -> None:
        self.times += 1
        if self.times == 1:
            raise GeneratorExit
        await self.work(*args)


async def test_nothing_is_left_running_when_it_closes(redis_url: str) -> None:
    before = asyncio.all_tasks()
    async with hearing(redis_url) as feed:
        assert len(feed._tasks) == 2
    assert asyncio.all_tasks() == before


async def test_redis_goes_and_comes_back() -> None:
    """It says so meanwhile, serves its own process, and hears the others again by itself."""
    with servers.redis() as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
    async with RedisFeed(url) as here, RedisFeed(url) as there:
        async with listening(here, {"credit:1"}) as mine:
            assert here.problem is not None
            here.ring({"credit:1"})
            assert await mine.wait(SOON)
        for _ in range(2):
            with servers.redis_at(port):
                await until(lambda: here.problem is None and there.problem is None)
                async with listening(there, {"credit:1"}) as theirs:
                    await settled(theirs)
                    here.ring({"credit:1"})
                    assert await theirs.wait(SOON)
            await until(lambda: here.problem is not None)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(2 * SOON):
        while not done():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[RedisFeed]:
    async with RedisFeed(url) as feed:
        await asyncio.wait_for(feed.heard(), SOON)
        yield feed


async def settled(*bells: Bell) -> None:
    """Until the rings of new connections are over."""
    for bell in bells:
        while await bell.wait(NOT_AT_ALL):
            pass


async def kill_connections(url: str) -> None:
    async with Redis.from_url(url) as client:
        await client.client_kill_filter(_type="pubsub")
        await client.client_kill_filter(_type="normal", skipme=True)
