"""The access token: fetched with the app's credentials, kept until shortly before it expires."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: A token is given up so long before it expires, so that none expires on its way.
_MARGIN_SECONDS: Final = 60.0


class AccessToken:
    """One token for all requests; however many want a new one, it is fetched once.

    `fetch` answers a token and for how many seconds it is good.
    """

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, float]]]) -> None:
        self._fetch = fetch
        self._value = ""
        self._good_until = 0.0
        self._renewing = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good for a while. Raises what `fetch` raises."""
        async with self._renewing:
            if time.monotonic() >= self._good_until:
                self._value, seconds = await self._fetch()
                self._good_until = time.monotonic() + seconds - _MARGIN_SECONDS
            return self._value

    def give_up(self, refused: str) -> None:
        """`refused` is good no longer; a newer one stays."""
        if refused == self._value:
            self._good_until = 0.0
