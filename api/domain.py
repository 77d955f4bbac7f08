"""The domain, wired to its adapters. Server, worker and commands all open it here."""

from __future__ import annotations

import os
import pkgutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.live.local import LiveFeed, LocalFeed
from api.settings.settings import SettingsError
from models import migrations
from models.db import connection, tasks, transactions
from models.provider import provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from api.settings.settings import Settings
    from models.gateway import Gateway


#: SQLite's log grows to four MiB before it is written back.
_ROOM_BYTES_MIN: Final = 1 << 20
#: So many missing migrations are named each; of more, the first and the last.
_NAMED_MAX: Final = 4


@asynccontextmanager
async def opened(
    settings: Settings, gateways: Mapping[str, Gateway], feed: LiveFeed
) -> AsyncIterator[None]:
    """The domain, wired to the database, the gateways and the live feed.

    Raises SettingsError when the database is not of this version.
    """
    require_present(settings)
    await connection.connect(settings.database_url)
    try:
        await require_migrated(settings)
        await _require_settings()
        provider.wire(settings.provider(gateways))
        async with feed:
            transactions.on_ring(feed.ring)
            try:
                yield
            finally:
                await tasks.drain()
                transactions.on_ring(None)
    finally:
        await connection.disconnect()
        for gateway in gateways.values():
            if close := getattr(gateway, "close", None):
                await close()


def make_feed(settings: Settings) -> LiveFeed:
    """Within this process, or through Redis."""
    if settings.redis_url is None:
        return LocalFeed()
    from api.live.redis_feed import RedisFeed  # noqa: PLC0415 - importing it takes long

    return RedisFeed(settings.redis_url)


def require_usable(settings: Settings) -> None:
    """Raises SettingsError when SQLite's file cannot be one."""
    if not settings.on_sqlite:
        return
    file = Path(settings.database_name)
    if not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
        raise SettingsError(f"DATABASE_URL names {file}, but no file can be written there.")
    _require_database(file)


def require_present(settings: Settings) -> None:
    """Raises SettingsError when SQLite's file is not there: only `migrate` makes one, so that a
    mistyped path does not.
    """
    require_usable(settings)
    file = settings.database_name
    if settings.on_sqlite and not Path(file).exists():
        raise SettingsError(f"There is no database at {file}. To make one: account-credit migrate")


def require_readable(settings: Settings) -> None:
    """Raises SettingsError if SQLite's file is not there or cannot be read."""
    if not settings.on_sqlite:
        return
    file = Path(settings.database_name)
    if not file.exists():
        require_present(settings)
    if not os.access(file, os.R_OK):
        raise SettingsError(f"DATABASE_URL names {file}, which can't be read.")
    _require_database(file)


def _require_database(file: Path) -> None:
    if file.is_dir() or (file.exists() and not _is_database(file)):
        raise SettingsError(f"DATABASE_URL names {file}, which isn't an SQLite database.")


def _is_database(file: Path) -> bool:
    # https://www.sqlite.org/fileformat.html, 1.3; an empty file is an empty database.
    with file.open("rb") as opened_file:
        return opened_file.read(16) in {b"", b"SQLite format 3\0"}


async def _require_settings() -> None:
    """Raises SettingsError where PgBouncer does not set what we need."""
    missing = await connection.missing_settings()
    if missing:
        query = "; ".join(f"SET {name} = '{value}'" for name, value in missing.items())
        raise SettingsError(
            "PgBouncer must limit what its connections may wait for. In pgbouncer.ini, add to the "
            f'database: connect_query="{query}"'
        )


async def require_migrated(settings: Settings) -> None:
    """Raises SettingsError when the database is not of this version."""
    problem = await migrations_problem()
    if problem:
        raise SettingsError(f"The database {settings.database_name} is not ready: {problem}")


async def migrations_problem() -> str | None:
    """Whether the database has the tables of this version."""
    missing = await pending_migrations()
    if not missing:
        return None
    lacks = ", ".join(missing) if len(missing) < _NAMED_MAX else f"{missing[0]} to {missing[-1]}"
    return f"it lacks {lacks}; run: account-credit migrate"


def room_problem(settings: Settings) -> str | None:
    """Whether there is room where SQLite's file is; other disks show when they are written to."""
    if not settings.on_sqlite:
        return None
    disk = os.statvfs(Path(settings.database_name).parent)
    return None if disk.f_bavail * disk.f_frsize >= _ROOM_BYTES_MIN else "The disk is full."


async def pending_migrations() -> list[str]:
    """The migrations of this version that the database has not had."""
    known = {module.name for module in pkgutil.iter_modules(migrations.__path__)}
    return sorted(known - await connection.applied_migrations())
