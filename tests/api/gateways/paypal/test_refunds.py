"""Money that goes back because we asked, or because the seller did it at PayPal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.gateways.paypal.gateway import PayPalGateway
from models.gateway import EventKind, GatewayDeclined, GatewayProblem, GatewayUnreachable
from models.money import Money
from tests.support.paypal.fake import FakePayPal, Refused, unprocessable
from tests.support.paypal.orders import captured, refund_order

TEN = {"currency_code": "USD", "value": "10.00"}


async def test_a_refund_names_itself_its_capture_and_its_amount(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    asked = refund_order(fake, paid)
    [event] = await gateway.refund(asked)
    [given] = fake.back_office.refunds_of(fake.back_office.captured(paid.id))
    assert (event.kind, event.refund) == (EventKind.REFUNDED, asked.id)
    assert (event.payment, event.capture) == (paid.id, asked.capture)
    assert (event.reference, event.amount) == (given["id"], Money(1000, "USD"))
    assert (given["custom_id"], given["invoice_id"]) == (asked.id, asked.id)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("COMPLETED", EventKind.REFUNDED),
        ("FAILED", EventKind.REFUND_FAILED),
        ("CANCELLED", EventKind.REFUND_FAILED),
    ],
)
async def test_a_pending_refund_comes_to_an_end_that_message_and_question_tell_alike(
    gateway: PayPalGateway, fake: FakePayPal, status: str, kind: EventKind
) -> None:
    fake.back_office.refund_states.append("PENDING")
    paid = await captured(gateway, fake)
    asked = refund_order(fake, paid)
    [pending] = await gateway.refund(asked)
    assert (pending.kind, pending.refund) == (EventKind.REFUND_PENDING, asked.id)
    [given] = fake.back_office.refunds_of(fake.back_office.captured(paid.id))
    message = fake.signer.message(
        f"PAYMENT.REFUND.{status}", fake.back_office.settle(given, status)
    )
    told = (await gateway.parse_message(*message))[-1]
    [again] = await gateway.refund(asked)
    assert (told.kind, told.refund, told.reference) == (kind, asked.id, given["id"])
    assert (told.event_id, again.event_id) == (again.event_id, told.event_id)
    assert fake.asked.count("refund") == 1


async def test_a_refund_whose_answer_is_lost_is_found(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = refund_order(fake, await captured(gateway, fake))
    fake.troubles["refund"].append("lost")
    with pytest.raises(GatewayUnreachable):
        await gateway.refund(asked)
    [event] = await gateway.refund(asked)
    assert (event.kind, event.refund) == (EventKind.REFUNDED, asked.id)
    assert fake.asked.count("refund") == 1


async def test_a_refund_that_another_process_was_faster_with_is_found(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    asked = refund_order(fake, paid)
    [first] = await gateway.refund(asked)
    known = fake.back_office.refunds_of(fake.back_office.captured(paid.id))
    # It looks before the other's refund is there, and asks when it is.
    fake.troubles["refund"].append(unprocessable("DUPLICATE_INVOICE_ID"))
    fake.back_office.hide_once()
    [second] = await gateway.refund(asked)
    assert second == first
    assert len(known) == 1


@pytest.mark.parametrize(
    ("issue", "failure"),
    [
        ("CAPTURE_FULLY_REFUNDED", "already_refunded"),
        ("REFUND_TIME_LIMIT_EXCEEDED", "refund_too_late"),
        ("REFUND_FAILED_INSUFFICIENT_FUNDS", "refund_insufficient_funds"),
        ("TRANSACTION_DISPUTED", "payment_disputed"),
        ("REFUND_NOT_ALLOWED", "refund_not_allowed"),
        ("PENDING_CAPTURE", "gateway_refused"),
    ],
)
async def test_a_refund_that_paypal_refuses_has_a_stable_code(
    gateway: PayPalGateway, fake: FakePayPal, issue: str, failure: str
) -> None:
    asked = refund_order(fake, await captured(gateway, fake))
    fake.troubles["refund"].append(unprocessable(issue))
    with pytest.raises(GatewayDeclined) as refused:
        await gateway.refund(asked)
    assert refused.value.failure == failure


async def test_a_refund_of_a_capture_that_is_not_there_is_a_problem(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = refund_order(fake, await captured(gateway, fake))
    fake.troubles["read_capture"].append(Refused(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"))
    with pytest.raises(GatewayProblem):
        await gateway.refund(asked)


async def test_our_own_refund_is_what_paypal_has_of_it_whatever_its_message_says(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    asked = refund_order(fake, paid)
    await gateway.refund(asked)
    [given] = fake.back_office.refunds_of(fake.back_office.captured(paid.id))
    told = {**given, "amount": {"currency_code": "USD", "value": "25.00"}, "custom_id": "rfd_1"}
    message = fake.signer.message("PAYMENT.CAPTURE.REFUNDED", told)
    event = (await gateway.parse_message(*message))[-1]
    assert (event.kind, event.refund, event.capture) == (
        EventKind.REFUNDED,
        asked.id,
        asked.capture,
    )
    assert event.amount == asked.amount


async def test_what_the_seller_refunds_at_paypal_is_told_with_its_payment(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    capture = fake.back_office.captured(paid.id)
    # PayPal shows the payment's own custom_id with such refunds.
    given = fake.back_office.refund(capture["id"], TEN, custom_id=paid.id)
    message = fake.signer.message("PAYMENT.CAPTURE.REFUNDED", given)
    told = await gateway.parse_message(*message)
    [refunded] = [event for event in told if event.kind is EventKind.REFUNDED]
    assert (refunded.payment, refunded.refund) == (paid.id, "")
    assert (refunded.reference, refunded.amount) == (given["id"], Money(1000, "USD"))
    assert [event.event_id for event in told] == [e.event_id for e in await gateway.fetch(paid)]
    assert {event.gateway_ref for event in told} == {paid.gateway_ref}


async def test_what_a_bank_takes_back_without_a_dispute_is_a_refund(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    taken = fake.back_office.reverse(fake.back_office.captured(paid.id))
    message = fake.signer.message("PAYMENT.CAPTURE.REVERSED", taken)
    told = await gateway.parse_message(*message)
    assert [event.kind for event in told] == [EventKind.CAPTURED, EventKind.REFUNDED]
    assert told[1].amount == Money(2500, "USD")


async def test_a_reversal_that_the_order_does_not_list_is_told_all_the_same(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    capture = fake.back_office.captured(paid.id)
    taken = fake.back_office.reverse(capture)
    fake.back_office.refunds_of(capture).clear()
    told = await gateway.parse_message(*fake.signer.message("PAYMENT.CAPTURE.REVERSED", taken))
    assert [event.kind for event in told] == [EventKind.CAPTURED, EventKind.REFUNDED]


async def test_money_of_somebody_elses_payment_is_ignored(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    capture = fake.back_office.captured(paid.id)
    capture["custom_id"] = "shop-order-17"
    taken = fake.back_office.reverse(capture)
    told = await gateway.parse_message(*fake.signer.message("PAYMENT.CAPTURE.REVERSED", taken))
    assert [event.kind for event in told] == [EventKind.IGNORED]


async def test_while_paypal_cannot_be_asked_the_message_is_not_taken(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    taken = fake.back_office.reverse(fake.back_office.captured(paid.id))
    message = fake.signer.message("PAYMENT.CAPTURE.REVERSED", taken)
    fake.troubles["read_capture"].append(503)
    with pytest.raises(GatewayUnreachable):
        await gateway.parse_message(*message)
    assert len(await gateway.parse_message(*message)) == 2


async def test_the_order_of_a_refund_need_not_be_known(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = refund_order(fake, await captured(gateway, fake))
    unknown = replace(asked, payment=replace(asked.payment, gateway_ref=""))
    [event] = await gateway.refund(unknown)
    assert event.kind is EventKind.REFUNDED
