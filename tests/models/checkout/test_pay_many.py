"""One payment for several invoices: the money of each is counted once, whatever comes between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from models.audit import audit
from models.checkout.pay_many import PaidMany, PayInvoices
from models.checkout.preview import preview_payment
from models.db import sql
from models.errors import (
    InsufficientCredit,
    Invalid,
    InvoiceNotPayable,
    NotAllowed,
    NotFound,
    NotRefundable,
    PaymentInProgress,
    PriceChanged,
    Refusal,
)
from models.gateway import EventKind
from models.journal import outbox
from models.journal.command import run
from models.journal.outbox import Event
from models.payments import payment as payments
from models.payments import refund_call
from models.payments.ask_refund import RefundPayment
from models.payments.diagnosis import diagnose
from models.payments.follow_up import CancelPayment
from models.payments.void import VoidInvoice
from tests.support.bank.imports import a_day, counts, paid
from tests.support.factories import STAFF, Client, a_client, captured, event, now, tell
from tests.support.providers import gateway, key
from tests.support.refunds import heard

if TYPE_CHECKING:
    from uuid import UUID

    from models.invoices.invoice import Invoice
    from models.payments.payment import Payment

pytestmark = pytest.mark.usefixtures("provider")


async def bills(ada: Client, *amounts: int) -> list[Invoice]:
    """Orders, of which the last is due first."""
    days = len(amounts)
    moment = datetime.now(UTC)
    return [
        await ada.order(amount, due_at=moment + timedelta(days=days - n))
        for n, amount in enumerate(amounts)
    ]


async def pay(ada: Client, some: list[Invoice], **wish: Any) -> PaidMany:
    by, used = wish.pop("by", ada.actor), wish.pop("key", None) or key()
    return await run(PayInvoices(tuple(one.id for one in some), **wish), by, used)


async def begin(ada: Client, some: list[Invoice], **wish: Any) -> Payment:
    begun = (await pay(ada, some, **{"gateway": "card", **wish})).payment
    assert begun is not None
    return begun


async def state(*some: Invoice) -> list[tuple[str, int]]:
    """The status of each, and what is due."""
    return [(one.status, one.amount_due) for one in [await now(each) for each in some]]


async def applied(begun: Payment) -> list[int]:
    return [one.applied for one in (await now(begun)).allocations]


async def test_several_invoices_are_one_payment_with_one_fee() -> None:
    ada = await a_client()
    late, early = await bills(ada, 2000, 1500)
    begun = await begin(ada, [late, early], gateway="paid-card")
    assert (begun.amount, begun.fee, begun.charged) == (3500, 30, 3530)
    assert begun.invoice_id == early.id, "the one that is due first"
    parts = [(one.invoice_id, one.amount) for one in begun.allocations]
    assert parts == [(early.id, 1500), (late.id, 2000)]
    await tell(begun, captured(begun))
    assert await state(late, early) == [("PAID", 0), ("PAID", 0)]
    for bill in (late, early):
        [its] = (await payments.of_invoices([bill.id]))[bill.id]
        assert its.id == begun.id
    assert (await ada.amounts())[0] == 0


async def test_credit_alone_pays_several_at_once() -> None:
    ada = await a_client()
    await ada.given(4000)
    some = await bills(ada, 2000, 1500)
    paid = await pay(ada, some, use_credit=True)
    assert paid.payment is None
    assert [one.status for one in paid.invoices] == ["PAID", "PAID"]
    assert (await ada.amounts())[0] == 500
    with pytest.raises(InvoiceNotPayable):
        await pay(ada, some, use_credit=True)


async def test_credit_that_is_not_enough_pays_nothing_without_a_gateway() -> None:
    ada = await a_client()
    await ada.given(3499)
    some = await bills(ada, 2000, 1500)
    with pytest.raises(InsufficientCredit):
        await pay(ada, some, use_credit=True)
    assert await state(*some) == [("UNPAID", 2000), ("UNPAID", 1500)]


async def test_a_smaller_capture_fills_in_order_and_the_rest_stays_due() -> None:
    ada = await a_client()
    third, second, first = await bills(ada, 1000, 1000, 1000)
    begun = await begin(ada, [third, second, first])
    await tell(begun, captured(begun, 1400))
    assert await state(first, second, third) == [("PAID", 0), ("UNPAID", 600), ("UNPAID", 1000)]
    assert await applied(begun) == [1000, 400, 0]
    await tell(begun, captured(begun, 1700))
    assert await state(first, second, third) == [("PAID", 0)] * 3
    assert (await ada.amounts())[0] == 100, "what is too much is credit"


async def test_the_credit_part_is_of_the_first_and_is_spent_with_the_capture() -> None:
    ada = await a_client()
    await ada.granted(300)
    await ada.given(1000)
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first], use_credit=True)
    parts = [(one.credit_part, one.amount) for one in begun.allocations]
    assert parts == [(1000, 0), (300, 1700)]
    assert await ada.amounts() == (0, 1300, 0, 0)
    await tell(begun, captured(begun))
    assert await state(first, second) == [("PAID", 0), ("PAID", 0)]
    assert (await now(first)).credit_applied == 1000
    assert (await now(second)).credit_applied == 300
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await ada.kinds()).count("INVOICE_PAYMENT") == 2


async def test_one_that_is_paid_meanwhile_cancels_the_payment_and_a_late_capture_counts() -> None:
    ada = await a_client()
    await ada.given(1000)
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first])
    await ada.spend(first)
    assert (await now(begun)).status == "CANCELED"
    assert await state(first, second) == [("PAID", 0), ("UNPAID", 2000)]
    await tell(begun, captured(begun))
    assert await state(first, second) == [("PAID", 0), ("PAID", 0)]
    assert await applied(begun) == [0, 2000]
    assert (await ada.amounts())[0] == 1000, "what the first one had no use for"


async def test_while_it_is_processing_each_of_them_waits_and_failing_frees_all() -> None:
    ada = await a_client()
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first])
    await tell(begun, event(begun, EventKind.PROCESSING))
    assert await state(first, second) == [("PROCESSING", 1000), ("PROCESSING", 2000)]
    with pytest.raises(PaymentInProgress):
        await ada.pay(second, gateway="card")
    with pytest.raises(PaymentInProgress) as refused:
        await pay(ada, [first, second], gateway="card")
    assert refused.value.field == ("invoice_ids", "0")
    with pytest.raises(PaymentInProgress):
        await run(VoidInvoice(second.id, "x"), STAFF, key())
    await tell(begun, event(begun, EventKind.FAILED))
    assert await state(first, second) == [("UNPAID", 1000), ("UNPAID", 2000)]


async def test_canceling_frees_the_credit_of_all() -> None:
    ada = await a_client()
    await ada.given(1200)
    some = await bills(ada, 2000, 1000)
    begun = await begin(ada, some, use_credit=True)
    await run(CancelPayment(begun.id), ada.actor, key())
    assert (await now(begun)).status == "CANCELED"
    assert await ada.amounts() == (1200, 0, 0, 0)


async def test_a_late_capture_says_what_credit_it_has_spent_and_not_what_it_was_to_spend() -> None:
    ada = await a_client()
    await ada.given(1200)
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first], use_credit=True)
    await run(CancelPayment(begun.id), ada.actor, key())
    await ada.spend(await ada.order(1100))
    await tell(begun, captured(begun))
    parts = [(one.credit_part, one.applied) for one in (await now(begun)).allocations]
    assert parts == [(100, 0), (0, 1800)]
    assert await state(first, second) == [("UNPAID", 900), ("UNPAID", 200)]


async def test_a_void_gives_back_its_own_part_alone() -> None:
    ada = await a_client()
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first])
    await tell(begun, captured(begun))
    await run(VoidInvoice(second.id, "x"), STAFF, key())
    assert await state(first, second) == [("PAID", 0), ("VOID", 2000)]
    assert await applied(begun) == [1000, 0]
    assert (await ada.amounts())[0] == 2000
    paid = await now(begun)
    assert (paid.applied, paid.excess) == (1000, 2000)
    await tell(begun, event(begun, EventKind.DISPUTED, key(), 3000))
    assert await state(first, second) == [("UNPAID", 1000), ("VOID", 2000)]


async def test_money_taken_back_is_missing_on_the_last_first_and_reinstated_in_order() -> None:
    ada = await a_client()
    third, second, first = await bills(ada, 1000, 1000, 1000)
    begun = await begin(ada, [third, second, first])
    await tell(begun, captured(begun))
    dispute = key()
    await tell(begun, event(begun, EventKind.DISPUTED, dispute, 1400))
    assert await state(first, second, third) == [("PAID", 0), ("UNPAID", 400), ("UNPAID", 1000)]
    assert (await audit()).findings == []
    await tell(begun, event(begun, EventKind.DISPUTE_WON, dispute, 1400))
    assert await state(first, second, third) == [("PAID", 0)] * 3


async def refund(begun: Payment, bill: Invoice | None, minor: int | None = None) -> Any:
    amount = None if minor is None else Decimal(minor) / 100
    wish = RefundPayment(begun.id, amount, None, "x", invoice_id=bill.id if bill else None)
    return await run(wish, STAFF, key())


async def test_a_refund_names_its_invoice_and_is_missing_there() -> None:
    ada = await a_client()
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first], gateway="paid-card")
    await tell(begun, captured(begun))
    with pytest.raises(Invalid) as refused:
        await refund(begun, None)
    assert refused.value.field == ("invoice_id",)
    with pytest.raises(NotFound):
        await refund(begun, await ada.order(700))
    with pytest.raises(Refusal):
        await refund(begun, first, 1001)
    given = await refund(begun, first, 400)
    assert given.amount == 400
    assert await state(first, second) == [("UNPAID", 400), ("PAID", 0)]
    await refund(begun, first)
    assert await state(first, second) == [("UNPAID", 1000), ("PAID", 0)]
    with pytest.raises(NotRefundable):
        await refund(begun, first)
    assert await applied(begun) == [0, 2000]
    await refund_call.ask_first(given.id, STAFF, key())


async def test_what_was_paid_too_much_is_refunded_without_naming_an_invoice() -> None:
    ada = await a_client()
    some = await bills(ada, 1500, 1000)
    begun = await begin(ada, some)
    await tell(begun, captured(begun, 4000))
    assert (await ada.amounts())[0] == 1500
    given = await refund(begun, None)
    assert given.amount == 1500
    assert await ada.amounts() == (0, 0, 0, 0)
    assert await state(*some) == [("PAID", 0), ("PAID", 0)]
    with pytest.raises(Invalid):  # there is no such money any more
        await refund(begun, None)


async def test_of_one_invoice_it_is_as_pay_invoice() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await begin(ada, [bill])
    assert (begun.several, begun.allocations, begun.invoice_ids) == (False, (), [bill.id])
    await tell(begun, captured(begun))
    assert await state(bill) == [("PAID", 0)]
    deposit = await ada.funds(2500)
    assert (await begin(ada, [deposit])).amount == 2500


async def test_what_cannot_be_paid_together_is_refused_at_the_invoice() -> None:
    ada, bob = await a_client(), await a_client()
    one, two = await bills(ada, 2000, 1000)
    other, deposit = await bob.order(700), await ada.funds(2500)
    for some, refusal, at in (
        ([], Invalid, ("invoice_ids",)),
        ([one] * 51, Invalid, ("invoice_ids",)),
        ([one, two, one], Invalid, ("invoice_ids", "2")),
        ([one, other], NotFound, ("invoice_ids", "1")),
        ([one, deposit], NotAllowed, ("invoice_ids", "1")),
    ):
        with pytest.raises(refusal) as refused:
            await pay(ada, some, gateway="card")
        assert refused.value.field == at
    with pytest.raises(Invalid) as refused:
        await pay(ada, [one, other], gateway="card", by=STAFF)
    assert refused.value.field == ("invoice_ids", "1")
    found = await sql.fetch("SELECT id FROM payment WHERE account_id IN ($1, $2)", ada.id, bob.id)
    assert found == []


async def test_a_repeated_key_is_answered_alike_and_a_quote_is_of_all() -> None:
    ada = await a_client()
    some, used = await bills(ada, 2000, 1000), key()
    ids = tuple(one.id for one in some)
    told = await preview_payment(PayInvoices(ids, gateway="card"), ada.actor)
    one = await preview_payment(PayInvoices(ids[:1], gateway="card"), ada.actor)
    with pytest.raises(PriceChanged):
        await pay(ada, some, gateway="card", quote=one.terms.quote)
    wish: dict[str, Any] = {"gateway": "card", "key": used, "quote": told.terms.quote}
    first, second = await pay(ada, some, **wish), await pay(ada, some, **wish)
    assert first.payment is not None
    assert second.payment is not None
    assert first.payment.id == second.payment.id
    assert len(await sql.fetch("SELECT id FROM payment WHERE account_id = $1", ada.id)) == 1


async def test_what_is_previewed_of_several_happens() -> None:
    draw = Random(15)
    for _ in range(8):
        ada = await a_client()
        if draw.random() < 0.7:
            await ada.given(draw.randint(1, 4000))
        some = await bills(ada, *(draw.randint(600, 2000) for _ in range(draw.randint(2, 5))))
        wish: dict[str, Any] = {"use_credit": draw.random() < 0.7, "gateway": "paid-card"}
        ids = tuple(one.id for one in some)
        told = await preview_payment(PayInvoices(ids, **wish), ada.actor)
        paid = await pay(ada, some, quote=told.terms.quote, **wish)
        if paid.payment is not None:
            assert paid.payment.charged == told.terms.charged
            await tell(paid.payment, captured(paid.payment))
        assert {status for status, _ in await state(*some)} == {"PAID"}
        assert (await ada.amounts())[0] == told.available_after


async def test_clicks_and_captures_at_once_count_each_invoice_once() -> None:
    ada = await a_client()
    await ada.given(1500)
    some = await bills(ada, 1000, 1000, 1000)
    begun = await begin(ada, some)
    told = captured(begun)
    await asyncio.gather(
        *(tell(begun, told) for _ in range(4)),
        *(tell(begun, captured(begun, 500)) for _ in range(2)),
        *(ada.spend(one) for one in some),
        *(pay(ada, some, use_credit=True, gateway="card") for _ in range(3)),
        *(ada.pay(one, gateway="card") for one in some),
        return_exceptions=True,
    )
    paid = await now(begun)
    assert paid.received == 4000
    assert sum(await applied(begun)) == paid.applied
    assert {status for status, _ in await state(*some)} == {"PAID"}
    total = 1500 + paid.received - 3000
    assert sum((await ada.amounts())[:2]) == total


async def test_the_fee_of_the_gateway_is_taken_once_of_captures_in_parts() -> None:
    ada = await a_client()
    second, first = await bills(ada, 2000, 1000)
    fee = gateway("paid-card").fee_minor
    begun = await begin(ada, [second, first], gateway="paid-card")
    for minor in (10, 1000, 20, 2000):
        await tell(begun, captured(begun, minor))
    paid = await now(begun)
    assert (paid.fee_taken, paid.applied, paid.excess) == (fee, 3000, 0)
    assert await state(first, second) == [("PAID", 0), ("PAID", 0)]


async def test_transfers_that_bring_less_fill_the_invoices_in_order() -> None:
    """One reference for all of them, whichever invoice the client thought of."""
    ada = await a_client()
    third, second, first = await bills(ada, 1000, 1000, 1000)
    begun = await begin(ada, [third, second, first], gateway="bank")
    day = a_day(paid(begun, 1400), paid(begun, 800))
    assert await counts(day.camt053(), day) == {"BOOKED": 2}
    assert await state(first, second, third) == [("PAID", 0), ("PAID", 0), ("UNPAID", 800)]
    assert await counts(day.mt940(), day) == {"KNOWN": 2}
    assert await applied(begun) == [1000, 1000, 200]
    rest = a_day(paid(begun, 900))
    assert await counts(rest.camt053(), rest) == {"BOOKED": 1}
    assert await state(third) == [("PAID", 0)]
    assert (await ada.amounts())[0] == 100
    assert (await audit()).findings == []


async def test_each_of_several_says_why_it_is_not_paid() -> None:
    ada = await a_client()
    second, first = await bills(ada, 2000, 1000)

    async def reasons() -> list[str]:
        found = []
        for bill in (first, second):
            its = (await payments.of_invoices([bill.id])).get(bill.id, [])
            found.append(diagnose(await now(bill), its).reason)
        return found

    assert await reasons() == ["not_started"] * 2
    begun = await begin(ada, [second, first], gateway="bank")
    assert await reasons() == ["awaiting_transfer"] * 2
    await tell(begun, captured(begun, 1500))
    assert await reasons() == ["paid", "underpaid"]
    await tell(begun, event(begun, EventKind.DISPUTED, key(), 1500))
    assert await reasons() == ["taken_back"] * 2


async def test_partners_hear_of_each_invoice_and_once_of_the_payment() -> None:
    ada = await a_client()
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first], gateway="paid-card")
    await tell(begun, captured(begun, 1530))
    await tell(begun, captured(begun, 1500))
    await refund(begun, second, 400)
    rows = await sql.fetch("SELECT * FROM event WHERE account_id = $1 ORDER BY id", ada.id)
    told = [sql.record_of(Event, row) for row in rows]
    of_payment = [one for one in told if one.kind.startswith("payment.")]
    assert [outbox.invoice_of(one) for one in of_payment] == [*[first.id] * 3, second.id]
    assert [one.kind for one in of_payment] == [
        "payment.begun",
        *["payment.succeeded"] * 2,
        "payment.refunded",
    ]
    paid_for = [one.subject_id for one in told if one.kind == "invoice.paid"]
    assert paid_for == [first.id, second.id]
    asked = [one.subject_id for one in told if one.data.get("refund")]
    assert asked == [second.id]


async def heard_by(ada: Client, work: Any) -> list[tuple[str, UUID | None]]:
    """The kinds of what partners hear of invoices and payments meanwhile, and of which invoice."""
    statement = "SELECT * FROM event WHERE account_id = $1 ORDER BY id"
    before = len(await sql.fetch(statement, ada.id))
    await work
    rows = (await sql.fetch(statement, ada.id))[before:]
    told = [sql.record_of(Event, row) for row in rows]
    return [(one.kind, of) for one in told if (of := outbox.invoice_of(one))]


async def test_money_that_moves_is_news_of_the_invoices_on_which_it_moved() -> None:
    ada = await a_client()
    third, second, first = await bills(ada, 1000, 1000, 1000)
    begun = await begin(ada, [third, second, first], gateway="card")
    succeeded = ("payment.succeeded", first.id)
    assert await heard_by(ada, tell(begun, captured(begun, 1400))) == [
        succeeded,
        ("invoice.paid", first.id),
        ("invoice.updated", second.id),
    ]
    assert await heard_by(ada, tell(begun, captured(begun, 600))) == [
        succeeded,
        ("invoice.paid", second.id),
    ]
    assert await heard_by(ada, tell(begun, captured(begun, 1500))) == [
        succeeded,
        ("invoice.paid", third.id),
    ]
    assert await heard_by(ada, tell(begun, captured(begun, 100))) == [succeeded]


async def test_what_becomes_of_a_refund_is_news_of_the_invoice_that_it_names() -> None:
    ada = await a_client()
    third, second, first = await bills(ada, 1000, 1000, 1000)
    begun = await begin(ada, [third, second, first])
    await tell(begun, captured(begun))
    gateway("card").refunds_are = EventKind.REFUND_PENDING
    asked = await refund(begun, second, 400)
    assert (await now(asked)).status == "PENDING"
    for kind, news in (
        (EventKind.REFUND_PENDING, [("invoice.updated", second.id)]),
        (
            EventKind.REFUNDED,
            [("payment.refunded", second.id), ("invoice.updated", second.id)],
        ),
        (EventKind.REFUND_FAILED, [("invoice.paid", second.id)]),
    ):
        told = heard(begun, asked, kind)
        if kind == EventKind.REFUND_PENDING:
            told = replace(told, reference="its name at last")
        assert await heard_by(ada, tell(begun, told)) == news
        assert await heard_by(ada, tell(begun, told)) == [], "it is no news again"
    at_the_gateway = event(begun, EventKind.REFUNDED, key(), 300)
    assert await heard_by(ada, tell(begun, at_the_gateway)) == [
        ("payment.refunded", third.id),
        ("invoice.updated", third.id),
    ]


async def test_what_becomes_of_the_payment_is_news_of_all_its_invoices() -> None:
    ada = await a_client()
    second, first = await bills(ada, 2000, 1000)
    begun = await begin(ada, [second, first])
    for kind, name in (
        (EventKind.PROCESSING, "payment.processing"),
        (EventKind.FAILED, "payment.failed"),
    ):
        assert await heard_by(ada, tell(begun, event(begun, kind))) == [
            (name, first.id),
            ("invoice.updated", first.id),
            ("invoice.updated", second.id),
        ]
