"""Reads that requests ask for in the same tick of the event loop, made in one statement.

It begins when all of them have asked, so each sees whatever was committed before it asked, as it
would by itself; nothing is cached for later ones. A caller that is canceled doesn't affect others.

It is for requests that know nothing of each other, each in a task of its own; the reads of one
transaction go in step by `models.db.together`.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from models.db.caller import set_caller
from models.db.transactions import in_transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

#: What one statement looks for, at the most.
_KEYS_MAX: Final = 64
#: The fair-queue caller for shared reads.
_MANY: Final = "many"


class Coalesced(Generic[K, V]):
    """Finds values by their keys. Values are shared between callers and must not be changed."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        """`read` finds those of different keys, at least one, that there are."""
        self._read = read
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: dict[K, list[asyncio.Future[V | None]]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def find(self, key: K) -> V | None:
        """The value; None where there is none. Raises what `read` raises."""
        if in_transaction():
            return (await self._read([key])).get(key)
        loop = asyncio.get_running_loop()
        if not self._asked or self._loop is not loop:
            self._loop, self._asked = loop, {}
            # In an empty context: it belongs to none of the callers.
            loop.call_soon(self._begin, context=Context())
        answer: asyncio.Future[V | None] = loop.create_future()
        self._asked.setdefault(key, []).append(answer)
        return await answer

    def _begin(self) -> None:
        asked, self._asked = self._asked, {}
        set_caller(_MANY)
        keys = list(asked)
        for start in range(0, len(keys), _KEYS_MAX):
            some = {key: asked[key] for key in keys[start : start + _KEYS_MAX]}
            task = asyncio.ensure_future(self._answer(some))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _answer(self, asked: Mapping[K, Sequence[asyncio.Future[V | None]]]) -> None:
        found: Mapping[K, V] = {}
        failure: Exception | None = None
        try:
            found = await self._read(list(asked))
        except Exception as error:  # noqa: BLE001 - the callers get it
            failure = error
        for key, answers in asked.items():
            for answer in answers:
                if answer.done():
                    continue  # its caller was canceled
                if failure is None:
                    answer.set_result(found.get(key))
                else:
                    answer.set_exception(failure)
