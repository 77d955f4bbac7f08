"""Places that each of many may have some of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


@contextmanager
def one_more(taken: Counter[K], by: K, most: int) -> Iterator[bool]:
    """Whether there is one more place, which is taken meanwhile."""
    if taken[by] >= most:
        yield False
        return
    taken[by] += 1
    try:
        yield True
    finally:
        taken[by] -= 1
        if not taken[by]:
            del taken[by]
