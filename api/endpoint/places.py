"""Counting limits: at most so many places per key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def take_place(taken: Counter[K], by: K, most: int) -> bool:
    """Whether there was one more place; it is taken until it is given back."""
    if taken[by] >= most:
        return False
    taken[by] += 1
    return True


def give_back(taken: Counter[K], by: K) -> None:
    """A place that was taken is free again."""
    taken[by] -= 1
    if not taken[by]:
        del taken[by]
