"""The app with every kind of caller, one a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.access.callers import PopulatedServer, open_populated_server
from tests.support.servers import Databases


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    """A database of the module's own."""
    fresh = databases.fresh()
    yield fresh
    databases.drop(fresh)


@pytest.fixture(scope="module")
async def populated(url: str) -> AsyncIterator[PopulatedServer]:
    """The app on it."""
    async with open_populated_server(url) as opened:
        yield opened
