"""The database of this process: opened, migrated, closed."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from tortoise import Tortoise
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext, set_global_context
from tortoise.exceptions import OperationalError

from models.db import fair_queue, private, sql, sqlite_copy, sqlite_engine, tasks

if TYPE_CHECKING:
    from models.db import postgres_engine

_IN_MEMORY: Final = ":memory:"
#: PostgreSQL's own limits on a connection of ours, in milliseconds: on a statement, on waiting for
#: a lock, and on a transaction in which nothing happens (its process hangs, and it has locks).
_SERVER_SETTINGS: Final = {
    "jit": "off",
    "statement_timeout": "15000",
    "lock_timeout": f"{fair_queue.STILL_SECONDS_MAX * 1000:.0f}",
    "idle_in_transaction_session_timeout": "10000",
}

_TAKE_LOCK: Final = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT pg_advisory_xact_lock(hashtext('account-credit migrate'))
"""

_context: TortoiseContext | None = None


def dialect() -> str:
    """`sqlite` or `postgres`."""
    return get_connection("default").capabilities.dialect


def client() -> sqlite_engine.Client | postgres_engine.Client:
    """The database, outside transactions."""
    return cast("sqlite_engine.Client | postgres_engine.Client", get_connection("default"))


def database_config(database_url: str) -> dict[str, Any]:
    """Tortoise's configuration for a `sqlite://` or `postgres://` URL.

    Raises ValueError for any other scheme. Query parameters go to the driver
    (`?maxsize=20&host=/run/postgresql`), but for `pgbouncer=true`: see `missing_settings`.
    """
    return {
        "connections": {"default": _connection_config(database_url)},
        "apps": {
            "models": {
                "models": ["models"],
                "default_connection": "default",
                "migrations": "models.migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


def _connection_config(database_url: str) -> dict[str, Any]:
    scheme = urlsplit(database_url).scheme
    if scheme == "sqlite":
        return {**expand_db_url(database_url), "engine": "models.db.sqlite_engine"}
    if scheme not in {"postgres", "postgresql"}:
        raise ValueError("DATABASE_URL must begin with sqlite:// or postgres://")
    connection = expand_db_url(database_url.replace("postgresql://", "postgres://", 1))
    credentials = {"maxsize": 16, **connection["credentials"], "min_size": 1}
    if credentials.pop("pgbouncer", "") == "true":
        # A connection of PgBouncer's is another one of PostgreSQL's for each transaction.
        credentials = {"statement_cache_size": 0, **credentials, "pooled": True}
    else:
        credentials["server_settings"] = _SERVER_SETTINGS
    return {**connection, "credentials": credentials, "engine": "models.db.postgres_engine"}


async def connect(database_url: str) -> None:
    """Open the database for this process. One at a time; see `disconnect`."""
    global _context  # noqa: PLW0603 - one database a process
    assert _context is None, "the database is open already"
    config = database_config(database_url)
    _keep_private(config)
    context = TortoiseContext()
    with context:  # what init() calls looks for the current one
        await context.init(config=config)
    set_global_context(context)  # for tasks that began before this one
    _context = context


def _keep_private(config: dict[str, Any]) -> None:
    """SQLite's files are their owner's alone. It gives those beside the database its own mode."""
    path = config["connections"]["default"]["credentials"].get("file_path", _IN_MEMORY)
    if path == _IN_MEMORY or sqlite_copy.is_fixed(path):
        return
    with suppress(OSError):  # SQLite says better what cannot be opened
        private.make_file(Path(path))
    for beside in ("-wal", "-shm", "-journal"):
        private.close_to_others(Path(f"{path}{beside}"))


async def ping() -> None:
    """Ask the database something; raises what keeps it from answering."""
    await sql.fetch("SELECT 1 AS one")


async def applied_migrations() -> set[str]:
    """The migrations that the open database has had; none where it is empty."""
    try:
        rows = await sql.fetch("SELECT name FROM tortoise_migrations WHERE app = 'models'")
    except OperationalError as error:
        if "tortoise_migrations" not in str(error):
            raise
        return set()  # it has no such table
    return {row["name"] for row in rows}


async def missing_settings() -> dict[str, str]:
    """What PgBouncer has to set on each of its connections, and has not."""
    if not getattr(client(), "pooled", False):
        return {}
    rows = await sql.fetch("SELECT name, setting FROM pg_settings")
    found = {row["name"]: row["setting"] for row in rows}
    return {name: value for name, value in _SERVER_SETTINGS.items() if found[name] != value}


def is_open() -> bool:
    """Whether this process has opened the database."""
    return _context is not None


async def disconnect() -> None:
    """Finish what runs and close the database. Does nothing when it is closed."""
    global _context
    if _context is None:
        return
    await tasks.drain()
    context, _context = _context, None
    await context.close_connections()


async def migrate(database_url: str) -> None:
    """Bring the database to the newest schema; safe when several processes start at once."""
    # In a task of its own: Tortoise leaves the context that it migrated in the current one, closed.
    await asyncio.create_task(_migrate(database_url))


async def _migrate(database_url: str) -> None:
    # Only what migrates needs it.
    from tortoise.migrations.api import migrate as apply_migrations  # noqa: PLC0415

    config = database_config(database_url)
    async with alone(database_url):
        _keep_private(config)
        try:
            await apply_migrations(config=config)
        finally:
            await Tortoise.close_connections()


@asynccontextmanager
async def alone(database_url: str) -> AsyncIterator[None]:
    """Keep other processes from migrating or filling the same database meanwhile: Tortoise has no
    such lock.
    """
    credentials = database_config(database_url)["connections"]["default"]["credentials"]
    if "file_path" in credentials:
        lock_path = Path(f"{credentials['file_path']}.migrating")
        private.make_file(lock_path)
        with lock_path.open("w") as lock:  # noqa: ASYNC230 - before anything is served
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            yield
        return
    import asyncpg  # noqa: PLC0415 - a server on SQLite starts without it

    names = ("host", "port", "user", "password", "database")
    address: dict[str, Any] = {name: credentials.get(name) for name in names}
    connection = await asyncpg.connect(**address)
    try:
        # In a transaction: behind PgBouncer a connection of PostgreSQL is ours for no longer.
        async with connection.transaction():
            await connection.execute(_TAKE_LOCK)
            yield
    finally:
        await connection.close()
