"""Batched reads: what several reads request at once is one statement.

A read that uses `find_one` names the key of the row it needs and the function that finds such rows,
which takes many keys. Alone it is called with the one key. In `read_together` every read runs until
it requests keys, or ends; then each function is called once, with all the keys requested of it, in
their order, and the reads continue with what it found. Anything else is awaited as usual.

Here the reads of one transaction are known, go in step and lock; those of requests that know
nothing of each other are `models.db.coalesced`, outside transactions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: What it finds of many keys; a key of which there is nothing may be missing.
Find = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]

_is_together: ContextVar[bool] = ContextVar("is_together", default=False)


class _Want:
    """What a read waits for; with `is_lock` it is served after all other requests."""

    __slots__ = ("find", "is_lock", "keys")

    def __init__(self, find: Find[Any, Any], keys: Sequence[Any], *, is_lock: bool) -> None:
        self.find, self.keys, self.is_lock = find, keys, is_lock

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


async def find_one(find: Find[K, V], key: K, *, is_lock: bool = False) -> V | None:
    """What `find` finds of this key, or None: see `find_some`."""
    return (await find_some(find, [key], is_lock=is_lock)).get(key)


async def find_some(find: Find[K, V], keys: Sequence[K], *, is_lock: bool = False) -> Mapping[K, V]:
    """What `find` finds of these keys; inside `read_together` with the others' keys.

    Locks (`is_lock`) come after everything else that is wanted, so that all are in one statement.
    """
    if not keys:
        return {}
    if _is_together.get():
        return await _Want(find, keys, is_lock=is_lock)  # type: ignore[no-any-return]
    return await find(keys)


class _Read:
    """One of the reads: what it wants, or its end."""

    def __init__(self, reading: Coroutine[Any, Any, Any]) -> None:
        self.reading = reading
        self.want: _Want | None = None
        self.given: Mapping[Any, Any] | None = None
        self.found: Any = None
        self.refused: Exception | None = None
        self.is_over = False

    def __await__(self) -> Generator[Any, Any, None]:
        """Run until it requests keys or ends; other awaitables go to the event loop."""
        step: Callable[[Any], Any] = self.reading.send
        given: Any = self.given
        self.want = self.given = None
        while True:
            try:
                wanted = step(given)
            except StopIteration as end:
                self.found, self.is_over = end.value, True
                return
            if isinstance(wanted, _Want):
                self.want = wanted
                return
            try:
                step, given = self.reading.send, (yield wanted)
            except BaseException as error:  # noqa: BLE001 - it is thrown where it belongs
                step, given = self.reading.throw, error


async def read_together(
    readings: Sequence[Coroutine[Any, Any, V]], refusals: tuple[type[Exception], ...]
) -> list[V | Exception]:
    """What each of the reads found, or the refusal that it raised; any other error ends all."""
    reads = [_Read(reading) for reading in readings]
    try:
        waiting = await _gone_on(reads, refusals)
        while waiting:
            await _serve(
                [read for read in waiting if read.want and not read.want.is_lock] or waiting
            )
            waiting = await _gone_on(waiting, refusals)
    finally:
        for read in reads:
            read.reading.close()
    return [read.refused or read.found for read in reads]


async def _gone_on(reads: Sequence[_Read], refusals: tuple[type[Exception], ...]) -> list[_Read]:
    """Resume those that can continue; returns those that haven't ended."""
    token = _is_together.set(True)
    try:
        for read in reads:
            if read.want is None or read.given is not None:
                try:
                    await read
                except refusals as refused:
                    read.refused, read.is_over = refused, True
    finally:
        _is_together.reset(token)
    return [read for read in reads if not read.is_over]


async def _serve(reads: Sequence[_Read]) -> None:
    by_find: dict[Find[Any, Any], dict[Any, None]] = {}
    for read in reads:
        assert read.want is not None
        by_find.setdefault(read.want.find, {}).update(dict.fromkeys(read.want.keys))
    found = {find: await find(list(keys)) for find, keys in by_find.items()}
    for read in reads:
        assert read.want is not None
        read.given = found[read.want.find]
