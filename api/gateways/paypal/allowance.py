"""A rate limit on calls to PayPal for unverified messages, which anyone can send.

All of it is this process's own: counting in the database would be work that strangers cause, too.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from cachetools import TTLCache

from models.access.rate_limit import network
from models.gateway import GatewayUnreachable, sender

#: Requests to PayPal that unverified messages may cause in a window, of one sender and of all.
EACH_MAX: Final = 6
ALL_MAX: Final = 30
WINDOW_SECONDS: Final = 60.0
_REMEMBERED_MAX: Final = 1000


class Allowance:
    """Counts the requests that unverified messages cause, by the network that they come from."""

    def __init__(self) -> None:
        self._ends_at = 0.0
        self._spent: Counter[str] = Counter()

    def spend(self) -> None:
        """One request more. Raises GatewayUnreachable, so that PayPal sends its own again."""
        if time.monotonic() >= self._ends_at:
            self._ends_at = time.monotonic() + WINDOW_SECONDS
            self._spent.clear()
        who = network(sender.get())
        if self._spent[who] >= EACH_MAX or self._spent.total() >= ALL_MAX:
            raise GatewayUnreachable("too many unverified messages just now")
        self._spent[who] += 1


def remembered(seconds: float) -> TTLCache[str, bool]:
    """Names for a while, the latest ones: what has been found bad is not looked at again."""
    return TTLCache(_REMEMBERED_MAX, seconds, timer=_clock)


def _clock() -> float:
    return time.monotonic()
