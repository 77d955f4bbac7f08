"""Previews in real books: they say what happens, write nothing and wait for nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from models.access.identity import Actor, Role
from models.checkout.pay_many import PayInvoices
from models.checkout.preview import PaymentPreview, preview_funds, preview_payment
from models.db import record, sql, transactions
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    Forbidden,
    Invalid,
    InvoiceNotPayable,
    NotFound,
    PriceChanged,
    Refusal,
)
from models.invoices.deposit import AddFunds
from models.journal.journal import Journal
from models.ledger.opening import open_book
from tests.support.factories import Client, a_client, captured, now, tell
from tests.support.providers import VERSION, gateway, key

if TYPE_CHECKING:
    from models.invoices.invoice import Invoice

pytestmark = pytest.mark.usefixtures("provider")

TABLES: tuple[str, ...] = (
    "invoice",
    "payment",
    "credit_transaction",
    "transfer",
    "balance",
    "credit_hold",
)
TABLES += ("event", "audit_entry", "idempotency_key", "number_series", "ledger_account")


async def rows() -> list[Any]:
    """All that a preview might have touched."""
    found = []
    for table in TABLES:
        found += await sql.fetch(f"SELECT '{table}' AS name, t.* FROM {table} t")
    return sorted(found, key=str)


async def previewed(ada: Client, bill: Invoice, **wish: Any) -> PaymentPreview:
    by = wish.pop("by", ada.actor)
    return await preview_payment(PayInvoices((bill.id,), **wish), by)


async def test_what_is_previewed_of_an_invoice_happens_and_the_preview_writes_nothing() -> None:
    draw = Random(20_261_201)
    for _ in range(12):
        ada = await a_client()
        if draw.random() < 0.7:
            await ada.given(draw.randint(1, 3000))
        if draw.random() < 0.5:
            await ada.granted(draw.randint(1, 900))
        bill = await ada.order(draw.randint(1000, 4000))
        if draw.random() < 0.4:
            await ada.begin(bill, "card", credit_limit=300)
        wish = {"use_credit": draw.random() < 0.8, "gateway": draw.choice(("card", "paid-card"))}
        before = await rows()
        told = await previewed(ada, bill, **wish)
        assert await rows() == before
        paid = await ada.pay(bill, quote=told.terms.quote, **wish)
        if paid.payment is not None:
            assert (paid.payment.charged, paid.payment.fee) == (told.terms.charged, told.terms.fee)
            await tell(paid.payment, captured(paid.payment))
        ended = await now(bill)
        assert (ended.credit_applied, ended.amount_due) == (told.terms.credit, 0)
        assert (await ada.amounts())[0] == told.available_after


async def test_what_is_previewed_of_a_deposit_happens() -> None:
    ada = await a_client()
    payment = await ada.deposit(2500)
    await ada.spend(await ada.order(2000))
    assert payment.received == 2500
    add = AddFunds(Decimal(20), "USD", "paid-card", VERSION)
    before = await rows()
    told = await preview_funds(add, ada.actor)
    assert await rows() == before
    assert (told.credited, told.fee, told.charged, told.available_after) == (2000, 30, 2030, 2500)
    assert (await ada.deposit(2000, "paid-card")).charged == told.charged
    assert (await ada.amounts())[0] == told.available_after


async def test_without_a_gateway_a_deposit_is_previewed_with_the_cheapest() -> None:
    ada = await a_client()
    gateway("card").fee_minor = 90
    told = await preview_funds(AddFunds(Decimal(20), "USD", "", VERSION), ada.actor)
    assert told.fee == 0, "bank"
    gateway("card").fee_minor = 0


async def test_a_client_without_a_balance_can_look_and_gets_none_by_it() -> None:
    ada = await a_client()
    told = await preview_funds(AddFunds(Decimal(20), "USD", "card", VERSION), ada.actor)
    assert (told.credited, told.available_after) == (2000, 2000)
    assert await sql.fetch("SELECT id FROM balance WHERE account_id = $1", ada.id) == []
    with pytest.raises(CurrencyNotSupported):
        await preview_funds(AddFunds(Decimal(2000), "JPY", "card", VERSION), ada.actor)


async def test_a_preview_waits_for_nobody() -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(2500)
    held, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        await open_book(Journal(), ada.id, "USD")
        held.set()
        await done.wait()

    holding = asyncio.create_task(transactions.transaction(hold))
    await held.wait()
    told = await asyncio.wait_for(previewed(ada, bill, use_credit=True, gateway="card"), 10)
    done.set()
    await holding
    assert (told.terms.credit, told.terms.amount) == (1000, 1500)


async def test_it_is_looked_at_again_where_it_changes_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(2500)
    read, looks = PayInvoices.read, 0

    async def while_it_changes(self: PayInvoices, asked: Any, journal: Journal) -> Any:
        nonlocal looks
        looks += 1
        found = await read(self, asked, journal)
        if looks < 4:
            await ada.given(100)
        return found

    monkeypatch.setattr(PayInvoices, "read", while_it_changes)
    told = await previewed(ada, bill, use_credit=True, gateway="card")
    assert looks == 4, "three looks, then a snapshot"
    assert told.terms.credit == 1300


async def test_a_quote_is_kept_or_refused_and_a_refusal_changes_nothing() -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(2500)
    wish: dict[str, Any] = {"use_credit": True, "gateway": "card"}
    quote = (await previewed(ada, bill, **wish)).terms.quote
    await ada.given(1)
    before = await rows()
    for stale in (quote, "", "q1_", "\ud800", "x" * 5000):
        with pytest.raises(PriceChanged) as refused:
            await ada.pay(bill, quote=stale, **wish)
        assert refused.value.field == ("quote",)
    assert await rows() == before
    quote = (await previewed(ada, bill, **wish)).terms.quote
    paid = await ada.pay(bill, quote=quote, **wish)
    assert paid.payment is not None
    assert paid.payment.credit_part == 1001


@pytest.mark.parametrize("change", ["fee", "gateway", "use_credit", "credit_limit"])
async def test_a_quote_is_of_everything_that_was_shown(change: str) -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(2500)
    wish: dict[str, Any] = {"use_credit": True, "gateway": "paid-card"}
    quote = (await previewed(ada, bill, **wish)).terms.quote
    other = {"gateway": "card", "use_credit": False, "credit_limit": Decimal("0.01")}
    fee = gateway("paid-card").fee_minor
    if change == "fee":
        gateway("paid-card").fee_minor += 1
    else:
        wish[change] = other[change]
    with pytest.raises(PriceChanged):
        await ada.pay(bill, quote=quote, **wish)
    gateway("paid-card").fee_minor = fee


async def test_a_quote_of_one_invoice_is_not_of_another() -> None:
    ada = await a_client()
    one, two = await ada.order(2500), await ada.order(2500)
    quote = (await previewed(ada, one, gateway="card")).terms.quote
    with pytest.raises(PriceChanged):
        await ada.pay(two, gateway="card", quote=quote)


async def test_who_may_not_pay_may_not_look() -> None:
    ada, bob = await a_client(), await a_client()
    bill = await ada.order(2500)
    with pytest.raises(NotFound):
        await previewed(ada, bill, by=bob.actor, gateway="card")
    only = Actor(role=Role.PARTNER, user_id=record.new_id(), accounts=None)
    reads = replace(only, scopes=frozenset({"invoices:read", "credit:read"}))
    writes = replace(only, scopes=frozenset({"invoices:write"}))
    with pytest.raises(Forbidden):
        await previewed(ada, bill, by=reads, gateway="card")
    with pytest.raises(Forbidden):
        await previewed(ada, bill, by=writes, gateway="card", use_credit=True)
    assert (await previewed(ada, bill, by=writes, gateway="card")).terms.amount == 2500
    await ada.given(2500)
    await ada.spend(bill)
    with pytest.raises(InvoiceNotPayable):
        await previewed(ada, bill, gateway="card")


# ------------------------------------------------------------------------------- a part


async def test_a_part_is_paid_and_the_rest_stays_due() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    first = await ada.begin(bill, "paid-card", amount=Decimal(10))
    assert (first.amount, first.charged) == (1000, 1030)
    await tell(first, captured(first))
    half = await now(bill)
    assert (half.status, half.amount_due, half.amount_paid) == ("UNPAID", 1500, 1000)
    second = await ada.begin(bill, "card")
    assert second.amount == 1500
    await tell(second, captured(second))
    assert (await now(bill)).status == "PAID"
    assert (await ada.amounts())[0] == 0


async def test_a_part_goes_through_the_gateway_and_credit_pays_beside_it() -> None:
    ada = await a_client()
    await ada.given(2000)
    bill = await ada.order(2500)
    begun = await ada.begin(bill, "card", use_credit=True, amount=Decimal(10))
    assert (begun.amount, begun.credit_part) == (1000, 1500)
    await tell(begun, captured(begun))
    assert (await now(bill)).status == "PAID"
    assert (await ada.amounts())[0] == 500


async def test_a_part_of_a_deposit_is_credit_at_once() -> None:
    ada = await a_client()
    bill = await ada.funds(2500)
    begun = await ada.begin(bill, "card", amount=Decimal(10))
    await tell(begun, captured(begun))
    assert (await ada.amounts())[0] == 1000
    half = await now(bill)
    assert (half.status, half.amount_due) == ("UNPAID", 1500)
    rest = await ada.begin(bill, "card")
    await tell(rest, captured(rest))
    assert ((await now(bill)).status, (await ada.amounts())[0]) == ("PAID", 2500)


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        ("0", AmountOutOfRange),
        ("-1", AmountOutOfRange),
        ("25.01", AmountOutOfRange),
        ("4.99", AmountOutOfRange),  # the gateway's minimum is 5.00
        ("20.01", Invalid),  # 4.99 would be left, too little for every gateway
        ("10.001", Refusal),
        ("1e30", AmountOutOfRange),
        ("1e-999999", Refusal),
    ],
)
async def test_a_part_that_cannot_be_is_refused_at_its_field(
    amount: str, refusal: type[Refusal]
) -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    before = await rows()
    with pytest.raises(refusal) as refused:
        await ada.pay(bill, gateway="card", amount=Decimal(amount), key=key())
    assert refused.value.field == ("amount",)
    assert await rows() == before
