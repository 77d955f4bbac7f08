"""Trouble of the database rather than of the request: it is full, busy or unavailable.

The caller can only try again; the transaction that met it has changed nothing.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from enum import StrEnum
from time import monotonic
from traceback import walk_tb
from typing import Final

from tortoise.exceptions import DBConnectionError


class Trouble(StrEnum):
    """Its kinds."""

    FULL = "full"
    "Nothing can be written: no room, or the disk is broken or read-only."
    BUSY = "busy"
    "It has no connection or memory left."
    AWAY = "away"
    "It does not answer."


_FULL_ERRNOS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# https://www.sqlite.org/rescode.html; the lower byte of an extended code is the primary one.
_SQLITE_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
_SQLITE_AWAY: Final = {sqlite3.SQLITE_CANTOPEN}
_PRIMARY: Final = 0xFF
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_FULL: Final = ("53100", "25006", "58030")
_POSTGRES_BUSY: Final = ("53",)
_POSTGRES_AWAY: Final = ("08", "57P01", "57P02", "57P03")

_noted_at = 0.0


def trouble_of(error: BaseException | None) -> Trouble | None:
    """The trouble behind an error or one of its causes; None for any other error."""
    return next((found for one in _causes(error) if (found := _trouble(one)) is not None), None)


def note(error: BaseException | None) -> Trouble | None:
    """As `trouble_of`, and remembers when, for the health check."""
    global _noted_at  # noqa: PLW0603 - one database a process
    found = trouble_of(error)
    if found is not None:
        _noted_at = monotonic()
    return found


def noted_at() -> float:
    """When trouble was met last, on the monotonic clock."""
    return _noted_at


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if error.args and isinstance(error.args[0], BaseException):
            yield error.args[0]  # as Tortoise wraps what a driver has raised
        error = error.__cause__ or error.__context__ or getattr(error, "original_error", None)


def _trouble(error: BaseException) -> Trouble | None:
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(getattr(error, "sqlite_errorcode", 0) & _PRIMARY)
    if isinstance(state := getattr(error, "sqlstate", None), str):
        return _of_postgres(state)
    if isinstance(error, DBConnectionError) or _is_of_interface(error):
        return Trouble.AWAY
    return _of_system(error) if isinstance(error, OSError) else None


def _is_of_interface(error: BaseException) -> bool:
    from asyncpg import InterfaceError  # noqa: PLC0415 - a server on SQLite starts without it

    return isinstance(error, InterfaceError)


def _of_sqlite(code: int) -> Trouble | None:
    if code in _SQLITE_FULL:
        return Trouble.FULL
    return Trouble.AWAY if code in _SQLITE_AWAY else None


def _of_postgres(state: str) -> Trouble | None:
    if state in _POSTGRES_FULL:
        return Trouble.FULL
    if state.startswith(_POSTGRES_BUSY):
        return Trouble.BUSY
    return Trouble.AWAY if state.startswith(_POSTGRES_AWAY) else None


def _of_system(error: OSError) -> Trouble | None:
    if error.errno in _FULL_ERRNOS:
        return Trouble.FULL
    return Trouble.AWAY if _of_driver(error) else None


def _of_driver(error: BaseException) -> bool:
    """Whether it came up in PostgreSQL's driver: others have connections, too."""
    frames = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(name.partition(".")[0] == "asyncpg" for name in frames)
