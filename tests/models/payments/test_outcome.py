"""Payments that their gateway cannot end any more, and what staff say came of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models import clock
from models.access.identity import Actor, Role
from models.db import record, sql
from models.errors import (
    Forbidden,
    GatewayNotAvailable,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    NotRefundable,
    PaymentNotCancelable,
)
from models.gateway import EventKind as Kind
from models.gateway import GatewayDeclined, GatewayEvent, PaymentOrder
from models.invoices import invoice
from models.journal import audit_log
from models.journal.command import run
from models.money import Money
from models.payments import follow_up, outcome, reconcile, refund
from models.payments.ask_refund import RefundPayment
from models.payments.diagnosis import Stage, diagnose
from models.payments.follow_up import CancelPayment
from models.payments.locked import with_invoice
from models.payments.outcome import RecordOutcome
from models.payments.payment import of_invoices
from models.payments.settlement import payment_of
from models.provider import provider as the_provider
from tests.support.factories import STAFF, Client, a_client, captured, event, now, tell
from tests.support.providers import gateway, key, wire_provider

if TYPE_CHECKING:
    from models.payments.payment import Payment
    from models.payments.refund import Refund

pytestmark = pytest.mark.usefixtures("provider")


@pytest.fixture(autouse=True)
async def nothing_else_waits(provider: object) -> None:  # noqa: ARG001 - opens the books
    """Other tests' payments and refunds are not asked about."""
    await sql.execute("UPDATE payment SET next_check_at = NULL")
    await sql.execute("UPDATE refund SET next_check_at = NULL")


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it, and cards are not configured any more; call it with the wired of before to undo."""

    def leave(*codes: str) -> None:
        wired = the_provider.provider()
        kept = {code: one for code, one in wired.gateways.items() if code not in codes}
        monkeypatch.setattr(the_provider, "_provider", replace(wired, gateways=kept))

    return leave


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it, and all gateways are configured again."""
    return lambda: wire_provider(monkeypatch)


async def said(payment: Payment, *, captured: bool, **how: Any) -> Payment:
    reason = how.get("reason", "Read in the old dashboard")
    asked = outcome.RecordOutcome(payment.id, captured=captured, reason=reason)
    return await run(asked, how.get("by", STAFF), how.get("key") or key())


async def refunded(payment: Payment, minor: int) -> Refund:
    amount = Money(minor, payment.currency)
    return await run(
        RefundPayment(payment.id, amount.amount, amount.currency, "asked"), STAFF, key()
    )


async def due(record: Payment | Refund) -> None:
    """Its next check is due."""
    await sql.execute(
        f"UPDATE {sql.table_of(type(record))} SET next_check_at = $2 WHERE id = $1",
        record.id,
        clock.now() - timedelta(seconds=1),
    )


async def a_split(ada: Client, minor: int = 2500) -> Payment:
    """A payment of which 10.00 is credit, held for it."""
    await ada.given(1000)
    return await ada.begin(await ada.order(minor), credit_limit=1000)


async def settlements(payment: Payment) -> list[tuple[str, str, int]]:
    rows = await sql.fetch(
        "SELECT kind, reference, amount FROM settlement WHERE payment_id = $1 ORDER BY id",
        payment.id,
    )
    return [(row["kind"], row["reference"], row["amount"]) for row in rows]


# ------------------------------------------------------------------------------- the others go on


async def test_a_gateway_that_is_gone_does_not_keep_the_others_from_being_asked(gone: Any) -> None:
    ada = await a_client()
    lost = await ada.begin(await ada.funds())
    kept = await ada.begin(await ada.funds(gateway="paid-card"), "paid-card")
    gateway("paid-card").events = [captured(kept)]
    gone("card")
    for payment in (lost, kept):
        await due(payment)
    assert await reconcile.check_payments() == 1
    assert [(await now(one)).status for one in (lost, kept)] == ["REQUIRES_ACTION", "SUCCEEDED"]
    assert (await now(lost)).checks == 0


