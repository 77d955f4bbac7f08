"""Records, and the only way into a transaction."""

from __future__ import annotations

import asyncio
import fcntl
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from tortoise import Tortoise, fields
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as apply_migrations
from tortoise.models import Model
from tortoise.transactions import in_transaction as tortoise_transaction
from uuid_utils.compat import uuid7

from models import fair_queue, private, sql, sqlite_engine
from models.errors import TryAgain

if TYPE_CHECKING:
    from models import postgres_engine

T = TypeVar("T")

#: What a database calls a conflict that goes away when the transaction is run again
#: (serialization failure, deadlock). A lock that does not come is none: it was waited for.
_RETRYABLE: Final = {"40001", "40P01"}
_ATTEMPTS_MAX: Final = 12
_RETRYING_SECONDS_MAX: Final = 5.0
_HEX_DIGITS: Final = 32
_IN_MEMORY: Final = ":memory:"
#: PostgreSQL's own limits on a connection of ours, in milliseconds: on a statement, on waiting for
#: a lock, and on a transaction in which nothing happens (its process hangs, and it has locks).
_SERVER_SETTINGS: Final = {
    "jit": "off",
    "statement_timeout": "15000",
    "lock_timeout": f"{fair_queue.STILL_SECONDS_MAX * 1000:.0f}",
    "idle_in_transaction_session_timeout": "10000",
}
#: A migration may take long; what it waits for, it waits for as any statement did.
_MIGRATION_SETTINGS: Final = {
    "statement_timeout": "0",
    "lock_timeout": "15000",
    "idle_in_transaction_session_timeout": "0",
}

_topics: ContextVar[set[str] | None] = ContextVar("topics", default=None)
_running: set[asyncio.Task[Any]] = set()
_bell: Callable[[set[str]], None] | None = None
_context: TortoiseContext | None = None


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


class Conflict(Exception):
    """What was read has been changed by somebody else since: the transaction is run again."""


class Record(Model):
    """A row with a time-ordered UUIDv7 id, which `PREFIX` makes readable and unique in the API."""

    PREFIX: ClassVar[str] = ""

    id = fields.UUIDField(primary_key=True, default=uuid7)
    created_at = fields.DatetimeField(default=now)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        """The id that the API shows: `inv_0192f3…`."""
        return public_id(self.PREFIX, self.id)


def new_id() -> UUID:
    """A UUIDv7: unique, and in the order of creation."""
    return uuid7()


def public_id(prefix: str, id: UUID) -> str:
    """An id as the API shows it: `inv_0192f3…`."""
    return f"{prefix}_{id.hex}"


