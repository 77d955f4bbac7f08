from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from api.gateways.stripe.gateway import StripeGateway
from api.gateways.stripe.requests import PAYMENT_KEY, REFUND_KEY
from models.gateway import EventKind, GatewayEvent, MessageRefused, SignatureRefused
from models.money import Money
from tests.support.gateways.contract import order
from tests.support.stripe import bodies
from tests.support.stripe.bodies import KEYS, OLD_SECRET, message, signed
from tests.support.stripe.fake import FakeStripe
from tests.support.stripe.objects import Object

USD = Money(2500, "USD")
ASKED = order(USD)


@pytest.fixture
def gateway(fake: FakeStripe) -> StripeGateway:
    return StripeGateway(KEYS, currencies=frozenset({"USD"}), http=fake)


async def told(gateway: StripeGateway, type_: str, about: Object, **facts: Any) -> GatewayEvent:
    [event] = await gateway.parse_message(*signed(message(type_, about, **facts)))
    return event


# ------------------------------------------------------------------------------- signatures


@pytest.mark.parametrize("age", [310, 86400])
async def test_an_old_message_is_refused(gateway: StripeGateway, age: int) -> None:
    body = message("checkout.session.completed", bodies.session(ASKED))
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(*signed(body, moment=time.time() - age))
    assert await gateway.parse_message(*signed(body, moment=time.time() - 290))


async def test_the_old_secret_works_while_the_new_one_takes_over(gateway: StripeGateway) -> None:
    body = message("checkout.session.completed", bodies.session(ASKED))
    assert await gateway.parse_message(*signed(body, secret=OLD_SECRET))
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(*signed(body, secret="whsec_somebody_elses"))


async def test_a_body_that_was_written_anew_is_refused(gateway: StripeGateway) -> None:
    headers, raw = signed(message("checkout.session.completed", bodies.session(ASKED)))
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(headers, raw.replace(b"  ", b""))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        "nonsense",
        "t=now,v1=aa",
        "v1=aa",
        "t=1",
        f"t={'9' * 5000},v1=aa",
        "t={now},v0=aa",
        "t={now},v1=é",
        "t=١٧٦٤٠٠٠٠٠٠,v1=aa",
    ],
)
async def test_a_malformed_signature_is_refused(gateway: StripeGateway, header: str) -> None:
    _, raw = signed(message("checkout.session.completed", bodies.session(ASKED)))
    with pytest.raises(SignatureRefused):
        await gateway.parse_message({"stripe-signature": header.format(now=int(time.time()))}, raw)


async def test_a_body_that_is_not_utf_8_is_refused(gateway: StripeGateway) -> None:
    headers, _ = signed(b"{}")
    with pytest.raises(MessageRefused) as caught:
        await gateway.parse_message(headers, b"\xff\xfe")
    assert not isinstance(caught.value, SignatureRefused)


async def test_messages_of_live_mode_never_reach_test_mode_nor_the_other_way(
    gateway: StripeGateway,
) -> None:
    live = StripeGateway(
        replace(KEYS, secret="sk_live_1", publishable=""), currencies=frozenset({"USD"})
    )
    about = bodies.session(ASKED)
    with pytest.raises(MessageRefused, match="test mode"):
        await told(gateway, "checkout.session.completed", about, livemode=True)
    with pytest.raises(MessageRefused, match="test mode"):
        await told(live, "checkout.session.completed", about)
    event = await told(live, "checkout.session.completed", about, livemode=True)
    assert event.kind is EventKind.CAPTURED
    await live.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"object": "event"}',
        b"[" * 100_000,
        b'{"object": "event", "id": "evt_1", "livemode": NaN}',
        b'{"object": "event", "id": "\\ud800", "livemode": false}',
        b'{"object": "event", "livemode": false, "id": "", "type": "x", "data": {"object": {}}}',
        b'{"object": "event", "livemode": false, "id": "evt_1", "type": 1, "data": {"object": {}}}',
        b'{"object": "event", "livemode": false, "id": "evt_1", "type": "x", "data": []}',
        b'{"object": "event", "livemode": false, "id": "evt_1", "type": "x", "data": {}}',
        b'{"object": "v2.core.event", "livemode": false, "id": "evt_1", "type": "v1.billing.x"}',
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused(
    gateway: StripeGateway, body: bytes
) -> None:
    with pytest.raises(MessageRefused) as caught:
        await gateway.parse_message(*signed(body))
    assert not isinstance(caught.value, SignatureRefused)


