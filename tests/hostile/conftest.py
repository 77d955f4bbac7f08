"""The app with every kind of caller, one a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.hostile.world import World, open_world
from tests.servers import Databases


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    """A database of the module's own."""
    fresh = databases.fresh()
    yield fresh
    databases.drop(fresh)


@pytest.fixture(scope="module")
async def world(url: str) -> AsyncIterator[World]:
    """The app on it."""
    async with open_world(url) as opened:
        yield opened
