"""What an invoice asks for: how much, by which transfer, quoting what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from models.bank import transfer
from models.gateway import TransferInstructions
from models.payments.payment import action_json
from models.provider.seller import BankDetails, Seller
from tests.support.factories import Client, a_client, captured, now, tell
from tests.support.providers import wire_provider

if TYPE_CHECKING:
    from models.invoices.invoice import Invoice

OURS = BankDetails("Example", "Example Bank", "000123456789")


@pytest.fixture(autouse=True)
def _bank(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - its books
    wire_provider(monkeypatch, seller=Seller("Example", bank_accounts={"USD": OURS}))


async def awaited(bill: Invoice) -> tuple[str, str, int] | None:
    from models.payments.payment import of_invoices  # noqa: PLC0415 - beside its use

    bill = await now(bill)
    found = transfer.awaited(bill, (await of_invoices([bill.id])).get(bill.id, []))
    return (found.to.account_number, found.reference, found.amount) if found else None


async def ada_owes(minor: int = 2500) -> tuple[Client, Invoice]:
    ada = await a_client()
    return ada, await ada.order(minor)


async def test_an_unpaid_invoice_asks_for_what_is_due_at_the_bank_that_it_was_issued_with() -> None:
    _, bill = await ada_owes()
    assert bill.asked_for == 2500
    assert await awaited(bill) == ("000123456789", bill.transfer_reference, 2500)


async def test_a_payment_that_waits_for_its_transfer_is_asked_for_under_its_own_reference() -> None:
    ada, bill = await ada_owes()
    begun = await ada.begin(bill, gateway="bank")
    to = TransferInstructions("Example", "Other Bank", "000987654321")
    await begun.change(action=action_json(to))
    assert await awaited(bill) == ("000987654321", begun.reference, 2500)


async def test_after_a_part_the_rest_is_asked_for() -> None:
    ada, bill = await ada_owes()
    begun = await ada.begin(bill, gateway="bank")
    await tell(begun, captured(begun, 1000))
    assert await awaited(bill) == ("000123456789", bill.transfer_reference, 1500)


async def test_who_has_chosen_another_way_to_pay_is_asked_for_no_transfer() -> None:
    ada, bill = await ada_owes()
    begun = await ada.begin(bill, gateway="card")
    await tell(begun, captured(begun, 1000))
    assert (await now(bill)).asked_for == 1500
    assert await awaited(bill) is None


async def test_nothing_is_asked_for_of_what_is_paid() -> None:
    ada, bill = await ada_owes()
    await ada.given(2500)
    paid = await ada.spend(bill)
    assert (paid.asked_for, await awaited(bill)) == (0, None)


async def test_a_deposit_by_card_asks_for_no_transfer() -> None:
    ada = await a_client()
    by_card, by_bank = await ada.funds(gateway="card"), await ada.funds(gateway="bank")
    assert await awaited(by_card) is None
    assert await awaited(by_bank) == ("000123456789", by_bank.transfer_reference, 2500)


async def test_without_an_account_in_its_currency_an_invoice_names_none() -> None:
    ada = await a_client("JPY")
    assert await awaited(await ada.order(2500)) is None
