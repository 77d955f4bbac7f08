from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import structlog
from structlog.testing import capture_logs

from api.gateways.stripe.gateway import TIMEOUT_SECONDS, StripeGateway
from models.gateway import EventKind, GatewayDeclined, GatewayProblem, GatewayUnreachable
from models.money import Money
from tests.support.gateways.contract import order
from tests.support.servers import free_port
from tests.support.stripe.bodies import KEYS
from tests.support.stripe.fake import FakeStripe, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

USD = Money(2500, "USD")


@pytest.fixture
def gateway(fake: FakeStripe) -> StripeGateway:
    return StripeGateway(KEYS, currencies=frozenset({"USD", "KWD"}), http=fake)


@pytest.fixture
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    with capture_logs() as lines:
        yield lines


@pytest.mark.parametrize(
    "refusal",
    [
        RefusedError(500, type="api_error"),
        RefusedError(503, type="api_error"),
        RefusedError(429, code="rate_limit"),
        RefusedError(429, code="lock_timeout"),
        RefusedError(409, code="idempotency_key_in_use"),
        RefusedError(400, code="lock_timeout"),
        None,
    ],
)
async def test_a_stripe_that_is_out_of_order_may_be_asked_again(
    gateway: StripeGateway, fake: FakeStripe, refusal: RefusedError | None
) -> None:
    fake.refuse, fake.deaf = refusal, refusal is None
    asked = replace(order(USD), gateway_ref="cs_test_1")
    for call in (gateway.start, gateway.fetch, gateway.cancel):
        with pytest.raises(GatewayUnreachable):
            await call(asked)


async def test_it_is_asked_once_each_time(gateway: StripeGateway, fake: FakeStripe) -> None:
    fake.refuse = RefusedError(503, type="api_error")
    with pytest.raises(GatewayUnreachable):
        await gateway.start(order(USD))
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [
        (RefusedError(400, code="amount_too_small"), "amount_too_small"),
        (RefusedError(400, code="amount_too_large"), "amount_too_large"),
        (RefusedError(400, code="email_invalid", param="customer_email"), "email_not_accepted"),
        (RefusedError(400, param="customer_email"), "email_not_accepted"),
        (RefusedError(400, param="expires_at"), "expired"),
        (RefusedError(400, code="parameter_unknown", param="x"), "gateway_refused"),
        (RefusedError(402, type="card_error", code="card_declined"), "card_declined"),
        (
            RefusedError(402, code="card_declined", decline_code="insufficient_funds"),
            "insufficient_funds",
        ),
    ],
)
async def test_what_stripe_refuses_is_declined_with_a_stable_code(
    gateway: StripeGateway, fake: FakeStripe, refusal: RefusedError, failure: str
) -> None:
    fake.refuse = refusal
    asked = order(USD)
    with pytest.raises(GatewayDeclined) as caught:
        await gateway.start(asked)
    assert caught.value.failure == failure
    [told] = await gateway.fetch(asked)
    assert told.kind is (EventKind.EXPIRED if failure == "expired" else EventKind.FAILED)
    assert told.failure == failure


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_stripe_does_not_accept_is_named_in_the_log(
    gateway: StripeGateway,
    fake: FakeStripe,
    logged: list[structlog.typing.EventDict],
    status: int,
) -> None:
    fake.refuse = RefusedError(status, message=f"Invalid API Key provided: {KEYS.secret}")
    with pytest.raises(GatewayProblem) as caught:
        await gateway.start(order(USD))
    assert not isinstance(caught.value, GatewayUnreachable)
    assert caught.value.__suppress_context__
    [line] = logged
    assert line["log_level"] == "error"
    assert "STRIPE_SECRET_KEY" in line["event"]
    assert KEYS.secret not in f"{line}{caught.value!r}{KEYS!r}"


async def test_another_request_under_the_same_key_is_a_problem_not_a_payment(
    gateway: StripeGateway, fake: FakeStripe
) -> None:
    asked = order(USD)
    await gateway.start(asked)
    with pytest.raises(GatewayProblem):
        await gateway.start(replace(asked, amount=Money(2600, "USD")))
    assert len(fake.sessions) == 1


async def test_an_unknown_reference_is_a_problem(gateway: StripeGateway) -> None:
    for ref in ("cs_test_unknown", "pi_unknown", "somebody-elses"):
        with pytest.raises(GatewayProblem) as caught:
            await gateway.fetch(replace(order(USD), gateway_ref=ref))
        assert not isinstance(caught.value, GatewayUnreachable)


@pytest.mark.parametrize("change", [{"status": None}, {"currency": "zzz"}, {"id": None}])
async def test_an_answer_that_makes_no_sense_is_a_problem(
    gateway: StripeGateway, fake: FakeStripe, change: dict[str, object]
) -> None:
    asked = order(USD)
    begun = replace(asked, gateway_ref=(await gateway.start(asked)).gateway_ref)
    fake.pay(begun.gateway_ref)
    intent = fake.intent_of(begun.gateway_ref)
    if "status" in change:
        del intent["status"]
    else:
        intent |= change
    with pytest.raises(GatewayProblem):
        await gateway.fetch(begun)
    fake.faults.clear()  # they are what this is about


async def test_an_amount_that_stripe_cannot_charge_is_declined(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayDeclined, match="amount_not_supported"):
        await gateway.start(order(Money(2501, "KWD")))
    with pytest.raises(GatewayDeclined, match="currency_not_supported"):
        await gateway.start(order(Money(2501, "XAU")))


async def test_a_stripe_that_is_not_there_is_unreachable_through_the_real_client() -> None:
    keys = replace(KEYS, api_url=f"http://127.0.0.1:{free_port()}")
    gateway = StripeGateway(keys, currencies=frozenset({"USD"}))
    with pytest.raises(GatewayUnreachable):
        await gateway.start(order(USD))
    assert TIMEOUT_SECONDS <= 10
    await gateway.close()
