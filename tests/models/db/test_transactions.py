"""The one way into a transaction: whole or not at all, whatever cuts it off."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import aiosqlite
import asyncpg
import pytest
from tortoise.connection import get_connection
from tortoise.exceptions import OperationalError, TransactionManagementError

from models.accounts.account import Account
from models.db import connection, sql, tasks, transactions
from models.db.transactions import Conflict, read_only, transaction
from models.errors import TryAgain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from models.db import sqlite_engine

pytestmark = pytest.mark.usefixtures("db")


async def _add(name: str) -> None:
    await Account.create(name=name, email=f"{name}@example.com", currency="USD")


async def _names() -> list[str]:
    return [row["name"] for row in await sql.fetch("SELECT name FROM account ORDER BY name")]


async def test_what_a_transaction_did_is_there_and_its_answer_is_handed_on() -> None:
    async def work() -> int:
        await _add("ada")
        return 7

    assert await transaction(work) == 7
    assert await _names() == ["ada"]


async def test_an_exception_leaves_nothing_behind() -> None:
    async def work() -> None:
        await _add("ada")
        raise LookupError

    with pytest.raises(LookupError):
        await transaction(work)
    assert await _names() == []


async def test_a_bell_rings_after_the_commit_and_never_for_what_was_rolled_back() -> None:
    rung: list[set[str]] = []
    transactions.on_ring(rung.append)

    async def work(*, fails: bool) -> None:
        transactions.ring("a", "b")
        if fails:
            raise LookupError

    try:
        await transaction(lambda: work(fails=False))
        with pytest.raises(LookupError):
            await transaction(lambda: work(fails=True))
    finally:
        transactions.on_ring(None)
    assert rung == [{"a", "b"}]


async def test_a_conflict_runs_the_work_again_and_only_the_last_run_counts() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await _add(f"ada{runs}")
        if runs < 3:
            raise Conflict

    await transaction(work)
    assert runs == 3
    assert await _names() == ["ada3"]


async def test_a_conflict_that_does_not_go_away_may_be_tried_again_by_who_asked() -> None:
    async def work() -> None:
        await _add("ada")
        raise Conflict

    with pytest.raises(TryAgain):
        await transaction(work)
    assert await _names() == []


async def test_a_transaction_is_never_opened_inside_another() -> None:
    async def work() -> None:
        await transaction(lambda: _add("ada"))

    with pytest.raises(AssertionError):
        await transaction(work)


async def _cut_off(work: Callable[[], Awaitable[None]], reached: asyncio.Event) -> None:
    """Start it, and go away as soon as it is under way."""
    task = asyncio.create_task(transaction(work))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_caller_who_goes_away_leaves_a_transaction_that_ends_whole() -> None:
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await _add("ada")
        reached.set()
        await goes_on.wait()
        await _add("bo")

    await _cut_off(work, reached)
    assert tasks.open_transactions() == 1
    goes_on.set()
    await tasks.drain()
    assert tasks.open_transactions() == 0
    assert await _names() == ["ada", "bo"]


async def test_callers_who_go_away_at_any_point_neither_wedge_nor_leak() -> None:
    for steps in range(40):
        task = asyncio.create_task(transaction(lambda n=steps: _add(f"a{n:02}")))  # type: ignore[misc]
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await tasks.drain()
    await transaction(lambda: _add("zoe"))
    names = await _names()
    assert names[-1] == "zoe"
    assert len(names) == len(set(names))


async def test_a_transaction_that_is_itself_canceled_rolls_back_and_the_next_one_works() -> None:
    """As when the process is told to stop: even then nothing is half done, or locked."""
    for steps in range(30):
        task = transactions.begin(lambda n=steps: _add(f"a{n:02}"))  # type: ignore[misc]
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5):
        await transaction(lambda: _add("zoe"))
    assert "zoe" in await _names()


@pytest.mark.sqlite_only
async def test_a_commit_that_fails_is_rolled_back_and_not_applied_later() -> None:
    await sql.fetch("SELECT 1 AS one")
    client = get_connection("default")
    real = client._connection

    class Broken:
        """A connection whose disk is full when it commits."""

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        async def commit(self) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    client._connection = Broken()
    try:
        with pytest.raises(OperationalError):
            await transaction(lambda: _add("lost"))
    finally:
        client._connection = real
    assert await _names() == []
    await transaction(lambda: _add("ada"))
    assert await _names() == ["ada"]


@pytest.mark.sqlite_only
async def test_a_disk_that_is_full_loses_nothing_and_wedges_nothing() -> None:
    await transaction(lambda: _add("ada"))
    (row,) = await sql.fetch("PRAGMA page_count")
    await sql.fetch(f"PRAGMA max_page_count = {row['page_count']}")

    async def work() -> None:
        for n in range(200):
            await _add(f"lost-{n:03}-{'x' * 100}")

    with pytest.raises(OperationalError):
        await transaction(work)
    await sql.fetch("PRAGMA max_page_count = 1000000")
    await transaction(lambda: _add("bo"))
    assert await _names() == ["ada", "bo"]


@pytest.mark.postgres_only
async def test_a_commit_that_the_database_refuses_is_rolled_back_and_not_applied_later() -> None:
    await get_connection("default").execute_script(
        "CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$;"
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON account"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_commit()"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await transaction(lambda: _add("lost"))
    assert await _names() == []
    await get_connection("default").execute_script("DROP TRIGGER at_commit ON account")
    await transaction(lambda: _add("ada"))
    assert await _names() == ["ada"]


@pytest.mark.postgres_only
async def test_a_serialization_failure_at_any_time_is_tried_again() -> None:
    await get_connection("default").execute_script(
        "CREATE SEQUENCE tries; CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF nextval('tries') < 3 THEN"
        " RAISE EXCEPTION 'again' USING ERRCODE = 'serialization_failure';"
        " END IF; RETURN NEW; END $$;"
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON account"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_twice()"
    )
    await transaction(lambda: _add("ada"))
    assert await _names() == ["ada"]


@pytest.mark.postgres_only
async def test_of_two_that_wait_for_each_other_both_end() -> None:
    await transaction(lambda: _add("ada"))
    await transaction(lambda: _add("bo"))
    both = asyncio.Barrier(2)
    runs = 0

    async def rename(first: str, second: str) -> None:
        nonlocal runs
        runs += 1
        for_both = runs <= 2
        lock = "UPDATE account SET locale = 'de' WHERE name = $1"
        await sql.execute(lock, first)
        if for_both:
            await both.wait()
        await sql.execute(lock, second)

    await get_connection("default").execute_script("SET deadlock_timeout = '10ms'")
    await asyncio.gather(
        transaction(lambda: rename("ada", "bo")), transaction(lambda: rename("bo", "ada"))
    )
    assert runs == 3


@pytest.mark.sqlite_only
async def test_a_second_process_waits_for_the_lock_and_then_sees_everything(db: str) -> None:
    path = db.removeprefix("sqlite://")
    seen: list[list[str]] = []
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        seen.append(await _names())
        await _add("ada")

    await transaction(lambda: _add("zoe"))
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE account SET name = 'bo'")
    waiting = asyncio.create_task(transaction(work))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await begun.wait()
    other.execute("COMMIT")
    await waiting
    assert seen == [["bo"]]
    assert other.execute("SELECT COUNT(*) FROM account").fetchone() == (2,)
    other.close()


async def _locks(url: str) -> AsyncIterator[None]:
    """Somebody outside of this process has what `_add` needs; then no more."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite://"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    connection = await asyncpg.connect(url.partition("&maxsize")[0])
    held = connection.transaction()
    await held.start()
    await connection.execute("LOCK TABLE account IN EXCLUSIVE MODE")
    yield
    await held.rollback()
    await connection.close()


