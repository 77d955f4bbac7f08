"""Invoices taken back: everything returns to where it came from."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models import clock
from models.access.identity import Actor, Role
from models.db import record, sql
from models.errors import Invalid, InvoiceNotVoidable, NotFound, PaymentInProgress
from models.gateway import EventKind as Kind
from models.invoices.invoice import Invoice
from models.journal.command import run
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, a_client, captured, event, now, tell
from tests.support.providers import key
from tests.support.refunds import heard, the_pending

pytestmark = pytest.mark.usefixtures("provider")


async def _void(bill: Invoice, reason: str = "a mistake", by: Actor = STAFF) -> Invoice:
    return await run(VoidInvoice(bill.id, reason), by, key())


async def test_credit_returns_to_the_grants_and_deposits_it_came_from() -> None:
    ada = await a_client()
    soon = clock.now() + timedelta(days=3)
    await ada.granted(500, soon)
    await ada.granted(500)
    await ada.given(1000)
    bill = await ada.order(1700)
    await ada.spend(bill)
    assert await ada.amounts() == (300, 0, 0, 0)
    await _void(bill)
    assert await ada.amounts() == (2000, 0, 1000, 0)
    amount, expires_at = (await ada.balance()).next_expiry or (0, None)
    assert (amount, expires_at) == (500, soon)
    line = (await ada.lines())[-1]
    assert (line.kind, line.amount, line.note) == ("INVOICE_PAYMENT_RETURNED", 1700, bill.number)


async def test_a_void_order_that_was_paid_has_a_credit_note_with_a_number_of_its_own() -> None:
    ada = await a_client()
    await ada.given(5000)
    paid, unpaid = await ada.order(2500), await ada.order(2500)
    await ada.spend(paid)
    void = await _void(paid)
    assert (void.status, void.amount_paid, void.credit_applied) == ("VOID", 0, 0)
    assert (void.void_reason, void.voided_at is not None) == ("a mistake", True)
    assert (void.credit_note_number or "").startswith("CN-")
    assert (await _void(unpaid)).credit_note_number is None


async def test_captured_money_of_a_void_order_becomes_credit() -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(2500)
    begun = await ada.begin(bill, use_credit=True)
    await tell(begun, captured(begun))
    await _void(bill)
    assert await ada.amounts() == (2500, 0, 0, 0)
    kept = await now(begun)
    assert (kept.applied, kept.excess) == (0, 1500)


async def test_the_gateway_takes_back_what_a_void_had_made_credit() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun))
    await _void(bill)
    await tell(begun, event(begun, Kind.REFUNDED, key(), 2500))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await now(bill)).status == "VOID"


async def test_a_part_paid_order_is_void_with_its_part_returned() -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(2500, apply_credit=True)
    assert (bill.status, bill.amount_due) == ("UNPAID", 1500)
    assert (await _void(bill)).credit_note_number
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_a_deposit_that_came_in_is_not_voidable() -> None:
    ada = await a_client()
    bill = await ada.funds()
    begun = await ada.begin(bill)
    await tell(begun, captured(begun, 600))
    with pytest.raises(InvoiceNotVoidable):
        await _void(bill)
    assert await ada.amounts() == (600, 0, 0, 0)
    assert (await now(bill)).status == "UNPAID"


async def test_a_deposit_that_never_came_is_voidable() -> None:
    ada = await a_client()
    bill = await ada.funds()
    assert (await _void(bill)).status == "VOID"
    assert await ada.kinds() == []


async def test_an_invoice_with_an_open_payment_is_not_voidable() -> None:
    ada = await a_client()
    bill = await ada.order()
    begun = await ada.begin(bill)
    with pytest.raises(PaymentInProgress):
        await _void(bill)
    await tell(begun, event(begun, Kind.FAILED))
    assert (await _void(bill)).status == "VOID"


@pytest.mark.parametrize("amount", [None, 700])
async def test_an_order_is_not_voidable_while_a_refund_of_it_is_under_way(
    amount: int | None,
) -> None:
    ada = await a_client()
    await ada.given(500)
    bill = await ada.order(2500)
    begun = await ada.begin(bill, credit_limit=500)
    await tell(begun, captured(begun))
    asked = await the_pending(begun, amount)
    with pytest.raises(PaymentInProgress):
        await _void(bill)
    assert (await now(bill)).status == "PAID"
    assert await ada.amounts() == (0, 0, 0, 0)
    await tell(begun, heard(begun, asked, Kind.REFUNDED))
    assert (await _void(bill)).status == "VOID"
    assert await ada.amounts() == (2500 - asked.amount, 0, 0, 0)


async def test_an_order_is_voidable_when_its_refund_has_failed() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun))
    asked = await the_pending(begun)
    with pytest.raises(PaymentInProgress):
        await _void(bill)
    await tell(begun, heard(begun, asked, Kind.REFUND_FAILED))
    assert (await _void(bill)).status == "VOID"
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_refund_of_any_payment_of_an_order_is_in_the_way_of_its_void() -> None:
    """Two have paid it; the money of the second is credit already."""
    ada = await a_client()
    bill = await ada.order(2500)
    first = await ada.begin(bill)
    second = await ada.begin(bill)
    await tell(first, captured(first))
    await tell(second, captured(second))
    asked = await the_pending(await now(second))
    assert await ada.amounts() == (0, 2500, 0, 0)
    with pytest.raises(PaymentInProgress):
        await _void(bill)
    await tell(second, heard(second, asked, Kind.REFUNDED))
    await _void(bill)
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_refund_after_a_void_takes_the_credit_that_the_void_made() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun))
    await _void(bill)
    asked = await the_pending(await now(begun))
    assert await ada.amounts() == (0, 2500, 0, 0)
    await tell(begun, heard(begun, asked, Kind.REFUNDED))
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_void_while_a_dispute_is_open_gives_nothing_that_the_bank_has() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun), event(begun, Kind.DISPUTED, "dp-14", 1500))
    await _void(bill)
    assert await ada.amounts() == (1000, 0, 0, 0)
    await tell(begun, event(begun, Kind.DISPUTE_WON, "dp-14", 1500))
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_an_invoice_is_void_once() -> None:
    ada = await a_client()
    bill = await ada.order()
    await _void(bill)
    with pytest.raises(InvoiceNotVoidable) as refusal:
        await _void(bill)
    assert refusal.value.facts == {"status": "VOID"}


async def test_a_void_needs_a_reason_and_somebody_who_sees_the_invoice() -> None:
    ada = await a_client()
    bill = await ada.order()
    with pytest.raises(Invalid) as refusal:
        await _void(bill, " \t ")
    assert refusal.value.field == ("reason",)
    scopes = frozenset({"invoices:write"})
    stranger = Actor(role=Role.PARTNER, user_id=record.new_id(), scopes=scopes)
    with pytest.raises(NotFound):
        await _void(bill, by=stranger)
    assert (await now(bill)).status == "UNPAID"


async def test_staff_leave_a_mark_in_the_audit_log_and_a_refusal_leaves_none() -> None:
    ada = await a_client()
    bill = await ada.order()
    await _void(bill)
    with pytest.raises(InvoiceNotVoidable):
        await _void(bill)
    rows = await sql.fetch(
        "SELECT action FROM audit_entry WHERE subject = $1 ORDER BY id", bill.public_id
    )
    assert [row["action"] for row in rows] == ["invoice.create", "invoice.void"]
