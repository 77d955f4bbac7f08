"""From the order to the capture, on good days and bad ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from api.gateways.fee import Fee
from api.gateways.paypal import client
from api.gateways.paypal.gateway import PayPalGateway
from models.clock import now
from models.gateway import (
    EventKind,
    GatewayDeclined,
    GatewayProblem,
    GatewayUnreachable,
    Redirect,
)
from models.money import Money
from tests.support.gateways.contract import order
from tests.support.paypal.fake import Refused, unprocessable
from tests.support.paypal.orders import RETURN_URL, USD, approved, begun, captured

if TYPE_CHECKING:
    from api.gateways.paypal.merchant import Merchant
    from models.gateway import GatewayEvent
    from tests.support.paypal.fake import FakePayPal


def kinds(events: list[GatewayEvent]) -> list[EventKind]:
    return [event.kind for event in events]


# ------------------------------------------------------------------------------- beginning


async def test_the_order_says_who_pays_what_and_where_they_come_back(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = order(USD, return_url=RETURN_URL)
    started = await gateway.start(asked)
    [body] = fake.bodies
    [unit] = body["purchase_units"]
    context = body["payment_source"]["paypal"]["experience_context"]
    assert unit["amount"] == {"currency_code": "USD", "value": "25.00"}
    assert unit["custom_id"] == asked.id
    assert unit["invoice_id"] == f"INV-2026-000042-{asked.id.removeprefix('pay_')}"
    assert context == {
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
        "brand_name": "Kaze Hosting",
        "locale": "ja-JP",
        "return_url": RETURN_URL,
        "cancel_url": RETURN_URL,
    }
    assert started.expires_at == asked.created_at + timedelta(hours=3)
    url = f"{fake.url}/checkoutnow?token={started.gateway_ref}"
    assert started.action == Redirect(url, started.expires_at)


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        (Money(1235, "JPY"), "1235"),
        (Money(150_000, "HUF"), "1500"),
        (Money(30_000, "TWD"), "300"),
        (Money(1, "EUR"), "0.01"),
    ],
)
async def test_amounts_have_the_decimals_that_paypal_takes(
    gateway: PayPalGateway, fake: FakePayPal, amount: Money, value: str
) -> None:
    await begun(gateway, amount)
    assert fake.bodies[0]["purchase_units"][0]["amount"]["value"] == value


async def test_a_part_of_a_forint_is_declined_before_paypal_is_asked(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = order(Money(150_050, "HUF"))
    with pytest.raises(GatewayDeclined, match="whole_amounts_only"):
        await gateway.start(asked)
    assert kinds(await gateway.fetch(asked)) == [EventKind.FAILED]
    assert fake.asked == []


def test_the_fee_is_an_amount_that_paypal_takes(merchant: Merchant) -> None:
    gateway = PayPalGateway(merchant, fee=Fee(percent=Fee().percent + 3))
    assert gateway.fee(Money(155_000, "HUF")) == Money(4700, "HUF")
    assert gateway.fee(Money(1000, "USD")) == Money(30, "USD")
    assert gateway.minimum("TWD") == Money(100, "TWD")


@pytest.mark.parametrize(
    ("locale", "said"),
    [("de", "de-DE"), ("pt-BR", "pt-BR"), ("zh_Hant_TW", "zh-TW"), ("tlh", None), ("", None)],
)
async def test_the_pages_are_in_the_payers_language_where_paypal_has_it(
    gateway: PayPalGateway, fake: FakePayPal, locale: str, said: str | None
) -> None:
    await gateway.start(replace(order(USD), locale=locale))
    context = fake.bodies[0]["payment_source"]["paypal"]["experience_context"]
    assert context.get("locale") == said


async def test_an_answer_that_is_lost_is_asked_for_again_and_there_is_one_order(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = order(USD)
    fake.troubles["create"].append("lost")
    with pytest.raises(GatewayUnreachable):
        await gateway.start(asked)
    started = await gateway.start(asked)
    assert list(fake.back_office.orders) == [started.gateway_ref]


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (500, GatewayUnreachable),
        (503, GatewayUnreachable),
        (429, GatewayUnreachable),
        (unprocessable("PAYEE_ACCOUNT_RESTRICTED"), GatewayDeclined),
        (Refused(400, "INVALID_REQUEST", "INVALID_PARAMETER_SYNTAX"), GatewayProblem),
        (Refused(403, "NOT_AUTHORIZED", "PERMISSION_DENIED"), GatewayProblem),
    ],
)
async def test_each_trouble_has_its_own_kind(
    gateway: PayPalGateway, fake: FakePayPal, trouble: Refused | int, problem: type[Exception]
) -> None:
    fake.troubles["create"].append(trouble)
    with pytest.raises(problem) as raised:
        await gateway.start(order(USD))
    assert raised.type in {problem, client.PayPalRefused}
    fake.faults.clear()  # some of these errors are of no documented status


async def test_a_paypal_that_never_answers_is_waited_for_no_longer_than_allowed(
    gateway: PayPalGateway, fake: FakePayPal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.05)
    fake.troubles["create"].append("hangs")
    with pytest.raises(GatewayUnreachable, match="TimeoutError"):
        await gateway.start(order(USD))


async def test_nobody_there_is_unreachable(merchant: Merchant) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    gateway = PayPalGateway(merchant, transport=httpx.MockTransport(refuse))
    with pytest.raises(GatewayUnreachable, match="ConnectError"):
        await gateway.start(order(USD))
    await gateway.close()


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}"])
async def test_an_answer_that_makes_no_sense_is_a_problem(
    merchant: Merchant, content: bytes
) -> None:
    answer = httpx.Response(200, content=content)
    gateway = PayPalGateway(merchant, transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(GatewayProblem):
        await gateway.start(order(USD))
    await gateway.close()


# ------------------------------------------------------------------------------- capturing


async def test_what_the_payer_approved_is_captured_once(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    first, second = await gateway.fetch(asked), await gateway.fetch(asked)
    capture = fake.back_office.captured(asked.id)
    [event] = first
    assert first == second
    assert (event.kind, event.payment) == (EventKind.CAPTURED, asked.id)
    assert (event.reference, event.amount) == (capture["id"], USD)
    assert fake.asked.count("capture") == 1


async def test_nothing_is_captured_before_the_payer_approves(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await begun(gateway)
    assert await gateway.fetch(asked) == []
    assert "capture" not in fake.asked


async def test_a_payment_that_is_not_wanted_any_more_is_never_captured(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = replace(await approved(gateway, fake), is_open=False)
    assert await gateway.fetch(asked) == []
    assert fake.back_office.captures == {}


async def test_ten_who_fetch_at_once_capture_once(gateway: PayPalGateway, fake: FakePayPal) -> None:
    asked = await approved(gateway, fake)
    told = await asyncio.gather(*(gateway.fetch(asked) for _ in range(10)))
    assert len(fake.back_office.captures) == 1
    assert all(events == told[0] for events in told)


async def test_an_order_that_another_process_has_captured_is_read(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    fake.back_office.capture(fake.back_office.orders[asked.gateway_ref])
    fake.back_office.orders[asked.gateway_ref]["status"] = "APPROVED"  # what we had read before
    fake.troubles["capture"].append(unprocessable("ORDER_ALREADY_CAPTURED"))
    assert kinds(await gateway.fetch(asked)) == [EventKind.CAPTURED]


async def test_a_capture_whose_answer_is_lost_is_found(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    fake.troubles["capture"].append("lost")
    with pytest.raises(GatewayUnreachable):
        await gateway.fetch(asked)
    assert kinds(await gateway.fetch(asked)) == [EventKind.CAPTURED]
    assert len(fake.back_office.captures) == 1


async def test_a_refused_card_leaves_the_payment_open_for_another_one(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    fake.troubles["capture"].append(unprocessable("INSTRUMENT_DECLINED"))
    assert kinds(await gateway.fetch(asked)) == [EventKind.DECLINED]
    fake.back_office.approve(asked.gateway_ref)  # with another card
    assert kinds(await gateway.fetch(asked)) == [EventKind.CAPTURED]
    tried = [id for id in fake.request_ids if "-capture" in id]
    assert len(set(tried)) == 2


@pytest.mark.parametrize(
    ("issue", "failure"),
    [
        ("TRANSACTION_REFUSED", "declined"),
        ("PAYER_ACCOUNT_RESTRICTED", "payer_account_restricted"),
        ("MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED", "too_many_attempts"),
        ("TRANSACTION_LIMIT_EXCEEDED", "payment_limit_exceeded"),
        ("PAYEE_BLOCKED_TRANSACTION", "gateway_refused"),
    ],
)
async def test_a_final_refusal_fails_the_payment_with_a_stable_code(
    gateway: PayPalGateway, fake: FakePayPal, issue: str, failure: str
) -> None:
    asked = await approved(gateway, fake)
    fake.troubles["capture"].append(unprocessable(issue))
    [event] = await gateway.fetch(asked)
    assert (event.kind, event.failure, event.payment) == (EventKind.FAILED, failure, asked.id)


async def test_a_pending_capture_is_processing_and_may_be_denied(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.back_office.capture_states.append("PENDING")
    asked = await approved(gateway, fake)
    assert kinds(await gateway.fetch(asked)) == [EventKind.PROCESSING]
    fake.back_office.settle(fake.back_office.captured(asked.id), "DECLINED")
    [event] = await gateway.fetch(asked)
    assert (event.kind, event.failure) == (EventKind.FAILED, "declined")


@pytest.mark.parametrize(
    "amount",
    [{"currency_code": "USD", "value": "24.99"}, {"currency_code": "EUR", "value": "25.00"}],
)
async def test_what_came_in_is_told_not_what_was_asked(
    gateway: PayPalGateway, fake: FakePayPal, amount: dict[str, str]
) -> None:
    fake.back_office.amounts.append(amount)
    [event] = await gateway.fetch(await approved(gateway, fake))
    assert event.amount is not None
    assert (event.amount.currency, f"{event.amount.amount}") == tuple(amount.values())


async def test_an_order_of_another_payment_is_never_believed(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked, other = await begun(gateway), await approved(gateway, fake)
    with pytest.raises(GatewayProblem, match="another payment"):
        await gateway.fetch(replace(asked, gateway_ref=other.gateway_ref))
    assert fake.back_office.captures == {}


# ------------------------------------------------------------------------------- not knowing


async def test_without_its_reference_the_same_order_is_found(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    fake.back_office.orders[asked.gateway_ref]["status"] = "APPROVED"
    [event] = await gateway.fetch(replace(asked, gateway_ref=""))
    assert event.kind is EventKind.CAPTURED
    assert list(fake.back_office.orders) == [asked.gateway_ref]


@pytest.mark.parametrize("hours", [3, 7])
async def test_what_nobody_approved_in_time_has_expired(
    gateway: PayPalGateway, fake: FakePayPal, hours: int
) -> None:
    asked = replace(await begun(gateway), created_at=now() - timedelta(hours=hours))
    first, second = await gateway.fetch(asked), await gateway.fetch(asked)
    assert kinds(first) == [EventKind.EXPIRED]
    assert first[0].event_id == second[0].event_id
    del fake.back_office.orders[asked.gateway_ref]  # PayPal forgets it
    assert kinds(await gateway.fetch(asked)) == [EventKind.EXPIRED]
    asked = replace(asked, gateway_ref="", created_at=now() - timedelta(hours=7))
    assert kinds(await gateway.fetch(asked)) == [EventKind.EXPIRED]
    assert len(fake.bodies) == 1


async def test_what_was_approved_at_the_last_moment_is_captured(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    late = replace(asked, created_at=now() - timedelta(hours=4))
    assert kinds(await gateway.fetch(late)) == [EventKind.CAPTURED]


async def test_what_was_approved_and_cannot_be_captured_expires_in_the_end(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    fake.troubles["capture"] += [unprocessable("INSTRUMENT_DECLINED")] * 2
    late = replace(asked, created_at=now() - timedelta(hours=5))
    assert kinds(await gateway.fetch(late)) == [EventKind.DECLINED]
    later = replace(asked, created_at=now() - timedelta(hours=6))
    assert kinds(await gateway.fetch(later)) == [EventKind.EXPIRED]


# ------------------------------------------------------------------------------- giving up


async def test_giving_up_leaves_the_order_to_lapse(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    asked = await approved(gateway, fake)
    first, second = await gateway.cancel(asked), await gateway.cancel(asked)
    assert kinds(first) == [EventKind.CANCELED]
    assert first[0].event_id == second[0].event_id
    assert fake.back_office.captures == {}


async def test_what_is_paid_or_on_its_way_cannot_be_given_up(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    paid = await captured(gateway, fake)
    assert kinds(await gateway.cancel(paid)) == [EventKind.CAPTURED]
    fake.back_office.capture_states.append("PENDING")
    waiting = await captured(gateway, fake)
    assert kinds(await gateway.cancel(waiting)) == [EventKind.PROCESSING]
