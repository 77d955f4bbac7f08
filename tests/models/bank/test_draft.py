"""A transfer that quotes what its invoice says is booked, though nobody began a payment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models.bank.assign import AssignBankCredit
from models.bank.by_hand import RecordBankTransfer
from models.bank.draft import by_reference, is_draft
from models.bank.import_run import Outcome
from models.errors import NotFound
from models.invoices.invoice import read as read_invoice
from models.journal.command import run
from models.payments import reconcile
from models.payments.payment import of_invoices
from models.payments.void import VoidInvoice
from models.provider.seller import BankDetails, Seller
from tests.support.bank.files import Transfer
from tests.support.bank.imports import a_day, counts, lines_of, take
from tests.support.factories import STAFF, Client, a_client
from tests.support.providers import key, wire_provider

if TYPE_CHECKING:
    from models.invoices.invoice import Invoice
    from models.payments.payment import Payment

pytestmark = pytest.mark.usefixtures("transfers")

BANK = BankDetails("Example", "Example Bank", "DE89370400440532013000")


@pytest.fixture
def transfers(provider: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider with an account for dollars on its invoices."""
    assert provider
    wire_provider(monkeypatch, seller=Seller("Example", bank_accounts={"USD": BANK}))


async def billed(minor: int = 2500) -> tuple[Client, Invoice, str]:
    """A client, an invoice, and what it says is to be quoted."""
    ada = await a_client()
    bill = await ada.order(minor)
    reference = bill.snapshot["transfer_reference"]
    assert reference == bill.transfer_reference
    assert reference is not None
    return ada, bill, reference


def quoting(reference: str, minor: int = 2500, **how: Any) -> Transfer:
    return Transfer(minor, f"invoice, {reference}", **{"ref": key(), **how})


async def payments(bill: Invoice) -> list[Payment]:
    return (await of_invoices([bill.id])).get(bill.id, [])


async def status(bill: Invoice) -> str:
    found = await read_invoice(bill.id)
    assert found is not None
    return found.status


async def test_a_transfer_that_quotes_its_invoice_pays_it_in_every_form_once() -> None:
    ada, bill, reference = await billed()
    day = a_day(quoting(reference))
    (done,) = await take(day.camt053(), day)
    [paid] = await payments(bill)
    assert [(one.outcome, one.payment) for one in done.taken] == [(Outcome.BOOKED, paid)]
    assert (paid.status, paid.amount, paid.received) == ("SUCCEEDED", 2500, 2500)
    for file in (day.camt054(), day.mt940(), day.camt053()):
        assert await counts(file, day) == {"KNOWN": 1}
    assert await status(bill) == "PAID"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_it_may_come_many_times_at_once() -> None:
    ada, bill, reference = await billed()
    day, other = a_day(quoting(reference)), a_day(quoting(reference, 1000))
    files = [(one.camt053(), one) for one in (day, other)] * 4
    await asyncio.gather(*(take(file, one) for file, one in files))
    assert len(await payments(bill)) == 1
    assert await lines_of(day) == await lines_of(other) == [("BOOKED", "")]
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_a_form_that_does_not_know_the_other_books_nothing_twice() -> None:
    ada, bill, reference = await billed()
    day = a_day(quoting(reference))
    await asyncio.gather(take(day.camt053(), day), take(day.mt940(named=False), day))
    assert [state for state, _ in await lines_of(day)].count("BOOKED") == 1
    assert await status(bill) == "PAID"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_too_little_leaves_the_rest_due_which_may_be_paid_otherwise() -> None:
    ada, bill, reference = await billed()
    day = a_day(quoting(reference, 1000))
    await take(day.camt053(), day)
    assert await status(bill) != "PAID"
    await ada.given(1500)
    assert (await ada.spend(bill)).status == "PAID"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_deposit_is_credit_and_money_for_what_is_void_as_well() -> None:
    ada, bill, reference = await billed()
    deposit = await ada.funds(700, "bank")
    await run(VoidInvoice(bill.id, "Ordered twice"), STAFF, key())
    day = a_day(quoting(str(deposit.transfer_reference), 700), quoting(reference))
    assert await counts(day.camt053(), day) == {"BOOKED": 2}
    assert await ada.amounts() == (3200, 0, 0, 0)


