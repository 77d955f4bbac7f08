"""The credit statement over a span of days equals the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.credit import statement as credit_statement
from models.db import sql
from models.errors import Invalid
from models.provider.seller import Seller
from tests.support import providers
from tests.support.factories import a_client

if TYPE_CHECKING:
    from tests.support.clock import At
    from tests.support.factories import Client

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    providers.wire_provider(monkeypatch, seller=Seller("Example", timezone="Asia/Tokyo"))


async def of(client: Client, first: str, last: str) -> credit_statement.CreditStatement:
    days = date.fromisoformat(first), date.fromisoformat(last)
    return await credit_statement.read(client.id, "USD", *days)


async def history(at: At) -> Client:
    """Days of Tokyo: +100 on Jan 31, +50 and -30 on Feb 1, +7 on Mar 1."""
    at(datetime(2026, 1, 1, tzinfo=UTC))
    client = await a_client()
    for moment, minor in (
        ("2026-01-31T14:59:59+00:00", 100),
        ("2026-01-31T15:00:00+00:00", 50),
        ("2026-02-01T14:59:59+00:00", -30),
        ("2026-02-28T15:00:00+00:00", 7),
    ):
        at(datetime.fromisoformat(moment))
        await client.given(minor)
    return client


async def test_days_are_those_of_the_provider(at: At) -> None:
    client = await history(at)
    february = await of(client, "2026-02-01", "2026-02-28")
    assert (february.opening, february.added, february.spent) == (100, 50, 30)
    assert (february.closing, february.count) == (120, 2)
    assert [line.amount async for line in february.lines()] == [50, -30]
    assert february.ends_at == datetime(2026, 2, 1, 14, 59, 59, tzinfo=UTC)


async def test_each_statement_begins_where_the_last_one_ended(at: At) -> None:
    client = await history(at)
    day, closing, lines = date(2026, 1, 30), 0, []
    while day < date(2026, 3, 5):
        one = await credit_statement.read(client.id, "USD", day, day)
        assert one.opening == closing
        assert one.opening + one.added - one.spent == one.closing
        closing, day = one.closing, day + timedelta(days=1)
        lines += [line.version async for line in one.lines()]
    assert lines == [1, 2, 3, 4]
    assert closing == (await client.balance()).available == await in_the_ledger(client)


async def in_the_ledger(client: Client) -> int:
    """What the client's own ledger accounts hold, added up from the transfers."""
    rows = await sql.fetch(
        "SELECT id FROM ledger_account WHERE account_id = $1 AND kind <> 'DEBT'", client.id
    )
    total = 0
    for row in rows:
        found: Any = await sql.fetch_one(
            "SELECT COALESCE(SUM(CASE WHEN to_id = $1 THEN amount ELSE -amount END), 0) AS sum"
            " FROM transfer WHERE to_id = $1 OR from_id = $1",
            row["id"],
        )
        total += int(found["sum"])
    return total


async def test_a_clock_that_goes_back_leaves_no_line_out(at: At) -> None:
    at(datetime(2026, 1, 1, tzinfo=UTC))
    client = await a_client()
    for moment in ("2026-02-01T00:00:01+00:00", "2026-01-31T23:59:59+00:00"):
        at(datetime.fromisoformat(moment))
        await client.given(10)
    spans = [await of(client, day, day) for day in ("2026-01-31", "2026-02-01", "2026-02-02")]
    assert sum(span.count for span in spans) == 2
    assert spans[-1].closing == 20


async def test_an_account_without_credit_has_an_empty_statement() -> None:
    client = await a_client()
    empty = await of(client, "2026-02-01", "2026-02-28")
    assert (empty.opening, empty.closing, empty.count) == (0, 0, 0)
    assert [line async for line in empty.lines()] == []


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [("2026-02-02", "2026-02-01", "before_from"), ("2000-01-01", "2026-01-01", "too_long")],
)
async def test_a_span_that_is_none_is_refused(first: str, last: str, problem: str) -> None:
    client = await a_client()
    with pytest.raises(Invalid) as refused:
        await of(client, first, last)
    assert refused.value.problem == problem
    assert refused.value.field == ("to",)


async def test_many_lines_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credit_statement, "_PAGE", 2)
    client = await a_client()
    for _ in range(5):
        await client.given(1)
    day = date.today() + timedelta(days=1)  # noqa: DTZ011 - tomorrow, wherever we are
    statement = await credit_statement.read(client.id, "USD", day - timedelta(days=3), day)
    assert [line.balance_after async for line in statement.lines()] == [1, 2, 3, 4, 5]
