"""What begins later: by itself, once, and at the latest when work is drained."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from models.db import tasks

pytestmark = pytest.mark.once

who: ContextVar[str] = ContextVar("who", default="nobody")


async def test_what_is_to_begin_later_begins_by_itself_and_is_nobodys() -> None:
    began: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    who.set("ada")
    tasks.later(0.001, lambda: began.set_result(who.get()))
    async with asyncio.timeout(10):
        assert await began == "nobody"


async def test_what_is_asked_for_again_meanwhile_begins_once() -> None:
    began: list[int] = []

    def begin() -> None:
        began.append(1)

    for _ in range(3):
        tasks.later(60, begin)
    assert began == []
    await tasks.drain()
    await tasks.drain()
    assert began == [1]
    tasks.later(60, begin)
    await tasks.drain()
    assert began == [1, 1]


async def test_what_begins_when_work_is_drained_is_waited_for() -> None:
    done: list[int] = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    def begin() -> None:
        tasks.task_of(work())

    tasks.later(60, begin)
    await tasks.drain()
    assert done == [1]
