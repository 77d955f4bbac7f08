"""A payer has agreed: the gateway is asked for the money, whatever has told us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from models import clock
from models.errors import PaymentNotCancelable
from models.gateway import EventKind as Kind
from models.gateway import GatewayEvent
from models.journal.command import run
from models.payments import follow_up, reconcile
from tests.support.factories import STAFF, a_client, captured, event, now, tell
from tests.support.providers import gateway, key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from models.payments.payment import Payment

pytestmark = pytest.mark.usefixtures("provider")


async def _by_message(begun: Payment, told: GatewayEvent) -> None:
    await tell(begun, told)


async def _by_asking(begun: Payment, told: GatewayEvent) -> None:
    gateway().events = [told]
    await follow_up.came_back(begun.id)


async def _by_the_worker(begun: Payment, told: GatewayEvent) -> None:
    gateway().events = [told]
    await begun.change(next_check_at=clock.now())
    await reconcile.check_payments()


async def _instead_of_canceling(begun: Payment, told: GatewayEvent) -> None:
    gateway().events = [told]
    with pytest.raises(PaymentNotCancelable):
        await run(follow_up.CancelPayment(begun.id), STAFF, key())


@pytest.mark.parametrize(
    "told_by", [_by_message, _by_asking, _by_the_worker, _instead_of_canceling]
)
async def test_an_approval_makes_the_worker_ask_at_once_whatever_has_told_of_it(
    told_by: Callable[[Payment, GatewayEvent], Awaitable[None]],
) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    assert begun.next_check_at is not None
    assert begun.next_check_at > clock.now()
    await told_by(begun, event(begun, Kind.APPROVED))
    due = await now(begun)
    assert (due.status, due.received) == ("REQUIRES_ACTION", 0)
    assert due.next_check_at is not None
    assert due.next_check_at <= clock.now()
    gateway().events = [captured(begun)]
    await reconcile.check_payments()
    assert (await now(begun)).status == "SUCCEEDED"


async def test_an_approval_is_followed_by_asking_for_the_money_and_nothing_else_is() -> None:
    ada = await a_client()
    approved, other = [await ada.begin(await ada.funds()) for _ in range(2)]
    gateway().events = [captured(approved), captured(other)]
    unknown = GatewayEvent(key(), Kind.APPROVED, "pay_unknown")
    news = [event(approved, Kind.APPROVED), event(other, Kind.PROCESSING), unknown]
    await follow_up.take_approved(news)
    assert [(await now(one)).received for one in (approved, other)] == [approved.charged, 0]
    await follow_up.take_approved(news)
    assert (await ada.amounts())[0] == approved.amount


async def test_an_approval_of_what_was_given_up_takes_no_money() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    await tell(begun, event(begun, Kind.CANCELED), event(begun, Kind.APPROVED))
    over = await now(begun)
    assert (over.status, over.next_check_at) == ("CANCELED", None)
