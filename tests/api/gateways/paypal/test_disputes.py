"""Disputes: the money is taken back once, however PayPal tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.gateways.paypal.gateway import PayPalGateway
from models.gateway import EventKind, GatewayEvent
from models.money import Money
from tests.support.paypal.fake import FakePayPal, Refused
from tests.support.paypal.orders import captured
from tests.support.paypal.signer import written

TEN = {"currency_code": "USD", "value": "10.00"}


async def disputed(
    gateway: PayPalGateway, fake: FakePayPal, amount: dict[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A capture, and the dispute about it."""
    paid = await captured(gateway, fake)
    capture = fake.back_office.captured(paid.id)
    return capture, fake.back_office.dispute(capture, amount)


async def tell(
    gateway: PayPalGateway, fake: FakePayPal, type: str, resource: dict[str, Any]
) -> list[GatewayEvent]:
    return await gateway.parse_message(*fake.signer.message(type, resource))


def money(events: list[GatewayEvent]) -> list[tuple[EventKind, str, Money | None]]:
    """What moves, without what came in."""
    return [
        (event.kind, event.reference, event.amount)
        for event in events
        if event.kind is not EventKind.CAPTURED
    ]


async def test_a_dispute_names_its_capture_and_what_is_disputed(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    capture, dispute = await disputed(gateway, fake, TEN)
    [event] = await tell(gateway, fake, "CUSTOMER.DISPUTE.CREATED", dispute)
    assert (event.kind, event.payment, event.capture) == (EventKind.DISPUTED, "", capture["id"])
    assert (event.reference, event.amount) == (dispute["dispute_id"], Money(1000, "USD"))
    [again] = await tell(gateway, fake, "CUSTOMER.DISPUTE.UPDATED", dispute)
    assert again.event_id == event.event_id


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("RESOLVED_BUYER_FAVOUR", EventKind.DISPUTE_LOST),
        ("ACCEPTED", EventKind.DISPUTE_LOST),
        ("AN_OUTCOME_OF_TOMORROW", EventKind.DISPUTE_LOST),
        ("RESOLVED_SELLER_FAVOUR", EventKind.DISPUTE_WON),
        ("RESOLVED_WITH_PAYOUT", EventKind.DISPUTE_WON),
        ("CANCELED_BY_BUYER", EventKind.DISPUTE_WON),
        ("DENIED", EventKind.DISPUTE_WON),
        ("NONE", EventKind.DISPUTE_WON),
    ],
)
async def test_each_outcome_is_won_or_lost(
    gateway: PayPalGateway, fake: FakePayPal, outcome: str, kind: EventKind
) -> None:
    _, dispute = await disputed(gateway, fake)
    fake.back_office.resolve(dispute, outcome)
    told = await tell(gateway, fake, "CUSTOMER.DISPUTE.RESOLVED", dispute)
    ended = [event for event in told if event.kind is not EventKind.CAPTURED]
    assert {(event.kind, event.reference) for event in ended} == {(kind, dispute["dispute_id"])}
    assert len({event.event_id for event in ended}) == 1
    fake.faults.clear()  # tomorrow's outcome is not in the document


