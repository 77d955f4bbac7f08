"""The audit goes on where it was: what has been touched since is proven again, all of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.audit import audit, audit_changes, watermark
from models.clock import now
from models.db import sql
from models.db.record import new_id
from models.db.transactions import transaction
from models.journal import feed
from tests.support.factories import Client, a_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")


@pytest.fixture(autouse=True)
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed is seen at once, so that nothing is proven twice: not even what was
    written in the millisecond before an audit.
    """
    monkeypatch.setattr(watermark, "_LATER_MAX", timedelta(milliseconds=-1))


@pytest.fixture
async def spoiled(provider: object) -> AsyncIterator[Client]:  # noqa: ARG001 - its books
    """A client with a cent too much, whom everybody has left alone since the last audit."""
    bo = await a_client()
    await bo.given(500)
    assert (await audit_changes()).found == []
    await _add(1, bo)
    yield bo
    await _add(-1, bo)


async def _add(minor: int, client: Client) -> None:
    await transaction(
        lambda: sql.execute(
            "UPDATE balance SET available = available + $1 WHERE account_id = $2", minor, client.id
        )
    )


async def _proven() -> watermark.Watermark:
    found = await watermark.read()
    assert found is not None
    return found


async def test_the_first_time_everything_is_proven(spoiled: Client) -> None:
    await transaction(lambda: sql.execute("DELETE FROM audit_watermark"))
    assert str(spoiled.id) in (await audit_changes()).findings[0]
    assert await watermark.read() is None


async def test_who_was_touched_is_proven_and_who_was_not_is_left_alone(spoiled: Client) -> None:
    ada = await a_client()
    await ada.given(10)
    before = await _proven()
    assert (await audit_changes()).found == []
    after = await _proven()
    assert after.proven_at > before.proven_at
    assert after.whole_at == before.whole_at
    await spoiled.order()
    assert str(spoiled.id) in (await audit_changes()).findings[0]


async def test_what_was_found_is_found_until_it_is_mended(spoiled: Client) -> None:
    await spoiled.order()
    before = await _proven()
    for _ in range(2):
        assert len((await audit_changes()).findings) > 0
    assert (await _proven()).proven_at == before.proven_at
    await _add(-1, spoiled)
    assert (await audit_changes()).found == []
    assert (await _proven()).proven_at > before.proven_at
    await _add(1, spoiled)


async def test_once_a_day_everything_is_proven(spoiled: Client, at: At) -> None:
    while await feed.publish():
        pass
    at(timedelta(hours=23))
    assert (await audit_changes()).found == []
    at(timedelta(hours=25))
    assert str(spoiled.id) in (await audit_changes()).findings[0]
    await transaction(lambda: sql.execute("DELETE FROM audit_watermark"))  # of tomorrow


@pytest.mark.usefixtures("spoiled")
async def test_the_audit_of_everything_is_no_news_to_the_next_of_changes() -> None:
    before = await _proven()
    assert len((await audit()).findings) > 0
    assert vars(await _proven()) == vars(before)


async def test_of_two_workers_the_later_audit_counts() -> None:
    moment = now()
    await watermark.advance(moment, moment)
    await watermark.advance(moment - timedelta(seconds=1), moment)
    assert (await _proven()).proven_at == moment


async def test_rows_that_are_loaded_by_sql_touch_their_account() -> None:
    ada = await a_client()
    payment = await ada.begin(await ada.order())
    since = new_id()
    assert ada.id not in await watermark.touched(since, now() - timedelta(hours=1))
    message = {
        "id": new_id(),
        "created_at": now(),
        "gateway": "card",
        "event_ref": f"loaded-{since}",
        "kind": "IGNORED",
        "payment_ref": payment.public_id,
        "state": "IGNORED",
        "payload": "{}",
    }
    empty = dict.fromkeys(("capture_ref", "refund_ref", "reference", "failure", "note"), "")
    await transaction(lambda: sql.insert("receipt", [{**message, **empty}]))
    assert ada.id in await watermark.touched(since, now() - timedelta(hours=1))
