"""Partners hear of credit that falls below the provider's line: each time, whatever it left for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models import clock
from models.credit.reserve import ReleaseHold
from models.db import sql
from models.errors import InsufficientCredit
from models.journal.command import run
from models.journal.outbox import Event
from models.money import Money
from tests.support.factories import STAFF, Client, a_client
from tests.support.providers import key, wire_provider

if TYPE_CHECKING:
    from models.provider.provider import Provider
    from tests.support.clock import At


@pytest.fixture(autouse=True)
def line(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credit is low below $10.00, and never in other currencies."""
    dollars = replace(provider.limits["USD"], low_balance=Money(1000, "USD"))
    wire_provider(monkeypatch, limits={**provider.limits, "USD": dollars})


async def told(ada: Client) -> int:
    events = await sql.records(
        Event, "SELECT * FROM event WHERE kind = 'credit.low' AND account_id = $1", ada.id
    )
    assert all(event.subject == ada.account.public_id for event in events)
    return len(events)


async def test_it_is_told_when_credit_falls_below_and_not_while_it_is_there() -> None:
    ada = await a_client()
    await ada.given(900)
    await ada.given(1100)
    assert await told(ada) == 0, "it has only risen"
    await ada.spend(await ada.order(1000))
    assert await told(ada) == 0, "it is at the line"
    await ada.spend(await ada.order(1))
    assert await told(ada) == 1
    await ada.spend(await ada.order(1))
    assert await told(ada) == 1, "it was low before"
    await ada.given(5000)
    await ada.spend(await ada.order(5500))
    assert await told(ada) == 2


async def test_what_is_reserved_has_left_and_what_comes_back_is_no_news() -> None:
    ada = await a_client()
    await ada.given(1500)
    hold = await ada.reserve(600)
    assert await told(ada) == 1
    await run(ReleaseHold(hold.id), STAFF, key())
    assert await told(ada) == 1


async def test_what_expires_has_left(at: At) -> None:
    ada = await a_client()
    await ada.granted(1500, clock.now() + timedelta(days=1))
    at(timedelta(days=2))
    await ada.given(100)
    assert (await ada.amounts())[0] == 100
    assert await told(ada) == 1


async def test_nothing_is_told_in_a_currency_without_a_line_and_of_what_is_refused() -> None:
    yen, ada = await a_client("JPY"), await a_client()
    await yen.given(5000)
    await yen.spend(await yen.order(4999))
    assert await told(yen) == 0
    await ada.given(1500)
    with pytest.raises(InsufficientCredit):
        await ada.spend(await ada.order(1501))
    assert await told(ada) == 0
