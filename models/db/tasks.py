"""Tasks: work that has begun completes even if its caller is canceled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from models.db.caller import go_on

T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()
_later: dict[Callable[[], None], asyncio.TimerHandle] = {}


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`, which has begun already, in a task of its own: it goes on where the caller is
    canceled, and waits for its turns however many wait.
    """

    async def going_on() -> T:
        go_on()
        return await work

    return await asyncio.shield(task_of(going_on()))


def task_of(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin `work`; `drain` waits for it."""
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # else a caller that went away leaves a warning behind


def later(seconds: float, begin: Callable[[], None]) -> None:
    """Call `begin` after that time, at the latest when work is drained; once, however often it is
    requested meanwhile. Runs in an empty context, independent of the caller.
    """
    if begin not in _later:
        loop = asyncio.get_running_loop()
        _later[begin] = loop.call_later(seconds, _begin, begin, context=Context())


def _begin(begin: Callable[[], None]) -> None:
    _later.pop(begin).cancel()
    begin()


def open_transactions() -> int:
    """How many transactions of this process are under way."""
    return len(_running)


async def drain() -> None:
    """Begin what was to begin `later`, and wait for transactions whose callers went away; called
    before the connections close.
    """
    for begin in list(_later):
        _begin(begin)
    while _running:
        await asyncio.gather(*_running, return_exceptions=True)
