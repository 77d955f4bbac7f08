from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.gateways.stripe.gateway import StripeGateway
from api.gateways.stripe.requests import deadline, session_params
from models.clock import now
from models.gateway import EventKind, GatewayDeclined, GatewayUnreachable, Redirect
from models.money import Money
from tests.support.gateways.contract import *  # noqa: F403 - the suite
from tests.support.gateways.contract import Case, order
from tests.support.stripe import bodies, contracts
from tests.support.stripe.bodies import KEYS, message, signed
from tests.support.stripe.fake import FakeStripe, RefusedError

USD = Money(2500, "USD")
CURRENCIES = frozenset({"USD", "JPY", "KWD", "EUR", "ISK", "XAU"})


@pytest.fixture
def gateway(fake: FakeStripe) -> StripeGateway:
    return StripeGateway(KEYS, currencies=CURRENCIES, descriptor_suffix="CREDIT", http=fake)


@pytest.fixture
def case(gateway: StripeGateway, fake: FakeStripe) -> Case:
    return Case(
        gateway,
        USD,
        lambda asked: signed(message("checkout.session.completed", bodies.session(asked))),
        lambda asked: fake.pay(asked.gateway_ref),
    )


async def test_the_payer_is_sent_to_stripes_page(gateway: StripeGateway, fake: FakeStripe) -> None:
    asked = order(USD)
    started = await gateway.start(asked)
    assert started.gateway_ref.startswith("cs_test_")
    assert isinstance(started.action, Redirect)
    assert started.action.url.startswith("https://checkout.stripe.com/")
    assert started.action.expires_at == started.expires_at == deadline(asked)
    session = fake.sessions[started.gateway_ref]
    assert (session["amount_total"], session["currency"]) == (2500, "usd")
    assert fake.keys == [asked.id]


def test_what_begins_a_payment_is_the_same_each_time() -> None:
    asked = order(USD)
    assert session_params(asked, "") == session_params(replace(asked, gateway_ref="cs_1"), "")


def test_stripe_is_told_whose_payment_it_is_of_which_invoice() -> None:
    asked = order(USD)
    params: dict[str, Any] = {**session_params(asked, "CREDIT")}
    assert params["client_reference_id"] == asked.id
    assert set(params["metadata"].values()) == {asked.id}
    assert params["payment_intent_data"] == {
        "description": asked.invoice_number,
        "metadata": params["metadata"],
        "statement_descriptor_suffix": "CREDIT",
    }
    assert params["line_items"][0]["price_data"]["product_data"]["name"] == asked.invoice_number
    assert params["success_url"] == params["cancel_url"] == asked.return_url
    assert (params["customer_email"], params["locale"]) == ("aiko@example.com", "ja")


def test_the_referee_knows_a_wrong_request() -> None:
    good = session_params(order(USD), "")
    contracts.check("post", "/v1/checkout/sessions", good)
    for wrong in ({"sucess_url": "x"}, {"mode": "paymnt"}, {"expires_at": "1"}):
        with pytest.raises(ValueError, match="validation error"):
            contracts.check("post", "/v1/checkout/sessions", {**good, **wrong})


def test_what_stripe_does_not_take_is_not_offered(gateway: StripeGateway) -> None:
    assert gateway.currencies == {"USD", "JPY", "KWD", "EUR", "ISK"}
    for currency in ("XAU", "GBP", "nonsense"):
        assert gateway.minimum(currency) is None
        assert gateway.maximum(currency) is None


async def test_a_timeout_after_stripe_accepted_begins_no_second_payment(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(USD)
    fake.loses_answers = True
    with pytest.raises(GatewayUnreachable):
        await gateway.start(asked)
    fake.loses_answers = False
    [ref] = fake.sessions
    assert (await gateway.start(asked)).gateway_ref == ref
    assert list(fake.sessions) == [ref]


async def test_a_declined_card_leaves_the_page_open_for_another(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    fake.decline(begun.gateway_ref)
    assert await gateway.fetch(begun) == []
    fake.pay(begun.gateway_ref)
    assert [told.kind for told in await gateway.fetch(begun)] == [EventKind.CAPTURED]


async def test_an_expired_page_is_told_and_a_success_after_it_as_well(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    fake.sessions[begun.gateway_ref]["status"] = "expired"
    assert [told.kind for told in await gateway.fetch(begun)] == [EventKind.EXPIRED]
    fake.pay(begun.gateway_ref)
    assert [told.kind for told in await gateway.fetch(begun)] == [EventKind.CAPTURED]


async def test_a_payment_that_takes_days_is_processing_and_then_fails(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    fake.sessions[begun.gateway_ref]["status"] = "complete"
    fake.intent_of(begun.gateway_ref)["status"] = "processing"
    assert [told.kind for told in await gateway.fetch(begun)] == [EventKind.PROCESSING]
    assert [told.kind for told in await gateway.cancel(begun)] == [EventKind.PROCESSING]
    fake.decline(begun.gateway_ref, decline_code="insufficient_funds")
    fake.intent_of(begun.gateway_ref)["status"] = "requires_payment_method"
    [failed] = await gateway.fetch(begun)
    assert (failed.kind, failed.failure) == (EventKind.FAILED, "insufficient_funds")


async def test_what_really_came_in_is_told_not_what_was_expected(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    fake.pay(begun.gateway_ref, received=2400)
    [captured] = await gateway.fetch(begun)
    assert captured.amount == Money(2400, "USD")


async def test_a_payment_that_comes_too_late_to_begin_has_expired(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    for age in (timedelta(minutes=100), timedelta(hours=3)):
        asked = replace(order(USD), created_at=now() - age)
        with pytest.raises(GatewayDeclined, match="expired"):
            await gateway.start(asked)
        assert [told.kind for told in await gateway.fetch(asked)] == [EventKind.EXPIRED]
        assert [told.kind for told in await gateway.cancel(asked)] == [EventKind.CANCELED]
    assert fake.sessions == {}


async def test_a_payment_keeps_its_form_when_the_setting_changes(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    changed = StripeGateway(KEYS, currencies=CURRENCIES, form="page", http=fake)
    fake.pay(begun.gateway_ref)
    assert await changed.fetch(begun) == await gateway.fetch(begun) != []


async def test_a_page_that_stripe_will_not_close_is_not_canceled(
    gateway: StripeGateway, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)

    def busy(_session: object) -> None:
        raise RefusedError(400)

    monkeypatch.setattr(fake, "_expire", busy)
    assert await gateway.cancel(begun) == []
