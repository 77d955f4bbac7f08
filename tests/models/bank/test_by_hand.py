"""What staff book by hand: money that came in by bank transfer, each line of a statement once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from models.bank.by_hand import RecordBankTransfer
from models.db import sql
from models.errors import (
    AmountOutOfRange,
    AmountPrecision,
    CurrencyNotSupported,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
)
from models.journal.command import run
from models.payments.payment import Payment
from tests.support.factories import STAFF, Client, a_client, now
from tests.support.providers import key

pytestmark = pytest.mark.usefixtures("provider")


async def _record(begun: Payment, minor: int = 2500, **wish: Any) -> Payment:
    how: dict[str, Any] = {
        "reference": begun.reference,
        "amount": Decimal(minor) / 100,
        "currency": "USD",
        "bank_account": "DE89 3704 0044 0532 0130 00",
        "bank_transaction": "line-1" + begun.reference,
        "received_at": None,
        "by": STAFF,
        "key": key(),
    }
    how |= wish
    by, used = how.pop("by"), how.pop("key")
    return await run(RecordBankTransfer(**how), by, used)


async def _waiting() -> tuple[Client, Payment]:
    ada = await a_client()
    return ada, await ada.begin(await ada.funds(2500, "bank"), "bank")


async def test_a_transfer_that_came_in_is_a_deposit() -> None:
    ada, begun = await _waiting()
    quoted = begun.reference[:4] + " " + begun.reference[4:].lower()
    assert (await _record(begun, reference=quoted)).status == "SUCCEEDED"
    assert await ada.amounts() == (2500, 0, 0, 0)
    rows = await sql.fetch("SELECT action FROM audit_entry WHERE subject = $1", begun.public_id)
    assert [row["action"] for row in rows] == ["bank_transfer.record"]


async def test_one_line_of_a_bank_statement_is_booked_once_whoever_records_it() -> None:
    ada, begun = await _waiting()
    await asyncio.gather(*(_record(begun) for _ in range(5)))
    await _record(begun, bank_account="de89370400440532013000")
    assert await ada.kinds() == ["DEPOSIT"]


async def test_one_line_of_a_bank_statement_is_not_booked_as_something_else() -> None:
    ada, begun = await _waiting()
    bo, other = await _waiting()
    line = key()
    await _record(begun, bank_transaction=line)
    for payment, minor in ((other, 2500), (begun, 2600)):
        with pytest.raises(Invalid) as refusal:
            await _record(payment, minor, bank_transaction=line)
        assert refusal.value.field == ("bank_transaction_id",)
    assert (await ada.amounts())[0] == 2500
    assert (await bo.amounts())[0] == 0


async def test_two_transfers_for_one_invoice_are_both_credit() -> None:
    ada, begun = await _waiting()
    await _record(begun, 1000, bank_transaction=key())
    await _record(begun, 2000, bank_transaction=key())
    assert await ada.kinds() == ["DEPOSIT", "DEPOSIT", "OVERPAYMENT"]
    assert await ada.amounts() == (3000, 0, 0, 0)


@pytest.mark.parametrize(
    ("wish", "refusal", "field"),
    [
        ({"reference": "RF00NOSUCH"}, NotFound, ("reference",)),
        ({"currency": "JPY"}, CurrencyNotSupported, ("amount", "currency")),
        ({"amount": Decimal(0)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal(-1)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal("1.005")}, AmountPrecision, ("amount", "amount")),
        ({"bank_account": " "}, Invalid, ("bank_account",)),
        ({"bank_transaction": ""}, Invalid, ("bank_transaction_id",)),
    ],
)
async def test_what_cannot_be_booked_is_refused(
    wish: dict[str, Any], refusal: type[Refusal], field: tuple[str, ...]
) -> None:
    ada, begun = await _waiting()
    with pytest.raises(refusal) as refused:
        await _record(begun, **wish)
    assert refused.value.field == field
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_card_payment_is_not_booked_by_hand_and_clients_book_nothing() -> None:
    ada, waiting = await _waiting()
    card = await ada.begin(await ada.funds())
    with pytest.raises(NotFound):
        await _record(card)
    with pytest.raises(Forbidden):
        await _record(waiting, by=ada.actor)
    assert (await now(waiting)).status == "REQUIRES_ACTION"
