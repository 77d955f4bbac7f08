"""The caller of work: for whom it is done, and whether they still wait for it.

Turns at the database go round among callers (models.db.fair_queue). One is an account, however many
users and requests it has, an address, or work of ours, such as the lane.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: The caller of work without a request: the worker's, the command line's.
SYSTEM: Final = "system"
#: The caller that takes what waits to be taken, and the one that does what another's lock holds up.
LANE: Final = "lane"
BESIDE: Final = "beside the lane"

_caller: ContextVar[str] = ContextVar("caller", default=SYSTEM)
_bound: ContextVar[bool] = ContextVar("bound", default=False)
_left: ContextVar[Callable[[], Awaitable[object]] | None] = ContextVar("left", default=None)


class _Within(Generic[T]):
    """The variable has this value in here. Every request has some: `contextmanager` costs thrice as
    much.
    """

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> None:
        self._token = self._variable.set(self._value)

    def __exit__(self, *_: object) -> None:
        self._variable.reset(self._token)


def called_by(caller: str) -> AbstractContextManager[None]:
    """What is done in here is done for `caller`."""
    return _Within(_caller, caller)


def set_caller(caller: str) -> None:
    """What this task does from here on is done for `caller`."""
    _caller.set(caller)


def current_caller() -> str:
    """For whom this task does what it does."""
    return _caller.get()


def while_wanted(left: Callable[[], Awaitable[object]]) -> AbstractContextManager[None]:
    """Work in here stops waiting for its turn once `left()` returns: its caller disconnected."""
    return _Within(_left, left)


def disconnected() -> Callable[[], Awaitable[object]] | None:
    """What returns once the caller has disconnected (`while_wanted`); None where nobody asks."""
    return _left.get()


def go_on() -> None:
    """This task continues work that has begun: it waits for its turn however many wait, and even if
    its caller has disconnected.
    """
    _bound.set(True)
    _left.set(None)


def has_begun() -> bool:
    """Whether this task continues work that has begun (`go_on`)."""
    return _bound.get()
