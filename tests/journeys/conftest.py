"""Journeys share one server and its database; each makes clients of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.journeys.people import findings
from tests.journeys.shop import Shop, open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.journeys.portal import Portal
    from tests.servers import Databases


@pytest.fixture(scope="session")
def main_shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The server of this worker."""
    with open_shop(tmp_path_factory.mktemp("shop"), databases) as shop:
        yield shop


@pytest.fixture(scope="module")
def shop(main_shop: Shop) -> Iterator[Shop]:
    """The server. After each module its books add up; in the end `account-credit audit` says so."""
    yield main_shop
    assert findings(main_shop.database_url) == []


@pytest.fixture(scope="module")
def client(shop: Shop) -> Portal:
    """A client for what changes nothing; signing up takes a moment."""
    return shop.new_client(credit="40.00")
