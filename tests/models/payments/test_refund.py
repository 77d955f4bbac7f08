"""What staff give back: within the policy, held meanwhile, once, whatever the gateway says when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from models import clock
from models.db import record, sql, transactions
from models.errors import (
    AmountOutOfRange,
    AmountPrecision,
    CurrencyNotSupported,
    GatewayFailed,
    Invalid,
    NotFound,
    NotRefundable,
)
from models.gateway import EventKind as Kind
from models.gateway import GatewayDeclined, GatewayEvent, GatewayUnreachable
from models.journal.command import run
from models.journal.topics import topic_of_invoice
from models.money import Money
from models.payments import inbox, reconcile, refund
from models.payments.ask_refund import RefundPayment
from models.provider.provider import CreditPolicy
from tests.support.factories import STAFF, Client, a_client, captured, event, now, tell
from tests.support.providers import VERSION, gateway, key, wire_provider
from tests.support.refunds import give_back, heard, the_pending

pytestmark = pytest.mark.usefixtures("provider")


# ------------------------------------------------------------------------------- races, silence


async def test_credit_that_is_being_refunded_cannot_be_spent_meanwhile() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    asked = await the_pending(begun, 2000)
    assert (asked.status, asked.held) == ("PENDING", 2000)
    assert await ada.amounts() == (500, 2000, 0, 0)
    bill = await ada.spend(await ada.order(500))
    assert bill.status == "PAID"
    await tell(begun, heard(begun, asked, Kind.REFUNDED))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await now(asked)).status == "SUCCEEDED"


async def test_two_refunds_of_all_at_once_give_it_back_once() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    results = await asyncio.gather(*(give_back(begun) for _ in range(5)), return_exceptions=True)
    given = [one for one in results if not isinstance(one, BaseException)]
    assert len(given) == 1
    assert all(isinstance(one, NotRefundable) for one in results if one not in given)
    assert await ada.amounts() == (0, 0, 0, 0)
    assert len(gateway().refunded) == 1


async def test_one_key_many_times_at_once_is_one_refund() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    same = key()
    refunds = await asyncio.gather(*(give_back(begun, 1000, key=same) for _ in range(5)))
    assert len({one.id for one in refunds}) == 1
    assert await ada.amounts() == (1500, 0, 0, 0)


async def test_a_refund_without_an_answer_is_pending_and_the_worker_asks_again() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    gateway().trouble = GatewayUnreachable("no answer")
    asked = await give_back(begun)
    assert asked.status == "PENDING"
    assert await ada.amounts() == (0, 2500, 0, 0)
    gateway().trouble = None
    await asked.change(next_check_at=clock.now())
    await reconcile.check_refunds()
    assert (await now(asked)).status == "SUCCEEDED"
    assert {one.id for one in gateway().refunded} == {asked.public_id}
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_pending_refund_is_asked_for_at_growing_intervals() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    asked = await the_pending(begun)
    waits = []
    for _ in range(4):
        await asked.change(next_check_at=clock.now())
        await reconcile.check_refunds()
        asked = await now(asked)
        assert asked.next_check_at is not None
        waits.append(asked.next_check_at - clock.now())
    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0]


async def test_the_gateways_word_may_come_before_its_answer_and_without_our_id() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    gateway().trouble = GatewayUnreachable("no answer")
    asked = await give_back(begun, 1000)
    nameless = replace(heard(begun, asked, Kind.REFUNDED), refund="")
    await tell(begun, nameless)
    assert await ada.amounts() == (500, 1000, 0, 0)
    gateway().trouble = None
    await asked.change(next_check_at=clock.now())
    await reconcile.check_refunds()
    assert (await now(asked)).status == "SUCCEEDED"
    assert await ada.amounts() == (1500, 0, 0, 0)


async def test_a_refund_at_the_gateway_itself_is_not_taken_for_ours_of_the_same_amount() -> None:
    """Else what is held for ours is spent before ours goes back, too."""
    ada = await a_client()
    begun = await ada.deposit(2500)
    gateway().trouble = GatewayUnreachable("no answer")
    asked = await give_back(begun, 1000)
    await tell(begun, event(begun, Kind.REFUNDED, key(), 1000))
    assert (await now(asked)).status == "PENDING"
    await ada.spend(await ada.order(500))
    assert await ada.amounts() == (0, 1000, 0, 0)
    await tell(begun, heard(begun, asked, Kind.REFUNDED))
    assert await ada.amounts() == (0, 0, 0, 0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_refund_that_comes_back_is_credit_again(order: tuple[int, int]) -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    asked = await the_pending(begun)
    told = [
        heard(begun, asked, Kind.REFUNDED),
        heard(begun, asked, Kind.REFUND_FAILED, failure="account_closed"),
    ]
    for at in order:
        await tell(begun, told[at])
        await tell(begun, told[at])
    failed = await now(asked)
    assert (failed.status, failed.failure) == ("FAILED", "account_closed")
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert (await now(begun)).taken_back == 0


async def test_who_watches_the_invoice_is_told_of_a_refund_from_its_asking_to_its_failure() -> None:
    begun = await (await a_client()).deposit(2500)
    rung: list[set[str]] = []
    transactions.on_ring(rung.append)
    try:
        gateway().trouble = GatewayDeclined("too_old")
        with pytest.raises(GatewayFailed):
            await give_back(begun, 500)
    finally:
        transactions.on_ring(None)
    assert (
        sum(topic_of_invoice(begun.invoice_id) in topics for topics in rung) == 2
    )  # it was asked for, and failed


@pytest.mark.parametrize("end", [Kind.REFUNDED, Kind.REFUND_FAILED])
async def test_a_dispute_takes_what_is_held_for_a_refund_of_the_same_money(end: Kind) -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    asked = await the_pending(begun)
    await tell(begun, event(begun, Kind.DISPUTED, f"dp-{end}", 2500))
    assert await ada.amounts() == (0, 0, 0, 0)
    await tell(begun, heard(begun, asked, end))
    await tell(begun, event(begun, Kind.DISPUTE_LOST, f"dp-{end}", 2500))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await now(asked)).status != "PENDING"


async def test_what_a_won_dispute_brings_back_is_held_for_the_refund_that_is_still_to_come() -> (
    None
):
    ada = await a_client()
    begun = await ada.deposit(2500)
    asked = await the_pending(begun, 1000)
    await tell(begun, event(begun, Kind.DISPUTED, "dp-12", 2500))
    await tell(begun, event(begun, Kind.DISPUTE_WON, "dp-12", 2500))
    assert await ada.amounts() == (1500, 1000, 0, 0)
    await tell(begun, heard(begun, asked, Kind.REFUNDED))
    assert await ada.amounts() == (1500, 0, 0, 0)


async def test_a_reversal_at_the_gateway_beside_a_refund_of_ours_makes_no_debt() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    asked = await the_pending(begun, 2000)
    await tell(begun, event(begun, Kind.REFUNDED, key(), 2500))
    assert await ada.amounts() == (0, 0, 0, 0)
    await tell(begun, heard(begun, asked, Kind.REFUND_FAILED))
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_refund_of_an_order_does_not_take_what_was_captured_late_and_is_spent() -> None:
    """It was asked for what the invoice had; the invoice is due again."""
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun))
    asked = await the_pending(begun)
    await tell(begun, captured(begun))
    await ada.spend(await ada.order(2500))
    await tell(begun, heard(begun, asked, Kind.REFUNDED))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await now(bill)).amount_due == 2500


async def test_a_second_refund_counts_the_first_that_is_under_way() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.order(2500))
    await tell(begun, captured(begun))
    await the_pending(begun, 2000)
    with pytest.raises(AmountOutOfRange) as refusal:
        await give_back(begun, 501)
    assert refusal.value.facts["maximum"] == Money(500, "USD")
    assert (await the_pending(begun)).amount == 500
    with pytest.raises(NotRefundable):
        await give_back(begun)


async def test_no_refund_of_a_payment_that_is_disputed_but_of_the_others() -> None:
    ada = await a_client()
    begun, other = await ada.deposit(2500), await ada.deposit(1000)
    await tell(begun, event(begun, Kind.DISPUTED, "dp-16", 1))
    with pytest.raises(NotRefundable) as refusal:
        await give_back(begun)
    assert refusal.value.facts["problem"] == "disputed"
    assert (await give_back(other)).status == "SUCCEEDED"
    assert await ada.amounts() == (2499, 0, 0, 0)


async def test_a_dispute_while_a_refund_is_pending_takes_what_is_there() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    asked = await the_pending(begun, 1000)
    await tell(begun, event(begun, Kind.DISPUTED, "dp-17", 2500))
    await tell(begun, heard(begun, asked, Kind.REFUND_FAILED))
    await tell(begun, event(begun, Kind.DISPUTE_WON, "dp-17", 2500))
    assert await ada.amounts() == (2500, 0, 0, 0)


# ------------------------------------------------------------------------------- the rules


async def test_a_refunded_deposit_is_taken_from_the_credit_and_its_invoice_says_so() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    given = await give_back(begun)
    assert (given.status, given.amount) == ("SUCCEEDED", 2500)
    (asked,) = gateway().refunded
    (capture,) = await sql.fetch(
        "SELECT reference FROM settlement WHERE payment_id = $1 AND kind = 'CAPTURED'", begun.id
    )
    reference = capture["reference"]
    assert (asked.amount, asked.capture) == (Money(2500, "USD"), reference)
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await ada.kinds())[-1] == "DEPOSIT_REVERSED"


async def test_never_more_than_the_unspent_deposit_goes_back() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    await ada.granted(4000)
    await ada.spend(await ada.order(6000))
    with pytest.raises(AmountOutOfRange) as refusal:
        await give_back(begun, 501)
    assert refusal.value.facts["maximum"] == Money(500, "USD")
    assert (await give_back(begun)).amount == 500
    with pytest.raises(NotRefundable) as spent:
        await give_back(begun)
    assert spent.value.facts["problem"] == "spent"


async def test_the_gateways_fee_of_a_deposit_does_not_go_back() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500, "paid-card")
    assert begun.fee_taken == 30
    assert (await give_back(begun)).amount == 2500
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_where_the_policy_allows_no_exception_deposits_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    strict = CreditPolicy(VERSION, "https://example.com/policy", refund_exceptions=False)
    wire_provider(monkeypatch, policy=strict)
    with pytest.raises(NotRefundable) as refusal:
        await give_back(begun)
    assert refusal.value.facts["problem"] == "policy"
    wire_provider(monkeypatch, policy=replace(strict, refundable_in_cash=True))
    assert (await give_back(begun)).amount == 2500


async def test_a_refunded_order_is_due_again() -> None:
    ada = await a_client()
    bill = await ada.order(1000)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun, 1700))
    assert await ada.amounts() == (700, 0, 0, 0)
    given = await give_back(await now(begun))
    assert (given.amount, given.held) == (1700, 700)
    assert await ada.amounts() == (0, 0, 0, 0)
    due = await now(bill)
    assert (due.status, due.amount_due) == ("UNPAID", 1000)


async def test_what_an_order_paid_too_much_and_was_spent_bounds_its_refund() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.order(1000))
    await tell(begun, captured(begun, 1700))
    await ada.spend(await ada.order(600))
    with pytest.raises(AmountOutOfRange) as refusal:
        await give_back(await now(begun), 101)
    assert refusal.value.facts["maximum"] == Money(100, "USD")


@pytest.mark.parametrize("kind", [Kind.DISPUTED, Kind.REFUNDED])
async def test_what_the_gateway_has_taken_back_already_is_not_refunded(kind: Kind) -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    await tell(begun, event(begun, kind, key(), 2500))
    with pytest.raises(NotRefundable):
        await give_back(await now(begun))


async def test_a_payment_that_brought_nothing_is_not_refunded() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    with pytest.raises(NotRefundable) as refusal:
        await give_back(begun)
    assert refusal.value.facts["problem"] == "not_paid"


async def test_a_gateway_that_cannot_give_back_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    monkeypatch.setattr(gateway(), "refunds", False, raising=False)
    with pytest.raises(NotRefundable) as refusal:
        await give_back(begun)
    assert refusal.value.facts["problem"] == "gateway"


async def test_a_gateway_that_says_no_changes_nothing_and_frees_the_key() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    gateway().trouble = GatewayDeclined("charge_already_refunded")
    same = key()
    with pytest.raises(GatewayFailed):
        await give_back(begun, key=same)
    assert await ada.amounts() == (2500, 0, 0, 0)
    (failed,) = (await refund.of_payments([begun.id]))[begun.id]
    assert (failed.status, failed.failure) == ("FAILED", "charge_already_refunded")
    gateway().trouble = None
    assert (await give_back(begun, key=same)).status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("wish", "refused"),
    [
        ({"amount": Decimal(0)}, AmountOutOfRange),
        ({"amount": Decimal(-1)}, AmountOutOfRange),
        ({"amount": Decimal("1.001")}, AmountPrecision),
        ({"amount": Decimal("25.01")}, AmountOutOfRange),
        ({"amount": Decimal(10**14)}, AmountOutOfRange),
        ({"currency": "JPY"}, CurrencyNotSupported),
        ({"reason": "  "}, Invalid),
        ({"reason": "x" * 501}, Invalid),
        ({"key": ""}, Invalid),
        ({"payment_id": record.new_id()}, NotFound),
    ],
)
async def test_bad_wishes_change_nothing(wish: dict[str, Any], refused: type[Exception]) -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    given: dict[str, Any] = {
        "payment_id": begun.id,
        "amount": Decimal(5),
        "currency": "USD",
        "reason": "moved away",
        "by": STAFF,
        "key": key(),
    }
    given |= wish
    by, used = given.pop("by"), given.pop("key")
    with pytest.raises(refused):
        await run(RefundPayment(**given), by, used)
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert await refund.of_payments([begun.id]) == {}
    assert gateway().refunded == []


# ------------------------------------------------------------------------------- messages


async def test_a_dispute_that_names_only_what_was_captured_finds_its_payment() -> None:
    ada: Client = await a_client()
    begun = await ada.begin(await ada.funds())
    amount = Money(2500, "USD")
    nameless = GatewayEvent(key(), Kind.DISPUTED, "", "dp-9", amount, capture=f"c-{begun.id.hex}")
    await tell(begun, nameless)
    assert await ada.amounts() == (0, 0, 0, 0)
    await tell(begun, captured(begun, reference=f"c-{begun.id.hex}"))
    await sql.execute("UPDATE receipt SET next_try_at = $1 WHERE state = 'PARKED'", clock.now())
    await inbox.retry_parked()
    taken = await now(begun)
    assert (taken.received, taken.taken_back, taken.disputed) == (2500, 2500, True)
