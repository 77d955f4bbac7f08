"""Passwords: argon2id hashes, made and checked beside the event loop.

A hash takes tens of milliseconds of all cores and 64 MiB, on purpose. So at most two are made at
a time, and when too many wait, the next is refused instead of queued.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash

from models.errors import Invalid, RateLimited

#: The hasher of this process: argon2id with the parameters of RFC 9106, section 4.
hasher = PasswordHash.recommended()

_LENGTH_MIN: Final = 10
_BYTES_MAX: Final = 1024
# Before anything is done with them; composing (NFC) makes of four characters one at the most.
_CHARACTERS_MAX: Final = 4 * _BYTES_MAX
_AT_ONCE_MAX: Final = 2
_WAITING_MAX: Final = 32

_limiter = CapacityLimiter(_AT_ONCE_MAX)


async def hashed(password: str, *field: str) -> str:
    """The hash to store. Raises Invalid at `field` (or `password`) when it is no good password."""
    normal = _normal(password)
    problem = _problem(normal)
    if problem is not None:
        raise Invalid(*(field or ("password",)), problem=problem)
    return await to_thread.run_sync(hasher.hash, normal, limiter=_limiter)


async def matches(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether `password` is the one behind the hash `stored`, and a newer hash if that is dated.

    Takes as long where nothing is stored. Raises RateLimited when too many are waiting.
    """
    if _limiter.statistics().tasks_waiting >= _WAITING_MAX:
        raise RateLimited(retry_after_seconds=5)
    return await to_thread.run_sync(_matches, _normal(password), stored, limiter=_limiter)


def _matches(normal: bytes, stored: str | None) -> tuple[bool, str | None]:
    stand_in = _stand_in(hasher)  # before the choice, so that the first caller waits for it
    good, newer = hasher.verify_and_update(normal, stored or stand_in)
    return (True, newer) if good and stored else (False, None)


@lru_cache(maxsize=2)
def _stand_in(hasher: PasswordHash) -> str:
    """What is checked where nothing is stored."""
    return hasher.hash("")


def _normal(password: str) -> bytes:
    """The same bytes however a keyboard composes them; anything too long for what is."""
    if len(password) > _CHARACTERS_MAX:
        return bytes(_BYTES_MAX + 1)
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")[: _BYTES_MAX + 1]


def _problem(normal: bytes) -> str | None:
    if len(normal) > _BYTES_MAX:
        return "too_long"
    try:
        return "too_short" if len(normal.decode()) < _LENGTH_MIN else None
    except UnicodeDecodeError:  # a lone surrogate
        return "unprintable"