async def test_a_lost_dispute_takes_what_was_refunded_in_the_end(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    _, dispute = await disputed(gateway, fake)
    fake.back_office.resolve(dispute, "RESOLVED_BUYER_FAVOUR", TEN)
    told = await tell(gateway, fake, "CUSTOMER.DISPUTE.RESOLVED", dispute)
    assert money(told) == [(EventKind.DISPUTE_LOST, dispute["dispute_id"], Money(1000, "USD"))]


async def test_a_dispute_that_gave_nothing_back_is_not_lost(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    _, dispute = await disputed(gateway, fake)
    nothing = {"currency_code": "USD", "value": "0.00"}
    fake.back_office.resolve(dispute, "RESOLVED_BUYER_FAVOUR", nothing)
    told = await tell(gateway, fake, "CUSTOMER.DISPUTE.RESOLVED", dispute)
    won = (EventKind.DISPUTE_WON, dispute["dispute_id"], Money(2500, "USD"))
    assert set(money(told)) == {won}


@pytest.mark.parametrize("type", ["PAYMENT.CAPTURE.REVERSED", "PAYMENT.CAPTURE.REFUNDED"])
async def test_the_reversal_of_a_dispute_is_not_counted_twice(
    gateway: PayPalGateway, fake: FakePayPal, type: str
) -> None:
    capture, dispute = await disputed(gateway, fake, TEN)
    taken = fake.back_office.reverse(capture, TEN)
    opened = (EventKind.DISPUTED, dispute["dispute_id"], Money(1000, "USD"))
    assert money(await tell(gateway, fake, type, taken)) == [opened]
    fake.back_office.resolve(dispute, "RESOLVED_BUYER_FAVOUR", TEN)
    lost = (EventKind.DISPUTE_LOST, dispute["dispute_id"], Money(1000, "USD"))
    assert money(await tell(gateway, fake, type, taken)) == [lost]
    assert money(await tell(gateway, fake, "CUSTOMER.DISPUTE.RESOLVED", dispute)) == [lost]


async def test_a_reversal_that_a_won_dispute_gave_back_is_no_refund(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    capture, dispute = await disputed(gateway, fake)
    fake.back_office.reverse(capture)
    fake.back_office.resolve(dispute, "RESOLVED_SELLER_FAVOUR")
    told = await tell(gateway, fake, "CUSTOMER.DISPUTE.RESOLVED", dispute)
    assert {kind for kind, *_ in money(told)} == {EventKind.DISPUTE_WON}


async def test_what_the_seller_gave_back_before_the_buyer_gave_in_is_a_refund(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    capture, dispute = await disputed(gateway, fake)
    given = fake.back_office.refund(capture["id"], capture["amount"])
    told = await tell(gateway, fake, "PAYMENT.CAPTURE.REFUNDED", given)
    assert {kind for kind, *_ in money(told)} == {EventKind.DISPUTED}
    fake.back_office.resolve(dispute, "CANCELED_BY_BUYER")
    told = await tell(gateway, fake, "CUSTOMER.DISPUTE.RESOLVED", dispute)
    assert {kind for kind, *_ in money(told)} == {EventKind.DISPUTE_WON, EventKind.REFUNDED}


async def test_a_refund_long_after_a_lost_dispute_or_before_any_is_one_of_its_own(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    capture, dispute = await disputed(gateway, fake, TEN)
    fake.back_office.resolve(dispute, "RESOLVED_BUYER_FAVOUR", TEN)
    moment = datetime.now(UTC)
    later, before = (
        fake.back_office.refund(capture["id"], TEN, custom_id=capture["custom_id"])
        for _ in range(2)
    )
    later["create_time"] = written(moment + timedelta(days=9))
    before["create_time"] = written(moment - timedelta(days=1))
    told = await tell(gateway, fake, "PAYMENT.CAPTURE.REFUNDED", later)
    refunds = {event.reference for event in told if event.kind is EventKind.REFUNDED}
    assert refunds == {later["id"], before["id"]}


async def test_a_dispute_that_no_message_told_of_is_found_by_asking(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    dispute = fake.back_office.dispute(fake.back_office.captured(paid.id))
    event = (await gateway.fetch(paid))[-1]
    assert (event.kind, event.payment) == (EventKind.DISPUTED, paid.id)
    [told] = await tell(gateway, fake, "CUSTOMER.DISPUTE.CREATED", dispute)
    assert told.event_id == event.event_id


async def test_a_dispute_about_several_captures_is_told_for_each(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    capture, dispute = await disputed(gateway, fake)
    both = [(capture["id"], TEN), ("4L335234718889942", TEN)]
    dispute["disputed_transactions"] = [
        {"seller_transaction_id": id, "gross_amount": amount} for id, amount in both
    ]
    told = await tell(gateway, fake, "CUSTOMER.DISPUTE.CREATED", dispute)
    assert [event.capture for event in told] == [id for id, _ in both]
    assert len({event.reference for event in told}) == 2
    assert {event.amount for event in told} == {Money(1000, "USD")}


async def test_an_app_that_may_not_see_disputes_still_hears_of_its_money(
    gateway: PayPalGateway, fake: FakePayPal, capsys: pytest.CaptureFixture[str]
) -> None:
    paid = await captured(gateway, fake)
    fake.troubles["disputes"].append(Refused(403, "NOT_AUTHORIZED", "PERMISSION_DENIED"))
    assert [event.kind for event in await gateway.fetch(paid)] == [EventKind.CAPTURED]
    logged = capsys.readouterr()
    assert "paypal.not_permitted" in logged.out + logged.err
    fake.faults.clear()  # the document words this error in another way