async def test_a_lock_that_does_not_come_is_waited_for_once_and_reading_goes_on(db: str) -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await _add("bo")

    await transaction(lambda: _add("ada"))
    async with asynccontextmanager(_locks)(db):
        waiting = asyncio.create_task(transaction(work))
        assert await _names() == ["ada"]
        with pytest.raises(TryAgain):
            await waiting
        with pytest.raises(TryAgain):  # a write outside any transaction as well
            await sql.execute("UPDATE account SET locale = 'de'")
    assert runs <= 1
    await transaction(work)
    assert await _names() == ["ada", "bo"]


async def test_what_was_committed_is_read_at_once_and_what_was_not_never() -> None:
    for n in range(50):
        await transaction(lambda n=n: _add(f"a{n:02}"))  # type: ignore[misc]
        assert len(await _names()) == n + 1

    async def work() -> None:
        await _add("bo")
        assert len(await _names()) == 51, "inside, its own are there"
        assert len(await asyncio.create_task(_names(), context=outside)) == 50

    outside = contextvars.copy_context()
    await transaction(work)
    assert len(await _names()) == 51


async def test_a_read_only_transaction_sees_one_moment_while_others_write() -> None:
    """As the audit, however large the books are: nobody waits until it has read."""
    await transaction(lambda: _add("ada"))
    begun, goes_on = asyncio.Event(), asyncio.Event()
    seen: list[list[str]] = []

    async def read() -> None:
        seen.append(await _names())
        begun.set()
        await goes_on.wait()
        seen.append(await _names())

    reading = asyncio.create_task(read_only(read))
    await begun.wait()
    await transaction(lambda: _add("bo"))
    assert await _names() == ["ada", "bo"]
    goes_on.set()
    await reading
    assert seen == [["ada"], ["ada"]]


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("folders", "store"), [(True, 1), (False, 2)])
async def test_a_read_only_transaction_sorts_in_files_where_there_is_room_for_them(
    monkeypatch: pytest.MonkeyPatch, store: int, *, folders: bool
) -> None:
    def no_folder() -> str:
        raise FileNotFoundError

    async def read() -> list[sql.Row]:
        return await sql.fetch("PRAGMA temp_store")

    if not folders:
        monkeypatch.setattr("tempfile.gettempdir", no_folder)
    assert await read_only(read) == [{"temp_store": store}]