@pytest.mark.parametrize(
    "change",
    [
        {"amount_total": None},
        {"amount_total": "2500"},
        {"amount_total": 25.0},
        {"amount_total": True},
        {"amount_total": 0},
        {"amount_total": -1},
        {"currency": None},
        {"currency": "xyz"},
        {"payment_intent": 7},
        {"payment_intent": "p" * 300},
        {"payment_intent": {"object": "payment_intent"}},
    ],
)
async def test_a_capture_that_is_not_exact_is_refused(
    gateway: StripeGateway, change: dict[str, object]
) -> None:
    with pytest.raises(MessageRefused):
        await told(gateway, "checkout.session.completed", bodies.session(ASKED, **change))


# ------------------------------------------------------------------------------- payments


async def test_every_message_of_one_capture_names_the_same_reference(
    gateway: StripeGateway,
) -> None:
    about = bodies.session(ASKED, payment_intent="pi_7")
    events = [
        await told(gateway, "checkout.session.completed", about),
        await told(gateway, "checkout.session.async_payment_succeeded", about),
        await told(gateway, "payment_intent.succeeded", bodies.intent(ASKED, id="pi_7")),
    ]
    assert {(e.kind, e.payment, e.reference, e.amount) for e in events} == {
        (EventKind.CAPTURED, ASKED.id, "pi_7", USD)
    }
    assert len({event.event_id for event in events}) == 3


async def test_what_came_in_is_what_stripe_says_not_what_was_asked_for(
    gateway: StripeGateway,
) -> None:
    about = bodies.intent(ASKED, amount_received=9900, currency="eur")
    event = await told(gateway, "payment_intent.succeeded", about)
    assert event.amount == Money(9900, "EUR")


@pytest.mark.parametrize(
    ("type_", "change", "kind"),
    [
        ("checkout.session.completed", {"payment_status": "unpaid"}, EventKind.PROCESSING),
        ("checkout.session.async_payment_failed", {"payment_status": "unpaid"}, EventKind.FAILED),
        (
            "checkout.session.expired",
            {"payment_status": "unpaid", "status": "expired"},
            EventKind.EXPIRED,
        ),
    ],
)
async def test_the_page_tells_how_a_payment_goes(
    gateway: StripeGateway, type_: str, change: dict[str, object], kind: EventKind
) -> None:
    event = await told(gateway, type_, bodies.session(ASKED, **change))
    assert (event.kind, event.payment) == (kind, ASKED.id)


@pytest.mark.parametrize(
    ("type_", "change", "kind"),
    [
        ("payment_intent.processing", {"status": "processing"}, EventKind.PROCESSING),
        ("payment_intent.canceled", {"status": "canceled"}, EventKind.CANCELED),
        (
            "payment_intent.canceled",
            {"status": "canceled", "cancellation_reason": "abandoned"},
            EventKind.EXPIRED,
        ),
        ("payment_intent.requires_action", {"status": "requires_action"}, EventKind.IGNORED),
        ("payment_intent.created", {"status": "requires_payment_method"}, EventKind.IGNORED),
    ],
)
async def test_the_money_tells_how_a_payment_goes(
    gateway: StripeGateway, type_: str, change: dict[str, object], kind: EventKind
) -> None:
    event = await told(gateway, type_, bodies.intent(ASKED, **change))
    assert event.kind is kind


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "insufficient_funds"),
        ({"code": "card_declined", "decline_code": "stolen_card"}, "card_declined"),
        ({"code": "expired_card"}, "expired_card"),
        ({"code": "payment_intent_authentication_failure"}, "authentication_failed"),
        (None, ""),
    ],
)
async def test_a_declined_card_is_kept_and_ends_nothing(
    gateway: StripeGateway, error: object, failure: str
) -> None:
    about = bodies.intent(ASKED, status="requires_payment_method", last_payment_error=error)
    event = await told(gateway, "payment_intent.payment_failed", about)
    kind = EventKind.DECLINED if failure else EventKind.IGNORED
    assert (event.kind, event.payment, event.failure) == (kind, ASKED.id, failure)


