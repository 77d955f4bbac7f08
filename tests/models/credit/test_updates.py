"""Resuming: each line since a version, then the present state where no line has told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.credit import balance, updates
from models.credit.balance import BalanceState
from models.errors import Invalid, NotFound
from tests.support.factories import Client, a_client

pytestmark = pytest.mark.usefixtures("provider")


async def _owed(
    ada: Client, told: BalanceState | None, present: BalanceState | None, after: int | None = None
) -> list[tuple[int, int, bool]]:
    """Version, available credit, and whether a line tells of it."""
    found = updates.updates(told, present, after_version=after, by=ada.actor)
    return [(state.version, state.available, line is not None) async for state, line in found]


async def test_what_is_owed_follows_the_last_version_that_was_received(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(updates, "BATCH", 2)
    ada = await a_client()
    for _ in range(3):
        await ada.given(100)
    present = await balance.read(ada.id)
    lines = [(1, 100, True), (2, 200, True), (3, 300, True)]
    assert await _owed(ada, None, present) == [(3, 300, False)]
    assert await _owed(ada, None, present, after=0) == [*lines, (3, 300, False)]
    assert await _owed(ada, replace(present, version=1), present) == lines[1:]
    assert await _owed(ada, present, present) == []
    assert await _owed(ada, replace(present, pending=5), present) == [(3, 300, False)]


async def test_a_version_that_is_not_reached_and_an_account_that_is_not_there_are_refused() -> None:
    ada = await a_client()
    present = await balance.read(ada.id)
    for after in (-1, 1):
        with pytest.raises(Invalid):
            await _owed(ada, None, present, after=after)
    with pytest.raises(NotFound):
        await _owed(ada, None, None)
