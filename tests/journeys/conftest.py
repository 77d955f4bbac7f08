"""Journeys share one server and its database; each makes clients of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.people import findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server.api_client import Portal
    from tests.support.servers import Databases


@pytest.fixture(scope="session")
def main_server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    """The server of this worker."""
    with open_demo_server(tmp_path_factory.mktemp("server"), databases) as server:
        yield server


@pytest.fixture(scope="module")
def server(main_server: DemoServer) -> Iterator[DemoServer]:
    """The server. After each module its books add up; in the end `account-credit audit` says so."""
    yield main_server
    assert findings(main_server.database_url) == []


@pytest.fixture(scope="module")
def client(server: DemoServer) -> Portal:
    """A client for what changes nothing; signing up takes a moment."""
    return server.new_client(credit="40.00")
