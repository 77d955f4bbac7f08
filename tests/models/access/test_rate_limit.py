"""Limits on attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from models.access import rate_limit
from models.access.rate_limit import forget, give_back, network, spend
from models.db import sql
from models.errors import RateLimited
from models.provider.provider import Provider
from tests.support.identities import wire_small_provider

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("db")

Second = Callable[[float], None]
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


@pytest.fixture(autouse=True)
def second(at: At) -> Second:
    """It is noon, and so many seconds; tests move it on."""

    def put(seconds: float) -> None:
        at(NOON + timedelta(seconds=seconds))

    put(0)
    return put


async def _try(subject: str = "ada", *, limit: int = 3) -> bool:
    try:
        await spend("redeem", subject, limit=limit, window_seconds=60)
    except RateLimited:
        return False
    return True


async def test_the_limit_holds_within_a_window() -> None:
    assert [await _try() for _ in range(5)] == [True, True, True, False, False]


async def test_a_new_window_begins_from_nothing(second: Second) -> None:
    while await _try():
        pass
    second(59.9)
    assert not await _try()
    second(60)
    assert await _try()


async def test_the_refusal_says_when_the_next_window_begins(second: Second) -> None:
    second(40.5)
    with pytest.raises(RateLimited) as refusal:
        await spend("redeem", "ada", limit=0, window_seconds=60)
    assert refusal.value.retry_after_seconds == 20


async def test_names_and_subjects_are_counted_apart() -> None:
    while await _try():
        pass
    assert await _try("bo")
    await spend("sign_in", "ada", limit=1, window_seconds=60)


async def test_fifty_attempts_at_once_are_counted_one_by_one() -> None:
    passed = await asyncio.gather(*(_try(limit=7) for _ in range(50)))
    assert sum(passed) == 7


async def test_what_is_given_back_can_be_spent_again() -> None:
    while await _try():
        pass
    await give_back("redeem", "ada")
    await give_back("redeem", "ada")
    assert [await _try(), await _try()] == [True, False]


async def test_giving_back_more_than_was_spent_buys_nothing() -> None:
    await _try()
    for _ in range(5):
        await give_back("redeem", "ada")
    assert [await _try() for _ in range(4)] == [True, True, True, False]


async def test_nothing_that_identifies_anybody_is_kept() -> None:
    for subject in ("ada@example.com", "192.0.2.7", "\ud800\x00"):
        await _try(subject)
    rows = await sql.fetch("SELECT * FROM attempt")
    assert len(rows) == 3
    assert "ada" not in repr(rows)
    assert "192.0" not in repr(rows)


async def test_windows_that_are_over_are_purged(second: Second) -> None:
    await _try("ada")
    await _try("bo")
    assert await forget() == 0
    second(61)
    await _try("ada")
    assert await forget() == 2
    assert len(await sql.fetch("SELECT id FROM attempt")) == 1


async def test_an_address_is_counted_with_its_network() -> None:
    assert network("192.0.2.7") == network("::ffff:192.0.2.7") == "192.0.2.7"
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:DB8:1:2::ffff") == "2001:db8:1:2::"
    assert network("2001:db8:1:3::") != network("2001:db8:1:2::")
    assert network("fe80::1%eth0") == "fe80::"
    assert (network("testclient"), network("")) == ("testclient", "")


async def _click(number: int, *, limit: int = 3) -> bool | None:
    """Whether a click on a single try was counted; None when it was refused."""
    counters = [("redeem", "ada", limit)]
    try:
        return await rate_limit.spend_all(
            counters, window_seconds=600, while_under_way=("click", f"key-{number}")
        )
    except RateLimited:
        return None


async def test_one_click_that_comes_many_times_at_once_is_one_attempt() -> None:
    clicks = await asyncio.gather(*(_click(1) for _ in range(20)))
    assert sorted(map(bool, clicks)) == [False] * 19 + [True]
    assert None not in clicks
    assert [await _click(number) for number in (2, 3)] == [True, True]


async def test_a_click_that_comes_again_does_not_slip_past_the_limit() -> None:
    for number in range(3):
        assert await _click(number)
    assert [await _click(9) for _ in range(5)] == [None] * 5


async def test_a_click_that_has_ended_is_counted_when_it_comes_again() -> None:
    for _ in range(3):
        assert await _click(1)
        await give_back("click", "key-1")
    assert await _click(1) is None
