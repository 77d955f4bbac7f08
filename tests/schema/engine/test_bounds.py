"""One timer ends whatever takes too long, as a timeout of its own would."""

from __future__ import annotations

import asyncio

import pytest

from schema.engine.bounds import Timeouts

pytestmark = pytest.mark.once

SHORT = 0.02


async def test_what_takes_too_long_is_ended_and_what_does_not_goes_on() -> None:
    timeouts = Timeouts(SHORT)

    async def wait(forever: asyncio.Event) -> str:
        try:
            with timeouts.one():
                await forever.wait()
        except TimeoutError:
            return "too long"
        return "done"

    quick = asyncio.Event()
    tasks = [
        asyncio.create_task(wait(event)) for event in (asyncio.Event(), quick, asyncio.Event())
    ]
    await asyncio.sleep(0)
    quick.set()
    assert await asyncio.gather(*tasks) == ["too long", "done", "too long"]
    assert not any(task.cancelling() for task in tasks)


async def test_each_has_its_whole_time_whenever_it_begins() -> None:
    timeouts = Timeouts(SHORT)
    loop = asyncio.get_running_loop()

    async def wait() -> float:
        began = loop.time()
        with pytest.raises(TimeoutError), timeouts.one():
            await asyncio.Event().wait()
        return loop.time() - began

    tasks = []
    for _ in range(3):
        tasks.append(asyncio.create_task(wait()))
        await asyncio.sleep(SHORT / 2)
    # uvloop's clock has milliseconds.
    assert min(await asyncio.gather(*tasks)) >= SHORT - 0.002


async def test_who_is_canceled_by_somebody_else_is_canceled() -> None:
    timeouts = Timeouts(SHORT)

    async def wait() -> None:
        with timeouts.one():
            await asyncio.Event().wait()

    canceled, twice = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    canceled.cancel()
    twice.cancel()
    timeouts._ring()  # not due yet: nobody hears it
    for task in (canceled, twice):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_who_is_canceled_when_time_is_up_as_well_is_canceled() -> None:
    timeouts = Timeouts(SHORT)

    async def wait() -> None:
        with timeouts.one() as timeout:
            asyncio.get_running_loop().call_soon(timeout.ring)
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_another_loop_begins_anew() -> None:
    timeouts = Timeouts(SHORT)
    with timeouts.one():
        pass

    async def elsewhere() -> None:
        with pytest.raises(TimeoutError), timeouts.one():
            await asyncio.Event().wait()

    await asyncio.to_thread(asyncio.run, elsewhere())
    await elsewhere()