async def test_a_read_only_transaction_changes_nothing_and_takes_no_turn() -> None:
    turns = get_connection("default").turns  # type: ignore[attr-defined]

    async def write() -> None:
        assert turns._free == turns.places
        await _add("ada")

    with pytest.raises((OperationalError, TransactionManagementError), match=r"read.?only"):
        await read_only(write)
    assert await _names() == []


async def test_a_read_only_transaction_whose_caller_goes_away_ends_and_leaves_no_connection() -> (
    None
):
    begun = asyncio.Event()
    threads = threading.active_count()

    async def read() -> None:
        await _names()
        begun.set()
        await asyncio.Event().wait()

    reading = asyncio.create_task(read_only(read))
    await begun.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await transaction(lambda: _add("ada"))
    assert await _names() == ["ada"]
    assert threading.active_count() <= threads + 2, "one that writes and one that reads"


@pytest.mark.sqlite_only
async def test_a_read_that_is_given_up_ends_and_holds_nobody_up() -> None:
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
    for _ in range(8):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await sql.fetch(forever)
    assert await _names() == []


@pytest.mark.sqlite_only
@pytest.mark.parametrize("opened", ["reader", "writer"])
async def test_a_connection_whose_opening_is_given_up_leaves_no_thread(
    opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast("sqlite_engine.Client", connection.client())
    await client.close()

    async def given_up(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        # A connection has its settings by one of them each.
        patched.setattr(aiosqlite.Connection, "execute", given_up)
        patched.setattr(aiosqlite.Connection, "execute_fetchall", given_up)
        # What was raised holds on to all that was there.
        with pytest.raises(asyncio.CancelledError) as raised:
            await getattr(client, opened)()
    assert await _names() == []
    in_memory = await (await client.writer()).execute_fetchall("PRAGMA temp_store")
    assert [tuple(row) for row in in_memory] == [(2,)], "the next one has all of its settings"
    await client.close()
    assert not await asyncio.to_thread(_threads_of_sqlite), "they keep the process from ending"
    assert raised.traceback, "and is still there"


@pytest.mark.sqlite_only
async def test_a_read_that_is_given_up_while_its_connection_opens_leaves_it_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = cast("sqlite_engine.Client", connection.client())
    await client.close()
    gate, began, open_file = threading.Event(), asyncio.Event(), sqlite3.connect
    loop = asyncio.get_running_loop()

    def slowly(*args: Any, **how: Any) -> sqlite3.Connection:
        loop.call_soon_threadsafe(began.set)
        assert gate.wait(60)
        opened: sqlite3.Connection = open_file(*args, **how)
        return opened

    await client.writer()
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", slowly)
        reading = asyncio.create_task(sql.fetch("SELECT 1"))
        await began.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        assert not closing.done(), "its thread has something to tell this loop"
        gate.set()
        await closing
    assert not await asyncio.to_thread(_threads_of_sqlite)
    assert await _names() == []


@pytest.mark.sqlite_only
async def test_a_connection_that_opens_while_all_are_closed_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = cast("sqlite_engine.Client", connection.client())
    reader = client.reader

    async def closed_meanwhile() -> aiosqlite.Connection:
        opened = await reader()
        await client.close()
        return opened

    with monkeypatch.context() as patched:
        patched.setattr(client, "reader", closed_meanwhile)
        with pytest.raises(ValueError, match="closed"):
            await sql.fetch("SELECT 1")
    assert not await asyncio.to_thread(_threads_of_sqlite)
    assert await _names() == []


def _threads_of_sqlite() -> list[threading.Thread]:
    """Those that are still there after a moment."""
    ours = [one for one in threading.enumerate() if "_connection_worker_thread" in one.name]
    for one in ours:
        one.join(timeout=1)
    return [one for one in ours if one.is_alive()]


@pytest.mark.postgres_only
async def test_a_transaction_that_stands_still_is_ended_and_the_next_one_works() -> None:
    pid = 0

    async def stands_still(*, writes: bool) -> None:
        nonlocal pid
        await sql.execute("SET LOCAL idle_in_transaction_session_timeout = 50")
        row = await sql.fetch_one("SELECT pg_backend_pid() AS pid")
        assert row is not None
        pid = row["pid"]
        await _add("lost")
        gone = "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1) AS gone"
        while not (await asyncio.create_task(sql.fetch(gone, pid), context=outside))[0]["gone"]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        if writes:
            await _add("lost, too")

    outside = contextvars.copy_context()
    for writes in (True, False):
        with pytest.raises(TryAgain):
            await transaction(lambda w=writes: stands_still(writes=w))  # type: ignore[misc]
    assert await _names() == []
    await asyncio.gather(*(transaction(lambda n=n: _add(f"a{n}")) for n in range(8)))  # type: ignore[misc]
    assert len(await _names()) == 8


@pytest.mark.postgres_only
async def test_connections_have_their_limits_and_a_read_only_one_no_time_limit() -> None:
    names = (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "default_transaction_read_only",
    )

    async def shown() -> list[str]:
        return [(await sql.fetch(f"SELECT current_setting('{n}') AS s"))[0]["s"] for n in names]

    assert await shown() == ["15s", "2s", "10s", "on"]
    assert await transaction(shown) == ["15s", "2s", "10s", "off"]
    assert await read_only(shown) == ["0", "2s", "0", "on"]


@pytest.mark.sqlite_only
async def test_sqlite_keeps_what_it_acknowledged() -> None:
    (mode,) = await sql.fetch("PRAGMA journal_mode")
    (synchronous,) = await sql.fetch("PRAGMA synchronous")
    assert (mode["journal_mode"], synchronous["synchronous"]) == ("wal", 2)
