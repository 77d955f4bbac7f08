"""Books for the tests of the domain: a module's tests share a database, each leaves it right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from models.audit import audit
from models.db import connection, sql, tasks
from tests.support.providers import wire_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from models.provider.provider import Provider
    from tests.support import servers


@pytest.fixture(scope="module")
def module_url(databases: servers.Databases) -> Iterator[str]:
    url = databases.fresh()
    yield url
    databases.drop(url)


@pytest.fixture(scope="module")
async def books(module_url: str) -> AsyncIterator[str]:
    """A database for all tests of a module, open for the models; its URL."""
    await connection.connect(module_url)
    yield module_url
    await connection.disconnect()


@pytest.fixture
async def provider(
    books: str,  # noqa: ARG001 - they are audited
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Provider]:
    """A provider whose books add up when the test ends."""
    yield wire_provider(monkeypatch)
    assert (await audit()).findings == []
    assert await sql.fetch(_SUMS_THAT_DIFFER) == []
    # When a key was last used is written down a moment later; what never ends is a fault.
    await asyncio.wait_for(tasks.drain(), 10)


# Beside the audit, and simpler: the statement is a running sum, its versions are 1 … n.
_SUMS_THAT_DIFFER = """
SELECT b.id FROM balance b WHERE b.available + b.reserved - b.debt <>
       (SELECT COALESCE(SUM(c.amount), 0) FROM credit_transaction c
         WHERE c.account_id = b.account_id AND c.currency = b.currency)
    OR b.version * (b.version + 1) / 2 <>
       (SELECT COALESCE(SUM(c.version), 0) FROM credit_transaction c
         WHERE c.account_id = b.account_id AND c.currency = b.currency)
"""
