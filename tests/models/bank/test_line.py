"""What staff do with the lines of a bank statement that nobody could book by itself."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from tortoise.connection import get_connection

from models import audit, clock
from models.bank import line
from models.bank.assign import AssignBankCredit
from models.bank.by_hand import RecordBankTransfer
from models.bank.line import BankCredit
from models.db import connection, sql, transactions
from models.db.page import PageRequest
from models.errors import (
    CurrencyNotSupported,
    Forbidden,
    GatewayNotAvailable,
    IdempotencyKeyReused,
    Invalid,
    NotAllowed,
    NotFound,
    Refusal,
)
from models.gateway import GatewayKind
from models.journal.command import run
from models.payments.settlement import Settlement
from models.payments.void import VoidInvoice
from models.provider.provider import provider
from tests.support.bank.files import Transfer
from tests.support.bank.imports import a_day, dismiss, only_line_of, paid, take, waiting
from tests.support.factories import STAFF, Client, a_client, now
from tests.support.providers import Fake, gateway, key, wire_provider

pytestmark = pytest.mark.usefixtures("provider")


async def parked(minor: int = 2500, **how: Any) -> BankCredit:
    """A line that quotes nothing."""
    day = a_day(Transfer(minor, "for my server", ref=key()), **how)
    return await only_line_of(day)


async def assign(credit: BankCredit, **how: Any) -> BankCredit:
    by, used = how.pop("by", STAFF), how.pop("key", None) or key()
    return await run(AssignBankCredit(credit.id, **how), by, used)


async def read(credit: BankCredit) -> BankCredit:
    found = await line.read(credit.id)
    assert found is not None
    return found


async def actions(credit: BankCredit) -> list[str]:
    rows = await sql.fetch("SELECT action FROM audit_entry WHERE subject = $1", credit.public_id)
    return [row["action"] for row in rows]


async def untouched(credit: BankCredit, *clients: Client) -> None:
    """Nothing has been booked."""
    assert (await read(credit)).state == "PARKED"
    assert await actions(credit) == []
    for client in clients:
        assert await client.amounts() == (0, 0, 0, 0)


# ------------------------------------------------------------------------------- assigning


async def test_a_parked_line_is_booked_on_the_payment_with_a_reference() -> None:
    ada, begun = await waiting()
    credit = await parked()
    quoted = " ".join([begun.reference[:4].lower(), begun.reference[4:]])
    booked = await assign(credit, reference=quoted)
    assert (booked.state, booked.payment_id) == ("ASSIGNED", begun.id)
    assert await ada.kinds() == ["DEPOSIT"]
    assert await actions(credit) == ["bank_credit.assign"]


async def test_a_parked_line_is_booked_on_the_bank_transfer_of_an_invoice() -> None:
    ada = await a_client()
    bill = await ada.funds(2500, "bank")
    begun = await ada.begin(bill, "bank")
    booked = await assign(await parked(), invoice_id=bill.id)
    assert booked.payment_id == begun.id
    assert (await now(bill)).status == "PAID"


async def test_an_invoice_that_nobody_pays_by_transfer_gets_a_payment() -> None:
    ada = await a_client()
    bill = await ada.order(4000)
    by_card = await ada.begin(bill)
    credit = await assign(await parked(4500), invoice_id=bill.id)
    assert credit.payment_id != by_card.id
    paid_bill = await now(bill)
    assert (paid_bill.status, paid_bill.amount_paid) == ("PAID", 4000)
    assert await ada.kinds() == ["OVERPAYMENT"]
    assert (await now(by_card)).status == "CANCELED"


async def test_money_for_a_void_invoice_is_credit() -> None:
    ada = await a_client()
    bill = await ada.order(4000)
    await run(VoidInvoice(bill.id, "a mistake"), STAFF, key())
    await assign(await parked(), invoice_id=bill.id)
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert await ada.kinds() == ["OVERPAYMENT"]


async def test_a_transfer_that_went_back_is_assigned_to_what_it_came_in_for() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun))
    await take(day.camt053(), day)
    back = day.next(Transfer(2500, "reversal", ref=key(), is_credit=False, is_reversal=True))
    credit = await only_line_of(back)
    untold = await (await a_client()).order()
    with pytest.raises(NotFound):
        await assign(credit, invoice_id=untold.id)
    await assign(credit, invoice_id=begun.invoice_id)
    assert await ada.kinds() == ["DEPOSIT", "DEPOSIT_REVERSED"]


async def test_a_click_that_comes_again_assigns_once() -> None:
    ada, begun = await waiting()
    _, other = await waiting()
    credit, click = await parked(), key()
    for _ in range(2):
        await assign(credit, reference=begun.reference, key=click)
    with pytest.raises(IdempotencyKeyReused):
        await assign(credit, reference=other.reference, key=click)
    assert await ada.kinds() == ["DEPOSIT"]


async def test_two_of_staff_at_once_book_a_line_once() -> None:
    ada, begun = await waiting()
    bo, other = await waiting()
    credit = await parked()
    done = await asyncio.gather(
        *(assign(credit, reference=one.reference) for one in (begun, other) * 3),
        dismiss(credit),
        return_exceptions=True,
    )
    refused = [one for one in done if isinstance(one, NotAllowed)]
    became = await read(credit)
    assert became.state == "ASSIGNED"
    assert len(done) - len(refused) in {1, 2}  # it may have been dismissed before
    assert (await ada.amounts())[0] + (await bo.amounts())[0] == 2500


@pytest.mark.parametrize(
    ("how", "refusal", "field"),
    [
        ({}, Invalid, "invoice_id"),
        ({"reference": "RF", "invoice_id": key}, Invalid, "invoice_id"),
        ({"reference": "RF00NOSUCH"}, NotFound, "reference"),
        ({"reference": " "}, Invalid, "reference"),
        ({"invoice_id": key}, NotFound, "invoice_id"),
    ],
)
async def test_what_cannot_be_assigned_is_refused(
    how: dict[str, Any], refusal: type[Refusal], field: str
) -> None:
    credit = await parked()
    if "invoice_id" in how:
        how = {**how, "invoice_id": credit.id}
    with pytest.raises(refusal) as refused:
        await assign(credit, **how)
    assert refused.value.field == (field,)
    await untouched(credit)


async def test_money_is_not_assigned_across_currencies(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, begun = await waiting()
    credit = await parked(currency="EUR")
    for how in ({"reference": begun.reference}, {"invoice_id": begun.invoice_id}):
        with pytest.raises(CurrencyNotSupported):
            await assign(credit, **how)
    in_dollars = await parked()
    wire_provider(monkeypatch, gateways={"card": provider().gateways["card"]})
    assert gateway().code == "card"
    with pytest.raises(GatewayNotAvailable):
        await assign(in_dollars, invoice_id=begun.invoice_id)
    await untouched(credit, ada)


async def test_what_is_booked_is_not_assigned_or_dismissed() -> None:
    ada, begun = await waiting()
    credit = await only_line_of(a_day(paid(begun)))
    assert credit.state == "BOOKED"
    with pytest.raises(NotAllowed):
        await assign(credit, reference=begun.reference)
    with pytest.raises(NotAllowed):
        await dismiss(credit)
    assert await ada.amounts() == (2500, 0, 0, 0)


# ------------------------------------------------------------------------------- dismissing


async def test_a_dismissed_line_says_why_and_can_still_be_assigned() -> None:
    ada, begun = await waiting()
    credit = await parked()
    dismissed = await dismiss(credit, reason="interest of the bank")
    assert (dismissed.state, dismissed.note) == ("DISMISSED", "interest of the bank")
    with pytest.raises(NotAllowed):
        await dismiss(credit)
    await assign(credit, reference=begun.reference)
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert await actions(credit) == ["bank_credit.dismiss", "bank_credit.assign"]


async def test_a_line_is_dismissed_with_a_reason_or_not_at_all() -> None:
    credit = await parked()
    with pytest.raises(Invalid):
        await dismiss(credit, reason="  ")
    await untouched(credit)


async def test_a_line_that_is_not_there_is_not_found() -> None:
    nothing = BankCredit(id=STAFF.user_id)
    for what in (assign(nothing, reference="RF00NOSUCH"), dismiss(nothing)):
        with pytest.raises(NotFound) as refused:
            await what
        assert refused.value.field == ("bank_credit_id",)


# ------------------------------------------------------------------------------- by hand


async def by_hand(credit: BankCredit, reference: str, minor: int = 2500) -> Any:
    return await run(
        RecordBankTransfer(
            reference,
            Decimal(minor) / 100,
            "USD",
            bank_account=credit.bank_account,
            bank_transaction=credit.line_key,
            received_at=None,
        ),
        STAFF,
        key(),
    )


async def test_recording_a_parked_line_by_hand_settles_it() -> None:
    ada, begun = await waiting()
    credit = await parked()
    for _ in range(2):
        await by_hand(credit, begun.reference)
    assert (await read(credit)).state == "ASSIGNED"
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_recording_a_line_by_hand_as_something_else_is_refused() -> None:
    ada, begun = await waiting()
    _, other = await waiting()
    credit = await parked()
    with pytest.raises(Invalid):
        await by_hand(credit, begun.reference, 2600)
    await untouched(credit, ada)
    await assign(credit, reference=begun.reference)
    with pytest.raises(Invalid):
        await by_hand(credit, other.reference)
    assert await ada.amounts() == (2500, 0, 0, 0)


# ------------------------------------------------------------------------------- reading


async def test_staff_alone_see_the_lines() -> None:
    ada, _ = await waiting()
    credit = await parked()
    page = await line.page(["PARKED"], PageRequest(first=1, count=True), STAFF)
    assert [row.id for row in page.rows] == [credit.id]
    assert page.total
    assert (await line.page([], PageRequest(), STAFF)).rows == []
    assert (await line.page(None, PageRequest(first=1), STAFF)).rows[0].id == credit.id
    for work in (
        line.page(None, PageRequest(), ada.actor),
        assign(credit, reference="RF", by=ada.actor),
        dismiss(credit, by=ada.actor),
    ):
        with pytest.raises(Forbidden):
            await work
    await untouched(credit, ada)


async def test_every_booked_line_has_its_settlement() -> None:
    _, begun = await waiting()
    credit = await only_line_of(a_day(paid(begun)))
    (settled,) = await Settlement.filter(payment_id=begun.id)
    assert (settled.reference, settled.amount) == (credit.reference, 2500)
    assert (await audit.audit()).counts["bank_credit"] > 0


# ------------------------------------------------------------------------------- from before


class _Undo(Exception):
    """Everything is as it was."""


async def test_what_was_recorded_before_there_were_lines_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_bank = Fake("bank-transfer", GatewayKind.BANK_TRANSFER)
    wire_provider(monkeypatch, gateways={"bank-transfer": by_bank})
    ada = await a_client()
    begun = await ada.begin(await ada.funds(2500, "bank-transfer"), "bank-transfer")
    await by_hand(BankCredit(bank_account="DE1", line_key="page 3: line 2"), begun.reference)
    migration = import_module("models.migrations.0003_bank_credits")

    async def again() -> None:
        client = get_connection("default")
        editor = SimpleNamespace(client=client, DIALECT=connection.dialect())
        await sql.execute("DELETE FROM bank_credit")
        await migration._drop(None, editor)
        await migration._fill(None, editor)
        (kept,) = await sql.records(BankCredit, "SELECT * FROM bank_credit")
        assert (kept.bank_account, kept.line_key, kept.state) == (
            "DE1",
            "page 3: line 2",
            "ASSIGNED",
        )
        assert (kept.payment_id, kept.amount, kept.day) == (begun.id, 2500, clock.now().date())
        raise _Undo

    with pytest.raises(_Undo):
        await transactions.transaction(again)
