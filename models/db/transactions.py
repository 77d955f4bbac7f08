"""The only way into a transaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any, Final, TypeVar

from tortoise.transactions import in_transaction as tortoise_transaction

from models.db import connection
from models.db.caller import called_by
from models.db.tasks import task_of
from models.errors import TryAgain

T = TypeVar("T")
B = TypeVar("B")

#: What a database calls a conflict that goes away when the transaction is run again
#: (serialization failure, deadlock). A lock timeout isn't one: it was waited for.
_RETRYABLE: Final = {"40001", "40P01"}
_ATTEMPTS_MAX: Final = 12
_RETRYING_SECONDS_MAX: Final = 5.0

_topics: ContextVar[set[str] | None] = ContextVar("topics", default=None)
_bell: Callable[[set[str]], None] | None = None


class Conflict(Exception):
    """What was read has been changed by another transaction since: this one is run again."""


async def transaction(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` in one database transaction and return what it returned.

    It waits for its turn (models.db.fair_queue), and then runs in a task of its own that is never
    canceled half-way: a caller that goes away leaves a transaction that commits or rolls back
    whole, or one that never began. Conflicts are retried, so `work` may run more than once and must
    have no effect outside the database. Never nested; no network inside.

    Raises Busy, and has done nothing, where the turn or a lock does not come.
    """
    task = begin(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if connection.client().turns.is_waiting(task):
            task.cancel()
        raise


def begin(work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
    """Start a transaction without waiting for it; `disconnect` waits."""
    assert not in_transaction(), "a transaction is never opened inside another"
    return task_of(_retried(work))


def begin_aside(work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
    """As `begin`, for background work that may be dropped under load."""
    with called_by("aside"):
        return begin(work)


def in_transaction() -> bool:
    """Whether the caller runs inside `transaction()`."""
    return _topics.get() is not None


async def read_only(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, which only reads, in a read-only transaction: it sees one moment. It has a
    connection of its own and no time limit, since it blocks no other caller.
    """
    assert not in_transaction(), "a read-only transaction is never opened inside another"
    async with connection.client().read_only():
        return await work()


async def _retried(work: Callable[[], Awaitable[T]]) -> T:
    until = monotonic() + _RETRYING_SECONDS_MAX
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        try:
            with _bell_after():
                async with tortoise_transaction():
                    return await work()
        except Exception as error:
            if not is_conflict(error):
                raise
            if attempt == _ATTEMPTS_MAX or monotonic() >= until:
                raise TryAgain from error
        await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 7)))  # noqa: S311 - jitter
    raise AssertionError("unreachable")


async def in_one_go(take: Callable[[], B], work: Callable[[B], Coroutine[Any, Any, T]]) -> T:
    """One attempt at a transaction: `work` on what `take` gives when its turn has come. On SQLite
    it is one visit to the writer's thread, and `work` waits for nothing but the database.

    Errors propagate, conflicts included; the caller needs a fallback.
    """
    assert not in_transaction(), "a transaction is never opened inside another"
    with _bell_after():
        return await connection.client().in_one_go(take, work)


@contextmanager
def _bell_after() -> Iterator[None]:
    """Ring the topics of the transaction in here, once it has committed."""
    topics: set[str] = set()
    token = _topics.set(topics)
    try:
        yield
    finally:
        _topics.reset(token)
    if topics and _bell is not None:
        _bell(topics)


def is_conflict(error: BaseException | None) -> bool:
    """Whether running the same transaction again may succeed."""
    while error is not None:
        if isinstance(error, Conflict):
            return True
        if getattr(error, "sqlstate", None) in _RETRYABLE:
            return True
        error = error.__cause__ or error.__context__
    return False


def ring(*topics: str) -> None:
    """Notify listeners of `topics`, once this transaction has committed."""
    pending = _topics.get()
    assert pending is not None, "a bell rings for what a transaction has made true"
    pending.update(topics)


def on_ring(bell: Callable[[set[str]], None] | None) -> None:
    """Where committed topics go; wired once at start-up. The bell must not block or raise."""
    global _bell  # noqa: PLW0603 - one bell a process
    _bell = bell


def waiting_transactions() -> int:
    """How many transactions of this process wait for their turn."""
    return connection.client().turns.waiting if connection.is_open() else 0
