"""What really came in is what is booked, whatever was expected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models import clock
from models.db import record, sql
from models.errors import InvoiceNotPayable, PaymentNotCancelable
from models.gateway import EventKind as Kind
from models.gateway import GatewayEvent
from models.journal.command import run
from models.money import MINOR_MAX, Money
from models.payments import inbox
from models.payments.follow_up import CancelPayment
from models.payments.payment import Payment
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, a_client, captured, event, now, tell
from tests.support.providers import gateway, key

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.usefixtures("provider")


async def _messages(payment: Any) -> list[tuple[str, str]]:
    """The state and note of what is kept about a payment (or a text that names one)."""
    named = payment.public_id if isinstance(payment, Payment) else payment
    rows = await sql.fetch(
        "SELECT state, note FROM receipt WHERE payment_ref = $1 ORDER BY created_at, id", named
    )
    return [(row["state"], row["note"]) for row in rows]


async def test_a_deposit_is_credited_when_it_is_captured() -> None:
    ada = await a_client()
    bill = await ada.funds(2500)
    begun = await ada.begin(bill)
    assert (await ada.balance()).pending == 2500
    await tell(begun, event(begun, Kind.PROCESSING))
    assert (await now(bill)).status == "PROCESSING"
    assert await ada.amounts() == (0, 0, 0, 0)
    await tell(begun, captured(begun))
    paid = await now(bill)
    assert (paid.status, paid.amount_paid) == ("PAID", 2500)
    (line,) = await ada.lines()
    assert (line.kind, line.amount, line.version, line.note) == ("DEPOSIT", 2500, 1, bill.number)
    assert (await ada.balance()).pending == 0


async def test_a_fee_is_on_top_and_is_no_credit() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500, "paid-card")
    assert (begun.charged, begun.received, begun.fee_taken, begun.applied) == (2530, 2530, 30, 2500)
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_an_underpaid_deposit_is_credited_at_once_and_its_rest_stays_due() -> None:
    ada = await a_client()
    bill = await ada.funds(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun, 1000))
    left = await now(bill)
    assert (left.status, left.amount_due) == ("UNPAID", 1500)
    assert await ada.amounts() == (1000, 0, 0, 0)
    again = await ada.begin(left)
    assert again.amount == 1500
    await tell(again, captured(again))
    assert (await now(bill)).status == "PAID"
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_an_underpaid_order_stays_open_and_credit_pays_the_rest() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun, 1900))
    await ada.given(600)
    assert (await ada.spend(bill)).status == "PAID"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_what_is_overpaid_becomes_credit_on_a_line_of_its_own() -> None:
    ada = await a_client()
    deposit, bill = await ada.funds(2500), await ada.order(2500)
    for begun in (await ada.begin(deposit), await ada.begin(bill)):
        await tell(begun, captured(begun, 2600))
    assert [(line.kind, line.amount) for line in await ada.lines()] == [
        ("DEPOSIT", 2500),
        ("OVERPAYMENT", 100),
        ("OVERPAYMENT", 100),
    ]


async def test_two_captures_of_one_payment_are_both_booked() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill, "bank")
    await tell(begun, captured(begun, 1500), captured(begun, 1500))
    assert (await now(bill)).status == "PAID"
    assert await ada.amounts() == (500, 0, 0, 0)


async def test_a_capture_for_a_paid_invoice_is_credit() -> None:
    ada = await a_client()
    await ada.given(2500)
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    assert (await ada.spend(bill)).status == "PAID"
    assert (await now(begun)).status == "CANCELED"
    await tell(begun, captured(begun))
    assert (await now(begun)).status == "SUCCEEDED"
    assert (await ada.kinds())[-1] == "OVERPAYMENT"
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_capture_for_a_void_invoice_is_credit() -> None:
    ada = await a_client()
    bill = await ada.funds(2500)
    begun = await ada.begin(bill)
    await tell(begun, event(begun, Kind.EXPIRED))
    await run(VoidInvoice(bill.id, "mistake"), STAFF, key())
    await tell(begun, captured(begun))
    void = await now(bill)
    assert (void.status, void.amount_paid) == ("VOID", 0)
    assert await ada.kinds() == ["OVERPAYMENT"]


async def test_one_invoice_paid_through_two_gateways_makes_credit_of_the_second() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    first = await ada.begin(bill)
    second = await ada.begin(bill, "bank")
    assert (await now(first)).status == "CANCELED"
    await tell(second, captured(second))
    await tell(first, captured(first))
    assert (await now(bill)).amount_paid == 2500
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert await ada.kinds() == ["OVERPAYMENT"]


@pytest.mark.parametrize("before", [Kind.FAILED, Kind.EXPIRED, Kind.CANCELED])
async def test_a_capture_beats_what_was_said_before_it(before: Kind) -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, event(begun, before), captured(begun))
    paid = await now(begun)
    assert (paid.status, paid.failure) == ("SUCCEEDED", None)
    assert (await now(bill)).status == "PAID"


@pytest.mark.parametrize("after", [Kind.PROCESSING, Kind.FAILED, Kind.EXPIRED, Kind.CANCELED])
async def test_nothing_said_after_a_capture_undoes_it(after: Kind) -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun), event(begun, after))
    assert ((await now(begun)).status, (await now(bill)).status) == ("SUCCEEDED", "PAID")
    told = await sql.fetch("SELECT kind FROM event WHERE subject_id = $1 ORDER BY id", begun.id)
    assert [row["kind"] for row in told] == ["payment.begun", "payment.succeeded"]


async def test_a_failure_says_why() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.order())
    no = GatewayEvent(key(), Kind.FAILED, begun.public_id, failure="insufficient_funds")
    await tell(begun, no)
    assert (await now(begun)).failure == "insufficient_funds"


async def test_an_invoice_that_is_paid_is_not_paid_again() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun))
    with pytest.raises(InvoiceNotPayable) as refusal:
        await ada.begin(bill)
    assert refusal.value.facts == {"status": "PAID"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"amount": Money(2500, "JPY")}, "another currency than the payment's"),
        ({"amount": Money(0, "USD")}, "no amount that can be booked"),
        ({"amount": Money(-2500, "USD")}, "no amount that can be booked"),
        ({"amount": Money(MINOR_MAX + 1, "USD")}, "no amount that can be booked"),
        ({"amount": None}, "no amount that can be booked"),
        ({"reference": ""}, "no reference of the capture, refund or dispute"),
    ],
)
async def test_money_that_cannot_be_booked_is_put_aside(change: dict[str, Any], why: str) -> None:
    ada = await a_client()
    bill = await ada.funds(2500)
    begun = await ada.begin(bill)
    facts = {"reference": key(), "amount": Money(2500, "USD"), **change}
    await tell(begun, GatewayEvent(key(), Kind.CAPTURED, begun.public_id, **facts))
    assert await _messages(begun) == [("QUARANTINED", why)]
    assert (await now(begun)).status == "REQUIRES_ACTION"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_news_of_another_gateways_payment_is_put_aside() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds(2500))
    await inbox.take_in("bank", [captured(begun)])
    assert await _messages(begun) == [("QUARANTINED", "a payment of another gateway")]
    assert await ada.amounts() == (0, 0, 0, 0)


@pytest.mark.parametrize("name", ["", "pay_", "inv_0123", "pay_" + "g" * 32, "x" * 1000])
async def test_news_of_what_is_no_payment_is_put_aside(name: str) -> None:
    await inbox.take_in("card", [GatewayEvent(key(), Kind.FAILED, name)])
    kept = await _messages(name[:255])
    assert kept[-1] == ("QUARANTINED", "no payment id of ours")


async def test_news_that_comes_before_its_payment_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    payment_id = record.new_id()
    early = Payment(id=payment_id, currency="USD", gateway="card")
    await tell(early, captured(early, 2500))
    assert await _messages(early) == [("PARKED", "no such payment yet")]
    begun = await _begun_as(payment_id, ada, monkeypatch)
    await sql.execute("UPDATE receipt SET next_try_at = $1 WHERE state = 'PARKED'", clock.now())
    assert await inbox.retry_parked() == 1
    assert await _messages(begun) == [("APPLIED", "")]
    assert await ada.amounts() == (2500, 0, 0, 0)


async def _begun_as(payment_id: UUID, ada: Any, monkeypatch: pytest.MonkeyPatch) -> Payment:
    bill = await ada.funds(2500)
    with monkeypatch.context() as patch:
        patch.setattr("models.journal.command.new_id", lambda: payment_id)
        begun: Payment = await ada.begin(bill)
    return begun


async def test_news_of_a_payment_that_never_comes_is_put_aside_in_the_end() -> None:
    never = Payment(id=record.new_id(), currency="USD", gateway="card")
    await tell(never, captured(never, 2500))
    await sql.execute(
        "UPDATE receipt SET created_at = $1, next_try_at = $1 WHERE state = 'PARKED'",
        clock.now() - timedelta(days=8),
    )
    await inbox.retry_parked()
    assert await _messages(never) == [("QUARANTINED", "no such payment")]


async def test_news_whose_booking_failed_is_kept_and_booked_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process died, or the database went away, between the message and the ledger."""
    ada = await a_client()
    begun = await ada.begin(await ada.funds(2500))

    def dies(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "advance", dies)
        await tell(begun, captured(begun))
    assert await _messages(begun) == [("STORED", "")]
    assert await ada.amounts() == (0, 0, 0, 0)
    assert await inbox.retry_parked() >= 1
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_what_a_gateway_ignores_is_kept_and_changes_nothing() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds(2500))
    await tell(begun, event(begun, Kind.IGNORED))
    assert await _messages(begun) == [("IGNORED", "")]
    assert (await now(begun)).heard_at is None


async def test_a_capture_that_came_while_the_client_canceled_is_booked() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds(2500))
    gateway().events = [captured(begun)]
    with pytest.raises(PaymentNotCancelable):
        await run(CancelPayment(begun.id), ada.actor, key())
    assert (await now(begun)).status == "SUCCEEDED"
    assert await ada.amounts() == (2500, 0, 0, 0)
