"""What is done without being asked: payments that nobody has told us about."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models import clock
from models.db import sql
from models.errors import GatewayFailed, NotFound, RateLimited
from models.gateway import EventKind as Kind
from models.gateway import GatewayProblem, PaymentOrder
from models.payments import follow_up, reconcile
from models.payments.payment import Payment
from tests.support.factories import a_client, captured, event, now, tell
from tests.support.providers import Fake, gateway

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")


@pytest.fixture(autouse=True)
async def nothing_else_waits(provider: object) -> None:  # noqa: ARG001 - opens the books
    """Other tests' payments are not asked about."""
    await sql.execute("UPDATE payment SET next_check_at = NULL")


async def _due(begun: Payment, **columns: Any) -> None:
    """Its next check is due, and these columns are so."""
    columns = {"next_check_at": clock.now() - timedelta(seconds=1), **columns}
    assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, 2))
    await sql.execute(
        f"UPDATE payment SET {assignments} WHERE id = $1", begun.id, *columns.values()
    )


async def test_a_silent_payment_is_asked_about_and_what_came_in_is_booked() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    assert await reconcile.check_payments() == 0
    gateway().events = [captured(begun)]
    await _due(begun)
    assert await reconcile.check_payments() == 1
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert (await now(begun)).next_check_at is None


async def test_a_payment_that_stays_silent_is_asked_about_less_and_less() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    waits = []
    for _ in range(4):
        await _due(begun)
        await reconcile.check_payments()
        after = (await now(begun)).next_check_at
        waits.append(round((after - clock.now()) / timedelta(minutes=1)))
    assert waits == [5, 15, 60, 240]


async def test_a_payment_that_has_expired_is_asked_about_once_more_before_it_is_given_up() -> None:
    ada = await a_client()
    await ada.given(1000)
    past = clock.now() - timedelta(minutes=1)
    lost, kept = [
        await ada.begin(await ada.order(), credit_limit=400),
        await ada.begin(await ada.order(), credit_limit=600),
    ]
    gateway().events = [captured(kept)]
    for begun in (lost, kept):
        await _due(begun, expires_at=past)
    await reconcile.check_payments()
    assert [(await now(one)).status for one in (lost, kept)] == ["EXPIRED", "SUCCEEDED"]
    assert await ada.amounts() == (400, 0, 0, 0)


async def test_a_payment_that_never_got_through_to_its_gateway_is_given_up() -> None:
    ada = await a_client()
    gateway().trouble = GatewayProblem("timed out")
    bill = await ada.order()
    with pytest.raises(GatewayFailed):
        await ada.begin(bill)
    (row,) = await sql.fetch("SELECT id FROM payment WHERE invoice_id = $1", bill.id)
    begun = Payment(id=row["id"])
    await _due(begun)
    await reconcile.check_payments()
    assert (await now(begun)).status == "CREATED"
    await _due(begun, created_at=clock.now() - timedelta(minutes=31))
    await reconcile.check_payments()
    assert (await now(begun)).status == "EXPIRED"


async def test_the_gateway_of_a_superseded_payment_is_told() -> None:
    ada = await a_client()
    bill = await ada.order()
    first = await ada.begin(bill)
    await ada.begin(bill, "bank")
    assert await reconcile.check_payments() == 1
    assert (await now(first)).next_check_at is None
    assert await reconcile.check_payments() == 0


async def test_a_superseded_payment_that_was_captured_meanwhile_is_booked() -> None:
    ada = await a_client()
    bill = await ada.order()
    first = await ada.begin(bill)
    await ada.begin(bill, "bank")
    gateway().events = [captured(first)]
    await reconcile.check_payments()
    assert ((await now(first)).status, (await now(bill)).status) == ("SUCCEEDED", "PAID")


class _Silent(Fake):
    async def fetch(self, order: PaymentOrder) -> list[Any]:
        raise GatewayProblem(order.id)


async def test_a_gateway_that_cannot_be_asked_is_asked_later(
    monkeypatch: pytest.MonkeyPatch, provider: Any
) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    monkeypatch.setitem(provider.gateways, "card", _Silent("card"))
    await _due(begun)
    assert await reconcile.check_payments() == 1
    after = await now(begun)
    assert (after.status, after.checks) == ("REQUIRES_ACTION", 1)
    assert after.next_check_at > clock.now()


async def test_a_payment_that_ends_while_it_is_its_turn_is_not_asked_about_any_more() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    stale = await now(begun)
    await tell(begun, captured(begun))
    await reconcile._check(stale)
    assert (await now(begun)).next_check_at is None


async def test_two_workers_ask_about_a_payment_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    await _due(begun)
    asked: list[Payment] = []

    async def ask(payment: Payment) -> None:
        asked.append(payment)

    monkeypatch.setattr(reconcile, "ask", ask)
    await asyncio.gather(reconcile.check_payments(), reconcile.check_payments())
    assert len(asked) == 1


async def test_a_client_may_have_the_gateway_asked_but_not_all_the_time(at: At) -> None:
    at(clock.now())
    ada, bo = await a_client(), await a_client()
    begun = await ada.begin(await ada.funds())
    with pytest.raises(NotFound):
        await follow_up.recheck(begun.id, by=bo.actor)
    for _ in range(12):
        assert (await follow_up.recheck(begun.id, by=ada.actor)).status == "REQUIRES_ACTION"
    with pytest.raises(RateLimited):
        await follow_up.recheck(begun.id, by=ada.actor)
    await tell(begun, event(begun, Kind.FAILED))
    assert (await now(begun)).failure == "declined"