async def test_a_gateway_that_comes_back_is_asked_at_once(gone: Any, back: Any) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    await due(begun)
    assert await reconcile.check_payments() == 0
    back()
    gateway().events = [captured(begun)]
    assert await reconcile.check_payments() == 1
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_without_any_gateway_nothing_is_asked(gone: Any) -> None:
    ada = await a_client()
    await due(await ada.begin(await ada.funds()))
    gone(*the_provider.provider().gateways)
    assert (await reconcile.check_payments(), await reconcile.check_refunds()) == (0, 0)


@pytest.mark.parametrize("trouble", [ValueError("a bug"), GatewayDeclined("not_known")])
async def test_an_adapter_that_breaks_on_one_payment_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    ada = await a_client()
    bad, good = [await ada.begin(await ada.funds()) for _ in range(2)]
    gateway().events = [captured(good)]
    fetch = gateway().fetch

    async def broken(order: PaymentOrder) -> list[GatewayEvent]:
        if order.id == bad.public_id:
            raise trouble
        return await fetch(order)

    monkeypatch.setattr(gateway(), "fetch", broken)
    for payment in (bad, good):
        await due(payment)
    assert await reconcile.check_payments() == 2
    assert (await now(good)).status == "SUCCEEDED"


async def test_a_gateway_that_says_no_when_asked_ends_the_payment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    begun = await a_split(ada)
    assert await ada.amounts() == (0, 1000, 0, 0)

    async def no(_order: PaymentOrder) -> list[GatewayEvent]:
        raise GatewayDeclined("account_closed")

    monkeypatch.setattr(gateway(), "fetch", no)
    ended = await follow_up.recheck(begun.id, by=ada.actor)
    assert (ended.status, ended.failure) == ("FAILED", "account_closed")
    assert await ada.amounts() == (1000, 0, 0, 0)
    await tell(begun, captured(begun))  # and money beats it, as always
    assert (await now(begun)).status == "SUCCEEDED"


async def test_a_gateway_that_says_no_to_canceling_leaves_the_payment_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    begun = await a_split(ada)

    async def no(_order: PaymentOrder) -> list[GatewayEvent]:
        raise GatewayDeclined("already_sent")

    monkeypatch.setattr(gateway(), "cancel", no)
    with pytest.raises(PaymentNotCancelable):
        await run(CancelPayment(begun.id), ada.actor, key())
    await sql.execute(
        "UPDATE payment SET expires_at = $2 WHERE id = $1",
        begun.id,
        clock.now() - timedelta(minutes=1),
    )
    await due(begun)
    assert await reconcile.check_payments() == 1
    assert (await now(begun)).status == "REQUIRES_ACTION"
    assert await ada.amounts() == (0, 1000, 0, 0)


async def test_refunds_at_a_gateway_that_is_gone_wait_and_the_others_go_on(gone: Any) -> None:
    ada = await a_client()
    asked = []
    for code in ("card", "paid-card"):
        gateway(code).refunds_are = Kind.REFUND_PENDING
        paid = await ada.deposit(2500, code)
        asked.append(await refunded(paid, 1000))
        gateway(code).refunds_are = Kind.REFUNDED
    gone("card")
    for one in asked:
        await due(one)
    assert await reconcile.check_refunds() == 1
    assert [(await now(one)).status for one in asked] == ["PENDING", "SUCCEEDED"]
    bill = await invoice.read((await with_invoice(asked[0].payment_id))[1].id)
    assert bill is not None
    [payment] = (await of_invoices([bill.id]))[bill.id]
    waiting = (await refund.of_payments([payment.id]))[payment.id]
    told = diagnose(bill, [payment], waiting)
    assert (told.stage, told.reason) == (Stage.SETTLED, "refund_abandoned")


# ------------------------------------------------------------------------------- what staff say


async def test_a_deposit_that_was_captured_is_credit_less_its_fee(gone: Any) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds(gateway="paid-card"), "paid-card")
    gone("paid-card")
    ended = await said(begun, captured=True)
    assert (ended.status, ended.received, ended.fee_taken) == ("SUCCEEDED", 2530, 30)
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert await ada.kinds() == ["DEPOSIT"]
    assert await settlements(begun) == [("CAPTURED", begun.public_id, 2530)]


