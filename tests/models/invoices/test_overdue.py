"""Partners are told once that an invoice has become overdue, and that credit expires soon."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.clock import now
from models.credit.expiry import expire_grants, tell_expiring
from models.db import sql
from models.invoices.overdue import tell_overdue
from models.provider.provider import provider as the_provider
from tests.support.factories import Client, a_client

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")


async def told(client: Client, kind: str) -> int:
    """How often it was told of that client."""
    statement = "SELECT id FROM event WHERE account_id = $1 AND kind = $2"
    return len(await sql.fetch(statement, client.id, kind))


async def test_an_open_invoice_is_told_to_be_overdue_once(at: At) -> None:
    ada, ben = await a_client(), await a_client()
    await ada.order()
    await ben.given(2500)
    await ben.spend(await ben.order(2500))
    assert await tell_overdue() == 0
    with at(the_provider().invoice_due + timedelta(days=1, hours=1)):
        assert sum(await asyncio.gather(*(tell_overdue() for _ in range(5)))) == 1
        assert await tell_overdue() == 0
    assert await told(ada, "invoice.overdue") == 1
    assert await told(ben, "invoice.overdue") == 0


async def test_more_than_are_told_at_once_are_told_one_batch_after_the_other(at: At) -> None:
    ada = await a_client()
    for _ in range(3):
        await ada.order()
    with at(the_provider().invoice_due + timedelta(days=2)):
        assert [await tell_overdue(2) for _ in range(3)] == [2, 1, 0]
    assert await told(ada, "invoice.overdue") == 3


async def test_credit_is_told_to_expire_fourteen_days_before_and_when_it_does(at: At) -> None:
    ada = await a_client()
    await ada.granted(500, expires_at=now() + timedelta(days=20))
    assert await tell_expiring() == 0
    with at(timedelta(days=7)):
        assert sum(await asyncio.gather(*(tell_expiring() for _ in range(5)))) == 1
        assert await tell_expiring() == 0
    assert (await told(ada, "grant.expiring"), await told(ada, "grant.expired")) == (1, 0)
    with at(timedelta(days=21)):
        assert await expire_grants() == 1
        assert await tell_expiring() == 0
    assert (await told(ada, "grant.expiring"), await told(ada, "grant.expired")) == (1, 1)


async def test_nothing_is_told_of_credit_that_is_spent(at: At) -> None:
    ada = await a_client()
    await ada.granted(2500, expires_at=now() + timedelta(days=20))
    await ada.spend(await ada.order(2500))
    with at(timedelta(days=7)):
        assert await tell_expiring() == 0
    assert await told(ada, "grant.expiring") == 0
