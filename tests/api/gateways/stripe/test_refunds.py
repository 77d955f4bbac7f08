from __future__ import annotations

from dataclasses import replace

import pytest

from api.gateways.stripe.gateway import StripeGateway
from models.gateway import (
    EventKind,
    GatewayDeclined,
    GatewayUnreachable,
    PaymentOrder,
    RefundOrder,
)
from models.money import Money
from tests.support.gateways.contract import order
from tests.support.stripe.bodies import KEYS
from tests.support.stripe.fake import FakeStripe, RefusedError
from tests.support.stripe.objects import Object

USD = Money(2500, "USD")


@pytest.fixture
def gateway(fake: FakeStripe) -> StripeGateway:
    return StripeGateway(KEYS, currencies=frozenset({"USD"}), http=fake)


async def paid(gateway: StripeGateway, fake: FakeStripe) -> tuple[PaymentOrder, Object]:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    return begun, fake.pay(begun.gateway_ref)


async def kinds(gateway: StripeGateway, asked: PaymentOrder) -> list[EventKind]:
    return [event.kind for event in await gateway.fetch(asked)]


async def test_a_refund_is_found_again_after_stripe_forgot_its_key(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked, intent = await paid(gateway, fake)
    wanted = RefundOrder("ref_1", asked, intent["id"], Money(1000, "USD"))
    fake.loses_answers = True
    with pytest.raises(GatewayUnreachable):
        await gateway.refund(wanted)
    fake.loses_answers = False
    await gateway.refund(wanted)
    fake._answers.clear()
    [event] = await gateway.refund(wanted)
    assert (event.kind, event.refund, event.payment) == (EventKind.REFUNDED, "ref_1", asked.id)
    assert len(fake.refunds) == 1


async def test_a_refund_that_fails_later_is_told(gateway: StripeGateway, fake: FakeStripe) -> None:
    asked, intent = await paid(gateway, fake)
    wanted = RefundOrder("ref_1", asked, intent["id"], USD)
    [given] = await gateway.refund(wanted)
    fake.refunds[given.reference] |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    [failed] = await gateway.refund(wanted)
    assert (failed.kind, failed.reference) == (EventKind.REFUND_FAILED, given.reference)
    assert failed.failure == "refund_failed"
    assert failed.event_id != given.event_id
    assert await kinds(gateway, asked) == [EventKind.CAPTURED, EventKind.REFUND_FAILED]


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("charge_already_refunded", "already_refunded"),
        ("charge_disputed", "payment_disputed"),
        ("something_new", "gateway_refused"),
    ],
)
async def test_a_refund_that_stripe_refuses_is_declined(
    gateway: StripeGateway,
    fake: FakeStripe,
    code: str,
    failure: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, intent = await paid(gateway, fake)

    def refused(_form: object) -> None:
        raise RefusedError(400, code=code)

    monkeypatch.setattr(fake, "_refund", refused)
    with pytest.raises(GatewayDeclined) as caught:
        await gateway.refund(RefundOrder("ref_1", asked, intent["id"], USD))
    assert caught.value.failure == failure


async def test_the_whole_story_is_told_each_part_once(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked, intent = await paid(gateway, fake)
    fake.give_back(intent, 500)  # in the dashboard: no metadata of ours
    fake.dispute(intent, "won", 2000)
    fake.dispute(intent, "needs_response", 2000)
    fake.dispute(intent, "warning_closed", 2000)
    first, second = await gateway.fetch(asked), await gateway.fetch(asked)
    assert first == second
    assert [(event.kind.value, event.amount and event.amount.minor) for event in first[:4]] == [
        ("CAPTURED", 2500),
        ("REFUNDED", 500),
        ("DISPUTE_WON", 2000),
        ("DISPUTED", 2000),
    ]
    assert [event.kind for event in first[4:]] == [EventKind.IGNORED]
    assert {event.payment for event in first} == {asked.id}
    assert len({event.event_id for event in first}) == len(first)


async def test_more_refunds_than_one_answer_holds_are_all_told(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked, intent = await paid(gateway, fake)
    for _ in range(12):
        fake.give_back(intent, 100)
    shown = intent["latest_charge"]["refunds"]
    shown |= {"data": shown["data"][:10], "has_more": True}
    assert (await kinds(gateway, asked)).count(EventKind.REFUNDED) == 12
