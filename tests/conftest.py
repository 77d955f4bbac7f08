"""What every test can ask for.

`database_url` is an empty, migrated database of the test's own, on the database that
`--database` names; `db` is the same with Tortoise connected to it; `redis_url` is an empty Redis.
Tests that touch no database run with SQLite only.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from redis import Redis

from models.db import connection
from tests import servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# Helpers whose assertions speak for the tests; here, because several folders import them.
for _name in ("live", "portal", "shop"):
    pytest.register_assert_rewrite(f"tests.journeys.{_name}")

_postgres_key = pytest.StashKey[servers.PostgresDatabases]()
_resources_key = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="the database that this run tests; Tortoise speaks to one kind in a process",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Forget the real servers, and start PostgreSQL once for all workers."""
    for name in ("DATABASE_URL", "REDIS_URL", "PORT"):
        os.environ.pop(name, None)
    config.stash[_resources_key] = ExitStack()
    if config.getoption("--database") != "postgres":
        return
    told: dict[str, str] | None = getattr(config, "workerinput", None)
    if told is None:
        config.stash[_postgres_key] = config.stash[_resources_key].enter_context(servers.postgres())
    else:
        config.stash[_postgres_key] = servers.PostgresDatabases(told["server_url"], told["run"])


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_resources_key].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of pytest-xdist where PostgreSQL is."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    databases = config.stash.get(_postgres_key, None)
    if databases is not None:
        node.workerinput |= {  # type: ignore[attr-defined]
            "server_url": databases.server_url,
            "run": databases.run,
        }


#: Files that take longest, by what their path has in it.
_FIRST: Final = ("test_crashes", "test_model", "portal", "clients", "stripe_page", "hostile")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--database")
    kept = [item for item in items if _runs_on(item, chosen)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    # With several workers the longest files must not be the last; in one process it is the same.
    items[:] = sorted(kept, key=_turn)


def _turn(item: pytest.Item) -> int:
    path = item.path.as_posix()
    return next((n for n, part in enumerate(_FIRST) if part in path), len(_FIRST))


def _runs_on(item: pytest.Item, database: str) -> bool:
    if item.get_closest_marker("postgres_only"):
        return database == "postgres"
    touches_database = "databases" in getattr(item, "fixturenames", ())
    if item.get_closest_marker("sqlite_only") or not touches_database:
        return database == "sqlite"
    if item.get_closest_marker("once"):
        return database == "sqlite" or os.environ.get("SOAK") == "1"
    return True


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> servers.Databases:
    """For fixtures that live longer than a test and need a database of their own."""
    if request.config.getoption("--database") == "postgres":
        return request.config.stash[_postgres_key]
    return servers.SqliteDatabases(Path(tmp_path_factory.mktemp("databases")))


@pytest.fixture
def database_url(databases: servers.Databases) -> Iterator[str]:
    """The URL of an empty, migrated database that only this test sees."""
    url = databases.fresh()
    yield url
    databases.drop(url)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[str]:
    """The test's database, open for the models; its URL."""
    await connection.connect(database_url)
    yield database_url
    await connection.disconnect()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """One Redis per worker: its channels are not divided by database number."""
    try:
        with servers.redis() as url:
            yield url
    except servers.NoRedisError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
