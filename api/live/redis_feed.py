"""The live feed across processes, through one Redis channel.

A process publishes the topics of its commits in batches and rings those of the others. Each keeps
one connection to publish and one to hear, and nothing that comes along them, or fails, ends either
for good. While Redis is away nothing waits for it: subscriptions
fall back on reading the database from time to time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final, Self, TypeAlias
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.live.local import Hearer, LocalFeed

CHANNEL: Final = "account-credit:live"

_EVERYTHING: Final = "*"
_BATCH_MAX: Final = 500
_PENDING_MAX: Final = 20_000
_QUIET_SECONDS: Final = 15
_CONNECT_SECONDS: Final = 3
#: A connection that has lasted so long was a good one.
_STABLE_SECONDS: Final = 30
#: Ours have at most 500 topics.
_MESSAGE_BYTES_MAX: Final = 1 << 20
_BACKOFF_SECONDS_MAX: Final = 5
Work: TypeAlias = Callable[[Redis], Awaitable[None]]

_LOST: Final = (RedisError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class RedisFeed:
    """See the module, and LiveFeed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = uuid4().hex.encode()
        self._local = LocalFeed()
        self._pending: set[str] = set()
        self._anything = asyncio.Event()
        self._hearing = asyncio.Event()
        self._publishing = False
        #: Work that has been tried once, whatever came of it.
        self._tried: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = False

    @property
    def problem(self) -> str | None:
        """See LiveFeed. It opens no connection: the two that there are know."""
        if self._publishing and self._hearing.is_set():
            return None
        return "Redis isn't responding at REDIS_URL; live updates are delayed until it does."

    def ring(self, topics: Collection[str]) -> None:
        """Wake this process's listeners now, and the others' as soon as Redis takes it."""
        self._local.ring(topics)
        self._pending.update(topics)
        if len(self._pending) > _PENDING_MAX:
            self._pending = {_EVERYTHING}
        self._anything.set()

    def hear(self, hearer: Hearer) -> None:
        """See LiveFeed."""
        self._local.hear(hearer)

    async def heard(self) -> None:
        """Returns when this process hears the others."""
        await self._hearing.wait()

    async def __aenter__(self) -> Self:
        self._open = True
        self._begin(self._publish, "live_publish")
        self._begin(self._hear, "live_hear")
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                for tried in self._tried.values():
                    await tried.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Work, name: str) -> None:
        """Keep a task at work; whatever ends it, another takes its place."""
        self._tried.setdefault(name, asyncio.Event())
        if not self._open:
            return
        task = asyncio.create_task(self._keep(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(partial(self._again, work, name))

    def _again(self, work: Work, name: str, ended: asyncio.Task[None]) -> None:
        self._tasks.discard(ended)
        error = None if ended.cancelled() else ended.exception()
        if self._open:
            log.error("live_task_ended", task=name, error=repr(error))
            ended.get_loop().call_later(_backoff(1), self._begin, work, name)

    async def _keep(self, work: Work, name: str) -> None:
        """Do `work` for as long as the process lives, on new connections when one is lost."""
        failures = 0
        while True:
            began = monotonic()
            try:
                async with _client(self._url) as client:
                    await client.ping()
                    await work(client)
            except _LOST as error:
                lost = type(error).__name__
                log.warning("redis_lost", task=name, failures=failures + 1, error=lost)
            except Exception:
                log.exception("live_task_failed", task=name, failures=failures + 1)
            self._tried[name].set()
            failures = 1 if monotonic() - began > _STABLE_SECONDS else failures + 1
            await asyncio.sleep(_backoff(failures))

    async def _publish(self, client: Redis) -> None:
        self._publishing = True
        self._tried["live_publish"].set()
        self._anything.set()  # what the connection before this one could not send
        try:
            while True:
                await self._anything.wait()
                self._anything.clear()
                while self._pending:
                    number = min(_BATCH_MAX, len(self._pending))
                    await self._send(client, [self._pending.pop() for _ in range(number)])
        finally:
            self._publishing = False

    async def _send(self, client: Redis, batch: list[str]) -> None:
        try:
            topics = "\n".join(batch).encode(errors="replace")
            await client.publish(CHANNEL, self._name + b"\n" + topics)
        except BaseException:
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
            self._tried["live_hear"].set()
            # Nobody was listening to Redis until now: what was said meanwhile is missed.
            self._local.ring(None)
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
                raise TimeoutError("Redis isn't responding")
            else:
                # A connection that a router has dropped is silent: ask before believing it.
                asked = True
                await pubsub.ping()

    def _take(self, message: Mapping[str, object]) -> None:
        """Ring for what another process reports. Other messages on the channel are ignored."""
        data = message.get("data")
        if message.get("type") != "message" or not isinstance(data, bytes):
            return
        if len(data) > _MESSAGE_BYTES_MAX:
            log.warning("live_message_ignored", size=len(data))
            return
        sender, *topics = data.split(b"\n")
        if sender == self._name:
            return
        named = {topic.decode(errors="replace") for topic in topics}
        if _EVERYTHING in named:
            self._local.ring(None)
        else:
            self._local.ring(named)


def _client(url: str) -> Redis:
    client: Redis = Redis.from_url(
        url,
        # Whatever comes is bytes to begin with: invalid UTF-8 would end the listening.
        decode_responses=False,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_CONNECT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
    return client


def _backoff(failures: int) -> float:
    return random.uniform(0.05, min(_BACKOFF_SECONDS_MAX, 0.1 * 2 ** min(failures, 6)))  # noqa: S311 - jitter