async def test_other_programs_may_use_the_same_stripe_account(gateway: StripeGateway) -> None:
    theirs = {"metadata": {"order": "42"}, "client_reference_id": "42", "currency": "zzz"}
    for event in (
        await told(gateway, "checkout.session.completed", bodies.session(ASKED, **theirs)),
        await told(gateway, "payment_intent.succeeded", bodies.intent(ASKED, metadata=None)),
        await told(gateway, "refund.created", bodies.refund(currency="zzz")),
        await told(gateway, "charge.dispute.created", bodies.dispute(currency="zzz")),
    ):
        assert (event.kind, event.payment) == (EventKind.IGNORED, "")


@pytest.mark.parametrize("type_", ["charge.succeeded", "charge.refunded", "payout.paid", "x"])
async def test_what_tells_nothing_new_is_ignored(gateway: StripeGateway, type_: str) -> None:
    event = await told(gateway, type_, {"id": "ch_1", "object": "charge"})
    assert event.kind is EventKind.IGNORED


async def test_nothing_about_the_client_is_kept(gateway: StripeGateway) -> None:
    about = bodies.session(ASKED, customer_email="aiko@example.com")
    event = await told(gateway, "checkout.session.completed", about)
    assert event.raw["type"] == "checkout.session.completed"
    assert "example" not in str(event.raw)


# ------------------------------------------------------------------------------- taken back


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("succeeded", EventKind.REFUNDED),
        ("pending", EventKind.REFUND_PENDING),
        ("requires_action", EventKind.REFUND_PENDING),
        ("failed", EventKind.REFUND_FAILED),
        ("canceled", EventKind.REFUND_FAILED),
        ("from_the_future", EventKind.IGNORED),
    ],
)
async def test_a_refund_names_what_was_captured_and_our_refund(
    gateway: StripeGateway, status: str, kind: EventKind
) -> None:
    ours = {PAYMENT_KEY: ASKED.id, REFUND_KEY: "ref_1"}
    event = await told(gateway, "refund.updated", bodies.refund(status=status, metadata=ours))
    assert event.kind is kind
    if kind is not EventKind.IGNORED:
        assert (event.payment, event.refund, event.capture) == (ASKED.id, "ref_1", "pi_1")
        assert (event.amount, event.reference) == (Money(1000, "USD"), bodies.refund()["id"])


async def test_a_refund_from_the_dashboard_finds_its_payment_by_the_capture(
    gateway: StripeGateway,
) -> None:
    event = await told(gateway, "refund.created", bodies.refund(metadata={}))
    assert (event.payment, event.refund, event.capture) == ("", "", "pi_1")


async def test_a_refund_of_what_was_never_a_payment_is_ignored(gateway: StripeGateway) -> None:
    event = await told(gateway, "refund.created", bodies.refund(payment_intent=None))
    assert event.kind is EventKind.IGNORED


@pytest.mark.parametrize(
    ("type_", "status", "kind"),
    [
        ("charge.dispute.created", "needs_response", EventKind.DISPUTED),
        ("charge.dispute.funds_withdrawn", "under_review", EventKind.DISPUTED),
        ("charge.dispute.closed", "won", EventKind.DISPUTE_WON),
        ("charge.dispute.funds_reinstated", "won", EventKind.DISPUTE_WON),
        ("charge.dispute.closed", "lost", EventKind.DISPUTE_LOST),
        ("charge.dispute.created", "warning_needs_response", EventKind.IGNORED),
        ("charge.dispute.closed", "warning_closed", EventKind.IGNORED),
        ("charge.dispute.updated", "prevented", EventKind.IGNORED),
    ],
)
async def test_a_dispute_finds_its_payment_by_the_capture(
    gateway: StripeGateway, type_: str, status: str, kind: EventKind
) -> None:
    event = await told(gateway, type_, bodies.dispute(status=status, amount=900))
    assert event.kind is kind
    if kind is not EventKind.IGNORED:
        assert (event.payment, event.capture) == ("", "pi_1")
        assert (event.amount, event.reference) == (Money(900, "USD"), bodies.dispute()["id"])
