"""The one way into a transaction: whole or not at all, whatever cuts it off."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tortoise.connection import get_connection
from tortoise.exceptions import OperationalError

from models import base, sql
from models.account import Account
from models.base import Conflict, transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
    base.on_ring(rung.append)

    async def work(*, fails: bool) -> None:
        base.ring("a", "b")
        if fails:
            raise LookupError

    try:
        await transaction(lambda: work(fails=False))
        with pytest.raises(LookupError):
            await transaction(lambda: work(fails=True))
    finally:
        base.on_ring(None)
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


async def test_a_conflict_that_does_not_go_away_is_raised_in_the_end() -> None:
    async def work() -> None:
        raise Conflict

    with pytest.raises(Conflict):
        await transaction(work)


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
    assert base.open_transactions() == 1
    goes_on.set()
    await base.drain()
    assert base.open_transactions() == 0
    assert await _names() == ["ada", "bo"]


async def test_callers_who_go_away_at_any_point_neither_wedge_nor_leak() -> None:
    for steps in range(40):
        task = asyncio.create_task(transaction(lambda n=steps: _add(f"a{n:02}")))  # type: ignore[misc]
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await base.drain()
    await transaction(lambda: _add("zoe"))
    names = await _names()
    assert names[-1] == "zoe"
    assert len(names) == len(set(names))


async def test_a_transaction_that_is_itself_canceled_rolls_back_and_the_next_one_works() -> None:
    """As when the process is told to stop: even then nothing is half done, or locked."""
    for steps in range(30):
        task = base.begin(lambda n=steps: _add(f"a{n:02}"))  # type: ignore[misc]
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


@pytest.mark.sqlite_only
async def test_sqlite_keeps_what_it_acknowledged() -> None:
    (mode,) = await sql.fetch("PRAGMA journal_mode")
    (synchronous,) = await sql.fetch("PRAGMA synchronous")
    assert (mode["journal_mode"], synchronous["synchronous"]) == ("wal", 2)