async def test_who_quotes_the_payments_reference_too_means_the_payment() -> None:
    ada, bill, reference = await billed()
    begun = await ada.begin(bill, "bank")
    day = a_day(quoting(f"{reference} {begun.reference}"))
    assert await counts(day.camt053(), day) == {"BOOKED": 1}
    assert [one.status for one in await payments(bill)] == ["SUCCEEDED"]


async def test_an_older_copy_of_the_invoice_pays_it_while_another_transfer_is_awaited() -> None:
    ada, bill, reference = await billed()
    begun = await ada.begin(bill, "bank")
    day = a_day(quoting(reference))
    assert await counts(day.mt940(), day) == {"BOOKED": 1}
    states = {one.id: one.status for one in await payments(bill)}
    assert states.pop(begun.id) == "CANCELED"
    assert list(states.values()) == ["SUCCEEDED"]
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_what_went_back_is_taken_back_and_only_where_something_came() -> None:
    ada, bill, reference = await billed()
    day = a_day(quoting(reference, is_credit=False))
    assert await counts(day.camt053(), day) == {"IGNORED": 1}
    day = a_day(quoting(reference), quoting(reference, is_credit=False, is_reversal=True))
    await take(day.camt053(), day)
    assert await status(bill) == "UNPAID"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_money_in_another_currency_is_parked_and_makes_no_payment() -> None:
    _, bill, reference = await billed()
    day = replace(a_day(quoting(reference)), currency="JPY")
    await take(day.camt053(), day)
    assert await lines_of(day) == [("PARKED", "CURRENCY")]
    assert await payments(bill) == []


async def test_staff_record_and_assign_by_it() -> None:
    ada, bill, reference = await billed()
    line: dict[str, Any] = {
        "bank_account": "DE89370400440532013000",
        "bank_transaction": key(),
    }
    recorded = [
        await run(
            RecordBankTransfer(reference, Decimal(5), "USD", received_at=None, **line), STAFF, key()
        )
        for _ in range(2)
    ]
    day = a_day(Transfer(2000, "thank you", ref=key()))
    (done,) = await take(day.camt053(), day)
    parked = done.taken[0].record
    assert parked is not None
    await run(AssignBankCredit(parked.id, invoice_id=None, reference=reference), STAFF, key())
    assert [one.id for one in await payments(bill)] == [recorded[0].id]
    assert await status(bill) == "PAID"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_nothing_of_a_draft_stays_when_it_is_refused() -> None:
    _, bill, reference = await billed()
    day = a_day(Transfer(2500, "back", ref=key(), is_credit=False, is_reversal=True))
    (done,) = await take(day.camt053(), day)
    parked = done.taken[0].record
    assert parked is not None
    with pytest.raises(NotFound):
        await run(AssignBankCredit(parked.id, invoice_id=None, reference=reference), STAFF, key())
    assert await payments(bill) == []
    [draft] = (await by_reference([reference])).values()
    assert is_draft(draft)


async def test_a_payment_that_it_made_is_nothing_to_ask_a_gateway_about() -> None:
    _, bill, reference = await billed()
    day = a_day(quoting(reference, 1000))
    await take(day.camt053(), day)
    await reconcile.check_payments(50)
    [made] = await payments(bill)
    assert made.next_check_at is None
    assert made.received == 1000


async def test_an_invoice_in_a_currency_without_an_account_says_nothing_to_quote() -> None:
    ada = await a_client("JPY")
    bill = await ada.order(2500)
    assert bill.transfer_reference is None
    assert bill.snapshot["bank"] is None
