"""What every gateway does, whoever wrote it.

A test module of an adapter imports all names from here, and has fixtures `gateway` and `case`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import TYPE_CHECKING

import pytest

from models.clock import now
from models.gateway import (
    MONEY_KINDS,
    ConfirmCard,
    EventKind,
    Gateway,
    GatewayDeclined,
    GatewayKind,
    MessageRefused,
    PaymentOrder,
    Redirect,
    RefundOrder,
    TransferInstructions,
)
from models.money import EXPONENTS, Money

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Message = tuple[Mapping[str, str], bytes]

REFERENCE = "RF18539007547034"


@dataclass(frozen=True)
class Case:
    """A gateway, an amount that it takes, and its message that a payment was captured.

    `captured` is None where the gateway sends no messages. `pay` is what the payer does with a
    payment that has begun (its order, with the `gateway_ref`); None where nobody can pretend that.
    """

    gateway: Gateway
    amount: Money
    captured: Callable[[PaymentOrder], Message] | None = None
    pay: Callable[[PaymentOrder], object] | None = None


def order(
    amount: Money, *, return_url: str = "https://credit.example/return/pay_1"
) -> PaymentOrder:
    """What we would ask the gateway to begin."""
    return PaymentOrder(
        id=f"pay_{secrets.token_hex(16)}",
        amount=amount,
        invoice_number="INV-2026-000042",
        reference=REFERENCE,
        email="aiko@example.com",
        locale="ja",
        return_url=return_url,
        created_at=now(),
    )


def test_it_has_a_short_code_a_kind_and_real_currencies(gateway: Gateway) -> None:
    assert gateway.code == gateway.code.lower()
    assert gateway.kind in GatewayKind
    assert gateway.currencies
    assert gateway.currencies <= set(EXPONENTS)


@pytest.mark.parametrize("locale", ["en", "ja", "ja-JP", "ja_JP", "en-GB", "tlh", "", "\0-x"])
def test_it_has_a_name_in_every_language(gateway: Gateway, locale: str) -> None:
    assert gateway.name(locale).strip()


def test_its_japanese_name_is_japanese(gateway: Gateway) -> None:
    assert gateway.name("ja-JP") != gateway.name("en")


def test_its_limits_are_of_the_currency_and_in_order(gateway: Gateway) -> None:
    for currency in gateway.currencies:
        least, most = gateway.minimum(currency), gateway.maximum(currency)
        assert all(limit.currency == currency for limit in (least, most) if limit is not None)
        assert least is None or most is None or least.minor <= most.minor


def test_its_fee_is_of_the_currency_and_never_negative(gateway: Gateway) -> None:
    for currency in gateway.currencies:
        fee = gateway.fee(Money(12345, currency))
        assert fee.currency == currency
        assert fee.minor >= 0


async def test_starting_says_what_the_client_does_next(case: Case) -> None:
    started = await case.gateway.start(order(case.amount))
    assert started.gateway_ref
    assert isinstance(started.action, Redirect | ConfirmCard | TransferInstructions)
    assert started.expires_at is not None
    assert started.expires_at.utcoffset() is not None


async def test_starting_twice_is_starting_once(case: Case) -> None:
    asked = order(case.amount)
    first, second = await case.gateway.start(asked), await case.gateway.start(asked)
    assert (first.gateway_ref, first.action) == (second.gateway_ref, second.action)


async def test_two_payments_are_two(case: Case) -> None:
    first = await case.gateway.start(order(case.amount))
    second = await case.gateway.start(order(case.amount))
    assert not isinstance(first.action, Redirect) or first.action != second.action


async def test_a_new_payment_has_no_money(case: Case) -> None:
    asked = order(case.amount)
    await case.gateway.start(asked)
    assert not [event for event in await case.gateway.fetch(asked) if event.kind in MONEY_KINDS]


async def test_a_payment_that_was_never_started_has_no_money(case: Case) -> None:
    events = await case.gateway.fetch(order(case.amount))
    assert not [event for event in events if event.kind in MONEY_KINDS]


async def test_a_new_payment_can_be_canceled_and_stays_canceled(case: Case) -> None:
    asked = order(case.amount)
    await case.gateway.start(asked)
    first, second = await case.gateway.cancel(asked), await case.gateway.cancel(asked)
    assert [event.kind for event in first] == [EventKind.CANCELED]
    assert first[0].payment == asked.id
    assert [event.event_id for event in first] == [event.event_id for event in second]


async def test_a_payment_can_be_canceled_before_it_was_started(case: Case) -> None:
    events = await case.gateway.cancel(order(case.amount))
    assert [event.kind for event in events] == [EventKind.CANCELED]


# ------------------------------------------------------------------------------- money


async def test_what_was_paid_is_told_the_same_each_time(case: Case) -> None:
    asked = await _paid(case)
    first, second = await case.gateway.fetch(asked), await case.gateway.fetch(asked)
    assert first == second
    [captured] = [event for event in first if event.kind is EventKind.CAPTURED]
    assert (captured.payment, captured.amount) == (asked.id, case.amount)
    assert captured.reference


async def test_what_was_paid_is_found_where_nobody_knows_whether_it_began(case: Case) -> None:
    asked = await _paid(case)
    known = await case.gateway.fetch(asked)
    assert await case.gateway.fetch(replace(asked, gateway_ref="")) == known


async def test_what_was_paid_cannot_be_canceled(case: Case) -> None:
    asked = await _paid(case)
    assert [event.kind for event in await case.gateway.cancel(asked)] == [EventKind.CAPTURED]


async def test_a_refund_is_given_once_however_often_it_is_asked_for(case: Case) -> None:
    asked = await _refund_of_half(case)
    first, second = await case.gateway.refund(asked), await case.gateway.refund(asked)
    assert first == second
    [told] = first
    assert told.kind in {EventKind.REFUNDED, EventKind.REFUND_PENDING}
    assert (told.refund, told.amount) == (asked.id, asked.amount)
    assert told.reference
    assert asked.payment.id == told.payment or asked.capture == told.capture
    assert [event for event in await case.gateway.fetch(asked.payment) if event.refund] == first


async def test_more_than_was_paid_is_never_given_back(case: Case) -> None:
    whole = replace(await _refund_of_half(case), amount=case.amount)
    await case.gateway.refund(whole)
    with pytest.raises(GatewayDeclined):
        await case.gateway.refund(replace(whole, id=f"ref_{secrets.token_hex(16)}"))


async def _paid(case: Case) -> PaymentOrder:
    if case.pay is None:
        pytest.skip("nobody can pretend to pay here")
    asked = order(case.amount)
    started = await case.gateway.start(asked)
    begun = replace(asked, gateway_ref=started.gateway_ref)
    done = case.pay(begun)
    if isawaitable(done):
        await done
    return begun


async def _refund_of_half(case: Case) -> RefundOrder:
    if not case.gateway.refunds:
        pytest.skip("this gateway gives nothing back by itself")
    asked = await _paid(case)
    [captured] = await case.gateway.fetch(asked)
    half = Money(case.amount.minor // 20 * 10, case.amount.currency)
    return RefundOrder(f"ref_{secrets.token_hex(16)}", asked, captured.reference, half)


# ------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"\xff", b"[" * 5000, b"0" * 5000])
async def test_an_unsigned_message_is_refused(case: Case, body: bytes) -> None:
    with pytest.raises(MessageRefused):
        await case.gateway.parse_message({}, body)


async def test_a_genuine_message_names_payment_reference_and_amount(case: Case) -> None:
    asked = order(case.amount)
    headers, body = _captured(case, asked)
    events = await case.gateway.parse_message(headers, body)
    captured = next(event for event in events if event.kind is EventKind.CAPTURED)
    assert (captured.payment, captured.amount) == (asked.id, case.amount)
    assert captured.reference
    assert captured.event_id


async def test_a_message_read_twice_is_the_same_event(case: Case) -> None:
    message = _captured(case, order(case.amount))
    first, second = [await case.gateway.parse_message(*message) for _ in range(2)]
    assert [event.event_id for event in first] == [event.event_id for event in second]


async def test_one_changed_byte_makes_a_message_refused(case: Case) -> None:
    headers, body = _captured(case, order(case.amount))
    for place in range(0, len(body), 7):
        forged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(MessageRefused):
            await case.gateway.parse_message(headers, forged)


async def test_a_message_without_one_of_its_own_headers_is_refused(case: Case) -> None:
    headers, body = _captured(case, order(case.amount))
    for missing in set(headers) - {"content-type"}:
        rest = {name: value for name, value in headers.items() if name != missing}
        with pytest.raises(MessageRefused):
            await case.gateway.parse_message(rest, body)


def _captured(case: Case, asked: PaymentOrder) -> Message:
    if case.captured is None:
        pytest.skip("this gateway sends no messages")
    return case.captured(asked)
