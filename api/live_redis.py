"""The live feed across processes, through one Redis channel.

A process publishes the topics of its commits in batches and rings those of the others. Each keeps
one connection to publish and one to hear. While Redis is away nothing waits for it: subscriptions
fall back on reading the database from time to time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, Self
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.live import Bell, LocalFeed

CHANNEL: Final = "account-credit:live"

_EVERYTHING: Final = "*"
_BATCH_MAX: Final = 500
_PENDING_MAX: Final = 20_000
_QUIET_SECONDS: Final = 15
_CONNECT_SECONDS: Final = 3
_BACKOFF_SECONDS_MAX: Final = 5
_LOST: Final = (RedisError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class RedisFeed:
    """See the module, and LiveFeed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = uuid4().hex
        self._local = LocalFeed()
        self._pending: set[str] = set()
        self._anything = asyncio.Event()
        self._hearing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def listeners(self) -> int:
        """See LiveFeed."""
        return self._local.listeners

    def ring(self, topics: Collection[str]) -> None:
        """Wake this process's listeners now, and the others' as soon as Redis takes it."""
        self._local.ring(topics)
        self._pending.update(topics)
        if len(self._pending) > _PENDING_MAX:
            self._pending = {_EVERYTHING}
        self._anything.set()

    def listen(self, topics: Iterable[str]) -> AbstractAsyncContextManager[Bell]:
        """See LiveFeed."""
        return self._local.listen(topics)

    async def heard(self) -> None:
        """Returns when this process hears the others."""
        await self._hearing.wait()

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._keep(self._publish, "live_publish")),
            asyncio.create_task(self._keep(self._hear, "live_hear")),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, work: Callable[[Redis], Awaitable[None]], name: str) -> None:
        """Do `work` for as long as the process lives, on new connections when one is lost."""
        failures = 0
        while True:
            try:
                async with _client(self._url) as client:
                    await client.ping()
                    failures = 0
                    await work(client)
            except _LOST as error:
                failures += 1
                log.warning("redis_lost", task=name, failures=failures, error=type(error).__name__)
            await asyncio.sleep(_backoff(failures))

    async def _publish(self, client: Redis) -> None:
        while True:
            await self._anything.wait()
            self._anything.clear()
            while self._pending:
                batch = [self._pending.pop() for _ in range(min(_BATCH_MAX, len(self._pending)))]
                await self._send(client, batch)

    async def _send(self, client: Redis, batch: list[str]) -> None:
        try:
            await client.publish(CHANNEL, "\n".join([self._name, *batch]))
        except _LOST:
            self.ring_again(batch)
            raise

    def ring_again(self, batch: Collection[str]) -> None:
        """Keep what could not be sent for the next connection."""
        self._pending.update(batch)
        self._anything.set()

    async def _hear(self, client: Redis) -> None:
        pubsub = client.pubsub()
        try:
            await pubsub.subscribe(CHANNEL)
            self._hearing.set()
            # Nobody was listening to Redis until now: what was said meanwhile is missed.
            self._local.ring_all()
            await self._hear_all(pubsub)
        finally:
            self._hearing.clear()
            with suppress(*_LOST):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _hear_all(self, pubsub: PubSub) -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=_QUIET_SECONDS)
            if message is not None:
                asked = False
                self._take(message)
            elif asked:
                raise TimeoutError("Redis does not answer")
            else:
                # A connection that a router has dropped is silent: ask before believing it.
                asked = True
                await pubsub.ping()

    def _take(self, message: dict[str, object]) -> None:
        if message["type"] != "message":
            return
        sender, *topics = str(message["data"]).split("\n")
        if sender == self._name:
            return
        if _EVERYTHING in topics:
            self._local.ring_all()
        else:
            self._local.ring(topics)


async def problem(url: str) -> str | None:
    """A sentence when Redis does not answer."""
    try:
        async with _client(url) as client:
            await client.ping()
    except _LOST:
        return "Redis does not answer at REDIS_URL."
    return None


def _client(url: str) -> Redis:
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_CONNECT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
    return client


def _backoff(failures: int) -> float:
    return random.uniform(0.05, min(_BACKOFF_SECONDS_MAX, 0.1 * 2 ** min(failures, 6)))  # noqa: S311 - jitter
