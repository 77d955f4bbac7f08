"""How many there may be of what somebody makes at will; what comes in as money is never refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models.bank.draft import draft_of, write_down
from models.db import sql
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import NotAllowed, NotRefundable, Refusal
from models.invoices import order
from models.journal.command import run
from models.journal.journal import Journal
from models.payments import refund
from models.payments.ask_refund import RefundPayment
from models.payments.locked import locked
from models.payments.void import VoidInvoice
from models.provider import provider as the_provider
from tests.support.factories import STAFF, a_client, captured, now, tell
from tests.support.providers import gateway, key

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from uuid import UUID

    from models.invoices.invoice import Invoice
    from tests.support.factories import Client

pytestmark = pytest.mark.usefixtures("provider")


@pytest.fixture(autouse=True)
def few(provider: the_provider.Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three payments an invoice, three open invoices an account."""
    wired = replace(provider, payments_per_invoice=3, open_invoices=3)
    monkeypatch.setattr(the_provider, "_provider", wired)


async def at_once(*work: Coroutine[Any, Any, Any]) -> tuple[int, list[object]]:
    """How many were done, and why the others were not."""
    ended = await asyncio.gather(*work, return_exceptions=True)
    refusals = [end for end in ended if isinstance(end, BaseException)]
    for one in refusals:
        if not isinstance(one, Refusal):
            raise one
    whys = [one.facts.get("why") for one in refusals if isinstance(one, Refusal)]
    return len(ended) - len(refusals), whys


async def count(table: str, column: str, id: UUID) -> int:
    [row] = await sql.fetch(f"SELECT COUNT(*) AS n FROM {table} WHERE {column} = $1", id)
    return int(row["n"])


# ------------------------------------------------------------------------------- payments


async def test_browsers_that_begin_at_once_cannot_pass_the_number_of_payments() -> None:
    ada = await a_client()
    bill = await ada.order()
    for _ in range(3):
        begun, _ = await at_once(*(ada.begin(bill) for _ in range(8)))
        assert begun >= 1 or await count("payment", "invoice_id", bill.id) == 3
    assert await count("payment", "invoice_id", bill.id) == 3
    asked = len(gateway("card").orders)
    with pytest.raises(NotAllowed) as refused:
        await ada.begin(bill)
    assert refused.value.facts == {"why": "payments_per_invoice", "maximum": 3}
    assert refused.value.field == ("invoice_id",)
    assert len(gateway("card").orders) == asked
    assert await count("payment", "invoice_id", bill.id) == 3


async def test_an_invoice_with_all_its_payments_is_still_paid_with_credit() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    for _ in range(3):
        await ada.begin(bill)
    await ada.given(2500)
    assert (await ada.spend(bill)).status == "PAID"


async def test_money_for_an_invoice_with_all_its_payments_is_booked() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = [await ada.begin(bill) for _ in range(3)]
    for payment in begun:  # superseded, and captured all the same
        await tell(payment, captured(payment))
    assert (await now(bill)).status == "PAID"
    assert (await ada.amounts())[0] == 2 * 2500
    draft = draft_of(bill, new_id())
    assert draft is not None

    async def work() -> None:
        journal = Journal()
        write_down(await locked(journal, draft), 700)
        await journal.write()

    await transaction(work)
    await tell(draft, captured(draft, 700))
    assert await count("payment", "invoice_id", bill.id) == 4
    assert (await ada.amounts())[0] == 2 * 2500 + 700


# ------------------------------------------------------------------------------- invoices


async def ordered(ada: Client, currency: str = "USD", **wish: Any) -> Invoice:
    line = order.OrderLine("Hosting", Decimal(1), Decimal(25), Decimal(0))
    how = {"apply_credit": False, "by": STAFF, **wish}
    by = how.pop("by")
    return await run(order.CreateOrder(ada.id, currency, [line], **how), by, key())


async def test_orders_and_deposits_at_once_cannot_pass_the_number_of_open_invoices() -> None:
    """In whatever currency: each has a balance, and a lock, of its own."""
    ada = await a_client()
    works: list[Coroutine[Any, Any, Any]] = []
    for n in range(6):
        works += [ordered(ada, ("USD", "JPY", "KWD")[n % 3]), ada.funds()]
    made, whys = await at_once(*works)
    assert made == 3
    assert whys == ["open_invoices"] * 9
    assert await count("invoice", "account_id", ada.id) == 3


async def test_one_more_open_invoice_is_refused_and_changes_nothing() -> None:
    ada, bo = await a_client(), await a_client()
    bills = [await ordered(ada) for _ in range(3)]
    for work, field in ((ordered(ada), "account_id"), (ada.funds(), "amount")):
        with pytest.raises(NotAllowed) as refused:
            await work
        assert refused.value.facts == {"why": "open_invoices", "maximum": 3}
        assert refused.value.field == (field,)
    following = await ordered(bo)  # another account has its own; no number is lost
    assert int(following.number[-6:]) == int(bills[-1].number[-6:]) + 1
    assert await count("invoice", "account_id", ada.id) == 3


async def test_what_is_paid_or_void_makes_room() -> None:
    ada = await a_client()
    bills = [await ordered(ada) for _ in range(3)]
    await run(VoidInvoice(bills[0].id, "wrong"), STAFF, key())
    await ordered(ada)
    await ada.given(2500)
    await ada.spend(bills[1])
    await ada.funds()
    with pytest.raises(NotAllowed):
        await ordered(ada)


async def test_an_invoice_that_credit_pays_at_once_is_never_open() -> None:
    ada = await a_client()
    for _ in range(3):
        await ordered(ada)
    await ada.given(4000)
    assert (await ordered(ada, apply_credit=True)).status == "PAID"
    with pytest.raises(NotAllowed):
        await ordered(ada, apply_credit=True)  # 15.00 of 25.00: what is due would stay open
    assert (await ada.amounts())[0] == 1500
    assert await count("invoice", "account_id", ada.id) == 4


# ------------------------------------------------------------------------------- refunds


async def test_refunds_of_a_payment_are_counted_also_those_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refund, "REFUNDS_MAX", 2)
    ada = await a_client()
    payment = await ada.deposit(2500)

    async def give_back() -> None:
        one = Decimal(1)
        await run(RefundPayment(payment.id, one, "USD", "moved away"), STAFF, key())

    done, _ = await at_once(*(give_back() for _ in range(6)))
    assert done == 2
    assert await count("refund", "payment_id", payment.id) == 2
    with pytest.raises(NotRefundable) as refused:
        await give_back()
    assert refused.value.facts == {"problem": "too_many", "maximum": 2}
    assert (await ada.amounts())[0] == 2300
