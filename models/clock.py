"""The time that it is: one clock for all of the domain, which tests set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def _of_this_machine() -> datetime:
    return datetime.now(UTC)


_read: Callable[[], datetime] = _of_this_machine


def now() -> datetime:
    """This moment in UTC."""
    return _read()
