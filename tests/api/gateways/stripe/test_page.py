from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from api.gateways.stripe.gateway import StripeGateway
from models.clock import now
from models.gateway import ConfirmCard, EventKind
from models.money import Money
from tests.support.gateways.contract import *  # noqa: F403 - the suite
from tests.support.gateways.contract import Case, order
from tests.support.stripe import bodies
from tests.support.stripe.bodies import KEYS, message, signed
from tests.support.stripe.fake import FakeStripe

KWD = Money(2500, "KWD")


@pytest.fixture
def gateway(fake: FakeStripe) -> StripeGateway:
    currencies = frozenset({"USD", "KWD"})
    return StripeGateway(
        KEYS, currencies=currencies, form="page", descriptor_suffix="CREDIT", http=fake
    )


@pytest.fixture
def case(gateway: StripeGateway, fake: FakeStripe) -> Case:
    return Case(
        gateway,
        KWD,
        lambda asked: signed(message("payment_intent.succeeded", bodies.intent(asked))),
        lambda asked: fake.pay(asked.gateway_ref),
    )


async def test_the_card_form_gets_its_secret_and_the_public_key(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(KWD)
    started = await gateway.start(asked)
    intent = fake.intents[started.gateway_ref]
    assert started.action == ConfirmCard(intent["client_secret"], "pk_test_51abc")
    assert (intent["amount"], intent["currency"]) == (2500, "kwd")
    assert fake.keys == [asked.id]


async def test_a_declined_card_leaves_the_form_open_for_another(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(KWD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    fake.decline(begun.gateway_ref)
    [told] = await gateway.fetch(begun)
    assert (told.kind, told.payment) == (EventKind.DECLINED, asked.id)
    assert told.failure
    fake.pay(begun.gateway_ref)
    assert [told.kind for told in await gateway.fetch(begun)] == [EventKind.CAPTURED]


async def test_a_form_whose_time_is_over_takes_no_money_any_more(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(KWD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    assert await gateway.fetch(begun) == []
    late = replace(begun, created_at=now() - timedelta(hours=3))
    [told] = await gateway.fetch(late)
    assert (told.kind, told.payment) == (EventKind.EXPIRED, asked.id)
    assert fake.intents[begun.gateway_ref]["status"] == "canceled"
    assert await gateway.fetch(late) == [told]


async def test_a_client_who_paid_in_the_last_second_has_paid(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(KWD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    fake.pay(begun.gateway_ref)
    late = replace(begun, created_at=now() - timedelta(hours=3))
    assert [told.kind for told in await gateway.fetch(late)] == [EventKind.CAPTURED]
    assert [told.kind for told in await gateway.cancel(late)] == [EventKind.CAPTURED]


async def test_a_payment_keeps_its_form_when_the_setting_changes(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(KWD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    changed = StripeGateway(KEYS, currencies=frozenset({"KWD"}), http=fake)
    fake.pay(begun.gateway_ref)
    assert await changed.fetch(begun) == await gateway.fetch(begun) != []
    other = order(KWD)
    begun = replace(other, gateway_ref=(await gateway.start(other)).gateway_ref)
    assert [told.kind for told in await changed.cancel(begun)] == [EventKind.CANCELED]
