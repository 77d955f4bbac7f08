"""Processes that start at once on a database that is empty."""

from __future__ import annotations

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.server.demo_server import DemoServer
from tests.support.server.many_servers import rows
from tests.support.server.people import findings
from tests.support.servers import PostgresDatabases

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.servers import Databases

PROCESSES = 4


@pytest.fixture
def empty_url(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """A database without a table."""
    if not isinstance(databases, PostgresDatabases):
        yield f"sqlite://{tmp_path}/empty.db"
        return
    name = f"{databases.run}_empty_{uuid.uuid4().hex[:8]}"
    asyncio.run(databases._execute(f'CREATE DATABASE "{name}"'))
    url = databases._url(name)
    yield url
    databases.drop(url)


def at_once(servers: list[DemoServer], *command: str) -> list[subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor(len(servers)) as pool:
        return list(pool.map(lambda server: server.run(*command), servers))


def test_processes_that_migrate_at_once_migrate_once(empty_url: str, tmp_path: Path) -> None:
    servers = [DemoServer(tmp_path, empty_url) for _ in range(PROCESSES)]
    done = at_once(servers, "migrate")
    assert [one.returncode for one in done] == [0] * PROCESSES, [one.stderr for one in done]
    applied = rows(empty_url, "SELECT name FROM tortoise_migrations ORDER BY name")
    names = [row["name"] for row in applied]
    assert names == sorted(set(names))
    assert [one.stderr for one in at_once(servers[:1], "migrate")] == [done[0].stderr]
    assert findings(empty_url) == []


def test_processes_that_fill_the_demo_at_once_fill_it_once(empty_url: str, tmp_path: Path) -> None:
    servers = [DemoServer(tmp_path, empty_url) for _ in range(2)]
    done = at_once(servers, "demo", "--json")
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    accounts = [[c["accountId"] for c in json.loads(one.stdout)["clients"]] for one in done]
    assert accounts[0] == accounts[1]
    emails = [row["email"] for row in rows(empty_url, "SELECT email FROM users")]
    assert len(emails) == len(set(emails))
    assert findings(empty_url) == []
