"""What is measured: the real program on a real database that keeps what it has acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import urlopen

import asyncpg

from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECRET: Final = "0123456789abcdef0123456789abcdef"
_START_SECONDS_MAX: Final = 60
_DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")


class NotStartedError(Exception):
    """The server did not answer."""


@dataclass(frozen=True)
class Server:
    """A started server."""

    pid: int
    port: int
    seconds_to_answer: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def databases(kind: str) -> Iterator[servers.Databases]:
    """Makes databases of that kind, as durable as in production."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="account-credit-bench-") as folder:
            yield servers.SqliteDatabases(Path(folder))
        return
    with servers.postgres() as made:
        if "TEST_DATABASE_URL" not in os.environ:
            asyncio.run(_be_durable(made.server_url))
        yield made


async def _be_durable(url: str) -> None:
    connection = await asyncpg.connect(url)
    for name in _DURABLE:
        await connection.execute(f"ALTER SYSTEM SET {name} = on")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


def fresh(made: servers.Databases) -> str:
    """A new, migrated database, with as many connections as the program likes."""
    parts = urlsplit(made.fresh())
    kept = [one for one in parts.query.split("&") if not one.startswith("maxsize=")]
    return parts._replace(query="&".join(kept)).geturl()


def environment(database_url: str, **more: str) -> dict[str, str]:
    """What the program is started with: as on most machines, compiled modules are kept."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "SECRET_KEY": _SECRET, "DATABASE_URL": database_url, **more}


def run(module: str, *args: str, env: dict[str, str], stdin: Any = None) -> Any:
    """What a module prints as JSON when it is run, and is given JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, *args],
        input=json.dumps(stdin).encode(),
        env=env,
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


@contextmanager
def serving(database_url: str, *flags: str, **more: str) -> Iterator[Server]:
    """`account-credit serve`, from when it answers."""
    port = servers.free_port()
    env = environment(database_url, PORT=str(port), **more)
    command = [sys.executable, "-m", "api", "serve", *flags]
    with tempfile.TemporaryFile() as log:
        started = perf_counter()
        with subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:
            try:
                _await_answer(process, port, log)
                yield Server(process.pid, port, perf_counter() - started)
            finally:
                process.terminate()


def _await_answer(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    until = perf_counter() + _START_SECONDS_MAX
    while perf_counter() < until and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                answer.read()
                return
        except OSError:
            sleep(0.01)
    log.seek(0)
    raise NotStartedError(log.read()[-2000:].decode(errors="replace"))