async def test_an_order_that_was_captured_is_paid_with_the_credit_that_was_held(gone: Any) -> None:
    ada = await a_client()
    begun = await a_split(ada)
    gone("card")
    assert (await said(begun, captured=True)).status == "SUCCEEDED"
    bill = (await with_invoice(begun.id))[1]
    assert (bill.status, bill.credit_applied, bill.amount_paid) == ("PAID", 1000, 2500)
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_what_was_not_captured_frees_the_credit_that_was_held(gone: Any) -> None:
    ada = await a_client()
    begun = await a_split(ada)
    gone("card")
    assert (await said(begun, captured=False)).status == "CANCELED"
    bill = (await with_invoice(begun.id))[1]
    assert (bill.status, bill.amount_paid) == ("UNPAID", 0)
    assert await ada.amounts() == (1000, 0, 0, 0)
    assert await settlements(begun) == []


async def test_a_late_message_of_the_capture_that_was_recorded_books_nothing(
    gone: Any, back: Any
) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    await said(begun, captured=True)
    back()
    for minor in (2500, 2600):
        await tell(begun, captured(begun, minor, "ch_1"))
    await tell(begun, event(begun, Kind.FAILED))
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert (await now(begun)).received == 2500
    own = ("CAPTURED", begun.public_id, 2500)
    assert await settlements(begun) == [own, ("CONFIRMED", "ch_1", 2500)]
    assert await payment_of("card", Kind.CAPTURED, "ch_1") == begun.id


async def test_another_capture_beside_the_one_that_was_recorded_is_more_money(
    gone: Any, back: Any
) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    await said(begun, captured=True)
    back()
    for reference in ("ch_2", "ch_3", "ch_2", "ch_3"):
        await tell(begun, captured(begun, 2500, reference))
    assert await ada.amounts() == (5000, 0, 0, 0)
    assert await ada.kinds() == ["DEPOSIT", "OVERPAYMENT"]


async def test_a_late_capture_of_what_was_said_not_to_be_captured_counts(
    gone: Any, back: Any
) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    await said(begun, captured=False)
    back()
    await tell(begun, captured(begun))
    assert (await now(begun)).status == "SUCCEEDED"
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_payment_that_was_given_up_is_given_up_at_its_gateway_when_it_is_back(
    gone: Any, back: Any
) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    await said(begun, captured=False)
    assert await reconcile.check_payments() == 0
    back()
    gateway().events = [captured(begun)]
    assert await reconcile.check_payments() == 1
    assert (await now(begun)).status == "SUCCEEDED"


async def test_a_payment_that_stays_processing_is_ended_though_its_gateway_is_there() -> None:
    ada = await a_client()
    begun, other = [await ada.begin(await ada.funds()) for _ in range(2)]
    for payment in (begun, other):
        await tell(payment, event(payment, Kind.PROCESSING))
    assert (await said(begun, captured=True)).status == "SUCCEEDED"
    assert (await said(other, captured=False)).status == "CANCELED"
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_dispute_and_a_refund_of_what_was_recorded_are_booked(gone: Any, back: Any) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    await said(begun, captured=True)
    with pytest.raises(NotRefundable):
        await refunded(begun, 500)
    back()
    with pytest.raises(NotRefundable):  # it has not said what the capture is called
        await refunded(begun, 500)
    await tell(begun, captured(begun, 2500, "ch_9"))
    await refunded(begun, 500)
    assert gateway().refunded[-1].capture == "ch_9"
    about = replace(event(begun, Kind.DISPUTED, "dp_9", 1000), payment="", capture="ch_9")
    await tell(begun, about)
    assert await ada.amounts() == (1000, 0, 0, 0)


# ------------------------------------------------------------------------------- once


