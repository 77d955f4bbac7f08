"""Passwords: argon2id hashes, made and checked beside the event loop.

A hash takes tens of milliseconds of all cores and 64 MiB, on purpose. So at most two are made at
a time, and when too many wait, the next is refused instead of queued.

A new one has 10 to 200 characters of any script, and takes more than 10^8 guesses by zxcvbn's
estimate (score 3), which knows the 30,000 most common passwords of leaks, words, names, dates and
keyboards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash

from models.errors import Invalid, RateLimited, WeakPassword

#: The hasher of this process: argon2id with the parameters of RFC 9106, section 4.
hasher = PasswordHash.recommended()

_LENGTH_MIN: Final = 10
_LENGTH_MAX: Final = 200
_SCORE_MIN: Final = 3
#: What zxcvbn looks at: its work grows with the square of the length.
_WINDOW: Final = 48
#: Signs that it reads as letters; it tries all of their readings with each other, so few of them.
_LETTER_SIGNS: Final = frozenset("@({[<!|$+%")
_LETTER_SIGNS_MAX: Final = 4
_BYTES_MAX: Final = 1024
# Before anything is done with them; composing (NFC) makes of four characters one at the most.
_CHARACTERS_MAX: Final = 4 * _BYTES_MAX
_AT_ONCE_MAX: Final = 2
_WAITING_MAX: Final = 32

_limiter = CapacityLimiter(_AT_ONCE_MAX)
# zxcvbn keeps what is known of the person in a table of the module: one at a time.
_estimates = CapacityLimiter(1)


async def hashed(password: str, *field: str, known: Sequence[str] = ()) -> str:
    """The hash to store. `known` is what others know of the person, such as the e-mail address.

    Raises Invalid at `field` (or `password`) when its length or a character is not acceptable,
    WeakPassword there when it is guessed easily, RateLimited when too many are waiting.
    """
    at = field or ("password",)
    normal = _normal(password)
    problem = _problem(normal)
    if problem is not None:
        raise Invalid(*at, problem=problem)
    _require_room(_estimates)
    if await to_thread.run_sync(_score, normal.decode(), known, limiter=_estimates) < _SCORE_MIN:
        raise WeakPassword(*at)
    _require_room(_limiter)
    return await to_thread.run_sync(hasher.hash, normal, limiter=_limiter)


def _require_room(limiter: CapacityLimiter) -> None:
    if limiter.statistics().tasks_waiting >= _WAITING_MAX:
        raise RateLimited(retry_after_seconds=5)


def _score(text: str, known: Sequence[str]) -> int:
    """From 0 (guessed at once) to 4: the better one of its beginning and its end."""
    # Its word lists take a fifth of a second to read: not before there is a password to look at.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    parts = {_with_few_signs(part) for part in (text[:_WINDOW], text[-_WINDOW:])}
    words = [word for text in known for word in (text, *text.split("@"))]
    inputs = [word[:_WINDOW] for word in words if word]
    return max(int(zxcvbn(part, inputs, max_length=_WINDOW)["score"]) for part in parts)


def _with_few_signs(text: str) -> str:
    signs = dict.fromkeys(character for character in text if character in _LETTER_SIGNS)
    return text.translate({ord(sign): "·" for sign in list(signs)[_LETTER_SIGNS_MAX:]})


async def matches(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether `password` is the one behind the hash `stored`, and a newer hash if that is dated.

    Takes as long where nothing is stored. Raises RateLimited when too many are waiting.
    """
    _require_room(_limiter)
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
        length = len(normal.decode())
    except UnicodeDecodeError:  # a lone surrogate
        return "unprintable"
    if length > _LENGTH_MAX:
        return "too_long"
    return "too_short" if length < _LENGTH_MIN else None
