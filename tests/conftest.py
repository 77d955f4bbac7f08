"""What every test can ask for.

`database_url` is an empty, migrated database of the test's own, on the database that
`--database` names; `db` is the same with Tortoise connected to it; `redis_url` is an empty Redis.
Tests that touch no database run with SQLite only.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import structlog
from redis import Redis

from models.db import connection

# The helpers' assertions speak for the tests.
pytest.register_assert_rewrite("tests.support")

from tests.support import servers  # noqa: E402 - rewritten first
from tests.support.clock import At  # noqa: E402 - as above
from tests.support.skips import is_expected  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

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
_FIRST: Final = (
    "test_crashes",
    "server/test_processes",
    "test_promises",
    "test_bank_files",
    "test_model",
    "clients",
    "portal",
    "test_renderer",
    "paypal",
    "stripe_",
    "hostile",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--database")
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (kept if _runs_on(item, chosen) else left).append(item)
    config.hook.pytest_deselected(items=left)
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skip for a reason that nobody has written down fails the run."""
    if _unexpected_skips(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    skipped = _unexpected_skips(config)
    if skipped:
        terminalreporter.section("skipped, and tests/support/skips.py does not say why", red=True)
    for line in skipped:
        terminalreporter.line(line)


def _unexpected_skips(config: pytest.Config) -> list[str]:
    """Those of all workers: they report to the one terminal."""
    terminal: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return []
    found = []
    for report in terminal.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not is_expected(reason):
            found.append(f"{report.nodeid}: {reason}")
    return found


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _no_logger_stays_configured() -> Iterator[None]:
    """Logs that one test configures are not the next one's.

    A module's logger keeps the configuration under which it was first used, as the server wants
    it; `capture_logs` of a later test would not see what it logs.
    """
    configure = structlog.configure

    def configure_anew(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", configure_anew)
        yield


@pytest.fixture(autouse=True)
def _logs_end_with_their_test() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Sets the clock: `at(moment)`, `at(timedelta(days=2))`, `with at(moment): …`."""
    return At(monkeypatch)


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