async def test_staff_and_the_gateway_at_once_book_it_once() -> None:
    for _ in range(5):
        ada = await a_client()
        begun = await ada.begin(await ada.funds())
        await tell(begun, event(begun, Kind.PROCESSING))
        real = captured(begun)
        done = await asyncio.gather(
            said(begun, captured=True),
            *(tell(begun, real) for _ in range(3)),
            said(begun, captured=True),
            return_exceptions=True,
        )
        refused = [one for one in done if isinstance(one, BaseException)]
        assert all(isinstance(one, PaymentNotCancelable) for one in refused)
        assert await ada.amounts() == (2500, 0, 0, 0)
        assert (await now(begun)).received == 2500


async def test_the_same_click_ends_it_once_and_another_one_is_refused(gone: Any) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    click = key()
    both = await asyncio.gather(*(said(begun, captured=True, key=click) for _ in range(2)))
    assert {one.status for one in both} == {"SUCCEEDED"}
    with pytest.raises(IdempotencyKeyReused):
        await said(begun, captured=False, key=click)
    for captured_ in (True, False):
        with pytest.raises(PaymentNotCancelable):
            await said(begun, captured=captured_)
    assert await ada.amounts() == (2500, 0, 0, 0)
    rows = await audit_log.AuditEntry.filter(subject=begun.public_id)
    assert [(row.action, row.user_id) for row in rows] == [("payment.outcome", STAFF.user_id)]
    assert rows[0].details["reason"] == "Read in the old dashboard"


# ------------------------------------------------------------------------------- who, and which


@pytest.mark.parametrize("status", ["CREATED", "REQUIRES_ACTION"])
async def test_what_a_gateway_can_still_end_is_left_to_it(status: str) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    await sql.execute("UPDATE payment SET status = $2 WHERE id = $1", begun.id, status)
    for captured_ in (True, False):
        with pytest.raises(PaymentNotCancelable):
            await said(begun, captured=captured_)
    assert ((await now(begun)).status, await settlements(begun)) == (status, [])


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.CANCELED, Kind.EXPIRED])
async def test_what_has_ended_stays_as_it_is(gone: Any, kind: Kind) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    await tell(begun, event(begun, kind))
    gone("card")
    with pytest.raises(PaymentNotCancelable):
        await said(begun, captured=True)
    assert ((await now(begun)).status, await ada.amounts()) == (kind.value, (0, 0, 0, 0))


async def test_only_staff_say_what_came_of_a_payment(gone: Any) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    partner = Actor(role=Role.PARTNER, user_id=record.new_id())
    for who in (ada.actor, partner):
        with pytest.raises(Forbidden):
            await said(begun, captured=True, by=who)
    with pytest.raises(NotFound):
        await run(RecordOutcome(record.new_id(), captured=True, reason="x"), STAFF, key())
    for reason in ("", "  ", "x" * 501, "\0"):
        with pytest.raises(Invalid):
            await said(begun, captured=True, reason=reason)
    assert ((await now(begun)).status, await settlements(begun)) == ("REQUIRES_ACTION", [])


async def test_staff_cancel_what_nobody_else_can(gone: Any) -> None:
    ada = await a_client()
    begun, processing = await a_split(ada), await ada.begin(await ada.funds())
    await tell(processing, event(processing, Kind.PROCESSING))
    gone("card")
    with pytest.raises(GatewayNotAvailable):
        await run(CancelPayment(begun.id), ada.actor, key())
    assert await ada.amounts() == (0, 1000, 0, 0)
    for payment in (begun, processing):
        assert (await run(CancelPayment(payment.id), STAFF, key())).status == "CANCELED"
        [entry] = await audit_log.AuditEntry.filter(subject=payment.public_id)
        assert entry.action == "payment.cancel"
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_asking_a_gateway_that_is_gone_is_refused_in_words(gone: Any) -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    gone("card")
    with pytest.raises(GatewayNotAvailable) as refused:
        await follow_up.recheck(begun.id, by=ada.actor)
    assert refused.value.field == ("payment_id",)
    await follow_up.came_back(begun.id)  # the browser of a client goes on to where it was going
    bill = (await with_invoice(begun.id))[1]
    told = diagnose(bill, [begun])
    assert (told.stage, told.reason) == (Stage.AWAITING_GATEWAY, "abandoned")
    assert told.next_check_at is None