def parse_id(prefix: str, text: str) -> UUID | None:
    """The UUID in a public id of that prefix; None for anything else."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _HEX_DIGITS or not tail.isascii():
        return None
    try:
        return UUID(hex=tail)
    except ValueError:
        return None


class Changing(Record):
    """A record whose changes are put down one by one and written together."""

    class Meta:
        abstract = True

    def put(self, **columns: object) -> None:
        """Change these columns; `write` makes it last."""
        changes: dict[str, object] = self.__dict__.setdefault("_changes", {})
        changes.update(columns)
        for name, value in columns.items():
            setattr(self, name, value)

    async def change(self, **columns: object) -> None:
        """Change these columns and write them at once."""
        self.put(**columns)
        await self.write()

    async def write(self) -> None:
        """Write what has been put down, in one statement; nothing where nothing was."""
        changes: dict[str, object] = self.__dict__.pop("_changes", {})
        if changes:
            await self._write(changes)

    async def _write(self, changes: dict[str, object]) -> None:
        assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(changes, 2))
        table = self._meta.db_table
        statement = f"UPDATE {table} SET {assignments} WHERE id = $1"
        await sql.execute(statement, self.id, *changes.values())


# ------------------------------------------------------------------------------- transactions


async def transaction(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` in one database transaction and return what it returned.

    It waits for its turn (models.fair_queue), and then runs in a task of its own that is never
    canceled half-way: a caller that goes away leaves a transaction that commits or rolls back
    whole, or one that never began. Conflicts are retried, so `work` may run more than once and must
    have no effect outside the database. Never nested; no network inside.

    Raises Busy, and has done nothing, where the turn or a lock does not come.
    """
    task = begin(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if _client().turns.is_waiting(task):
            task.cancel()
        raise


def begin(work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
    """Start a transaction that nobody needs to wait for; `disconnect` does."""
    assert not in_transaction(), "a transaction is never opened inside another"
    return _task_of(_retried(work))


def begin_aside(work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
    """As `begin`, for what nobody asked for and nobody misses where too much else is to be done."""
    with fair_queue.called_by("aside"):
        return begin(work)


def in_transaction() -> bool:
    """Whether the caller runs inside `transaction()`."""
    return _topics.get() is not None


async def snapshot(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, which only reads, as of one moment. It has a connection of its own and all the
    time that it needs: nobody waits for it.
    """
    assert not in_transaction(), "a snapshot is of what has been committed"
    async with _client().snapshot():
        return await work()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`, which has begun already, in a task of its own: it goes on where the caller is
    canceled, and waits for its turns however many wait.
    """

    async def going_on() -> T:
        fair_queue.go_on()
        return await work

    return await asyncio.shield(_task_of(going_on()))


def _task_of(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # else a caller that went away leaves a warning behind


async def _retried(work: Callable[[], Awaitable[T]]) -> T:
    until = monotonic() + _RETRYING_SECONDS_MAX
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        topics: set[str] = set()
        token = _topics.set(topics)
        try:
            async with tortoise_transaction():
                result = await work()
        except Exception as error:
            if not is_conflict(error):
                raise
            if attempt == _ATTEMPTS_MAX or monotonic() >= until:
                raise TryAgain from error
        else:
            if topics and _bell is not None:
                _bell(topics)
            return result
        finally:
            _topics.reset(token)
        await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 7)))  # noqa: S311 - jitter
    raise AssertionError("unreachable")


def is_conflict(error: BaseException | None) -> bool:
    """Whether running the same transaction again may succeed."""
    while error is not None:
        if isinstance(error, Conflict):
            return True
        if getattr(error, "sqlstate", None) in _RETRYABLE:
            return True
        error = error.__cause__ or error.__context__
    return False


def ring(*topics: str) -> None:
    """Wake those who listen to `topics`, once this transaction has committed."""
    pending = _topics.get()
    assert pending is not None, "a bell rings for what a transaction has made true"
    pending.update(topics)


def on_ring(bell: Callable[[set[str]], None] | None) -> None:
    """Where committed topics go; wired once at start-up. The bell must not block or raise."""
    global _bell  # noqa: PLW0603 - one bell a process
    _bell = bell


def open_transactions() -> int:
    """How many transactions of this process are under way."""
    return len(_running)


def waiting_transactions() -> int:
    """How many transactions of this process wait for their turn."""
    return 0 if _context is None else _client().turns.waiting


async def drain() -> None:
    """Wait for transactions whose callers went away; called before the connections close."""
    while _running:
        await asyncio.gather(*_running, return_exceptions=True)


# ------------------------------------------------------------------------------- connections


def dialect() -> str:
    """`sqlite` or `postgres`."""
    return get_connection("default").capabilities.dialect


def _client() -> sqlite_engine.Client | postgres_engine.Client:
    """The database, outside transactions."""
    return cast("sqlite_engine.Client | postgres_engine.Client", get_connection("default"))


def database_config(database_url: str, **settings: str) -> dict[str, Any]:
    """Tortoise's configuration for a `sqlite://` or `postgres://` URL; `settings` are PostgreSQL's.

    Raises ValueError for any other scheme. Query parameters go to the driver
    (`?maxsize=20&host=/run/postgresql`).
    """
    scheme = urlsplit(database_url).scheme
    if scheme == "sqlite":
        connection = expand_db_url(database_url)
        connection["engine"] = "models.sqlite_engine"
    elif scheme in {"postgres", "postgresql"}:
        connection = expand_db_url(database_url.replace("postgresql://", "postgres://", 1))
        credentials = connection["credentials"]
        credentials.setdefault("maxsize", 16)
        credentials["min_size"] = 1
        credentials["server_settings"] = {**_SERVER_SETTINGS, **settings}
        connection["engine"] = "models.postgres_engine"
    else:
        raise ValueError("DATABASE_URL must begin with sqlite:// or postgres://")
    return {
        "connections": {"default": connection},
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


async def connect(database_url: str) -> None:
    """Open the database for this process. One at a time; see `disconnect`."""
    global _context  # noqa: PLW0603 - one database a process
    assert _context is None, "the database is open already"
    config = database_config(database_url)
    _keep_private(config)
    context = TortoiseContext()
    with context:  # what init() calls looks for the current one
        await context.init(config=config, _enable_global_fallback=True)
    _context = context


def _keep_private(config: dict[str, Any]) -> None:
    """SQLite's files are their owner's alone. It gives those beside the database its own mode."""
    path = config["connections"]["default"]["credentials"].get("file_path", _IN_MEMORY)
    if path == _IN_MEMORY or sqlite_engine.is_fixed(path):
        return
    with suppress(OSError):  # SQLite says better what cannot be opened
        private.make_file(Path(path))
    for beside in ("-wal", "-shm", "-journal"):
        private.close_to_others(Path(f"{path}{beside}"))


async def disconnect() -> None:
    """Finish what runs and close the database. Does nothing when it is closed."""
    global _context
    if _context is None:
        return
    await drain()
    context, _context = _context, None
    await context.close_connections()


async def migrate(database_url: str) -> None:
    """Bring the database to the newest schema; safe when several processes start at once."""
    # In a task of its own: Tortoise leaves the context that it migrated in the current one, closed.
    await asyncio.create_task(_migrate(database_url))


async def _migrate(database_url: str) -> None:
    config = database_config(database_url, **_MIGRATION_SETTINGS)
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
    names = ("host", "port", "user", "password", "database")
    address: dict[str, Any] = {name: credentials.get(name) for name in names}
    connection = await asyncpg.connect(**address)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('account-credit migrate'))")
        yield
    finally:
        await connection.close()
