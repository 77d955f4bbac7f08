"""Many at once on one database: nothing is spent, made or counted twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from models.credit.redemption import RedeemVoucher
from models.db import sql
from models.errors import (
    BalanceLimitExceeded,
    InsufficientCredit,
    InvoiceNotPayable,
    PaymentInProgress,
    Refusal,
    VoucherRefused,
)
from models.journal.command import run
from models.money import Money
from models.payments import inbox
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, a_client, a_voucher, captured, now, tell
from tests.support.providers import gateway, key, wire_provider

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from models.payments.payment import Payment

pytestmark = pytest.mark.usefixtures("provider")


async def at_once(*work: Coroutine[Any, Any, Any]) -> tuple[list[Any], list[type[Refusal]]]:
    """What was answered, and what kinds of refusals; anything else is raised."""
    ended = await asyncio.gather(*work, return_exceptions=True)
    for end in ended:
        if isinstance(end, BaseException) and not isinstance(end, Refusal):
            raise end
    return (
        [end for end in ended if not isinstance(end, Refusal)],
        [type(end) for end in ended if isinstance(end, Refusal)],
    )


async def test_credit_for_one_of_twenty_invoices_pays_exactly_one() -> None:
    ada = await a_client()
    await ada.given(2500)
    bills = [await ada.order(2500) for _ in range(20)]
    paid, refused = await at_once(*(ada.spend(bill) for bill in bills))
    assert [bill.status for bill in paid] == ["PAID"]
    assert refused == [InsufficientCredit] * 19
    assert await ada.amounts() == (0, 0, 0, 0)
    assert sorted([(await now(bill)).status for bill in bills]) == ["PAID"] + ["UNPAID"] * 19


async def test_one_invoice_paid_with_twenty_keys_is_paid_once() -> None:
    ada = await a_client()
    await ada.given(10_000)
    bill = await ada.order(2500)
    paid, refused = await at_once(*(ada.spend(bill) for _ in range(20)))
    assert len(paid) == 1
    assert refused == [InvoiceNotPayable] * 19
    assert await ada.amounts() == (7500, 0, 0, 0)


async def test_one_key_used_fifty_times_at_once_has_one_effect_and_one_answer() -> None:
    ada = await a_client()
    await ada.given(10_000)
    bill, once = await ada.order(2500), key()
    paid, refused = await at_once(*(ada.spend(bill, key=once) for _ in range(50)))
    assert refused == []
    assert {(one.id, one.status, one.amount_paid) for one in paid} == {(bill.id, "PAID", 2500)}
    assert await ada.kinds() == ["ADJUSTMENT", "INVOICE_PAYMENT"]


async def test_one_key_at_once_begins_one_payment_and_asks_its_gateway_once() -> None:
    ada = await a_client()
    bill, once = await ada.order(2500), key()
    begun, refused = await at_once(*(ada.begin(bill, key=once) for _ in range(20)))
    assert refused == []
    assert {(one.id, one.status) for one in begun} == {(begun[0].id, "REQUIRES_ACTION")}
    assert len(gateway().orders) == 1


async def test_twenty_payments_begun_at_once_leave_one_open() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun, refused = await at_once(*(ada.begin(bill) for _ in range(20)))
    assert len(begun) + len(refused) == 20
    assert set(refused) <= {PaymentInProgress}
    states = [(await now(one)).status for one in begun]
    assert states.count("REQUIRES_ACTION") == 1
    assert set(states) <= {"REQUIRES_ACTION", "CANCELED"}


async def test_credit_and_a_capture_at_once_pay_an_invoice_once_and_lose_nothing() -> None:
    for _ in range(8):
        ada = await a_client()
        await ada.given(2500)
        bill = await ada.order(2500)
        begun = await ada.begin(bill)
        await at_once(ada.spend(bill), tell(begun, captured(begun)))
        paid = await now(bill)
        assert (paid.status, paid.amount_paid) == ("PAID", 2500)
        assert await ada.amounts() == (2500, 0, 0, 0)


async def test_the_same_event_fifty_times_at_once_is_booked_once() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds(2500))
    news = captured(begun)
    await at_once(*(tell(begun, news) for _ in range(50)))
    assert await ada.amounts() == (2500, 0, 0, 0)
    assert await ada.kinds() == ["DEPOSIT"]
    assert await _facts(begun) == ["payment.begun", "payment.succeeded"]


async def _facts(begun: Payment) -> list[str]:
    """What the outbox says of a payment."""
    rows = await sql.fetch("SELECT kind FROM event WHERE subject_id = $1 ORDER BY id", begun.id)
    return [row["kind"] for row in rows]


async def test_one_capture_under_fifty_event_ids_at_once_is_booked_once() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds(2500))
    news = [captured(begun, reference="capture") for _ in range(50)]
    await at_once(*(tell(begun, one) for one in news))
    assert await ada.kinds() == ["DEPOSIT"]
    assert await _facts(begun) == ["payment.begun", "payment.succeeded"]


@pytest.mark.parametrize("cap", [1, 3])
async def test_fifty_accounts_redeem_no_more_than_a_voucher_has(cap: int) -> None:
    (code,) = await a_voucher(1000, max_redemptions=cap)
    clients = [await a_client() for _ in range(50)]
    redeemed, refused = await at_once(
        *(run(RedeemVoucher.of(code), one.actor, key()) for one in clients)
    )
    assert len(redeemed) == cap
    assert refused == [VoucherRefused] * (50 - cap)
    assert sum([(await one.amounts())[2] for one in clients]) == cap * 1000


async def test_one_account_redeems_a_voucher_once_however_often_it_tries() -> None:
    (code,) = await a_voucher(1000, max_redemptions=50)
    ada = await a_client()
    redeemed, refused = await at_once(
        *(run(RedeemVoucher.of(code), ada.actor, key()) for _ in range(10))
    )
    assert (len(redeemed), refused) == (1, [VoucherRefused] * 9)
    (row,) = await sql.fetch("SELECT redeemed FROM voucher ORDER BY id DESC LIMIT 1")
    assert row["redeemed"] == 1


async def test_numbers_are_gapless_when_issued_at_once_and_partly_refused() -> None:
    clients = [await a_client() for _ in range(10)]
    first = int((await clients[0].order()).number[-6:])
    too_much = [one.order(10**16) for one in clients]
    issued, refused = await at_once(*(one.order() for one in clients * 3), *too_much)
    assert len(refused) == 10
    numbers = sorted(int(bill.number[-6:]) for bill in issued)
    assert numbers == list(range(first + 1, first + 31))


async def test_the_maximum_balance_holds_when_deposits_begin_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wired = wire_provider(monkeypatch)
    limit = replace(wired.limits["USD"], maximum_balance=Money(5000, "USD"))
    wire_provider(monkeypatch, limits={"USD": limit}, gateways=wired.gateways)
    ada = await a_client()
    bills = [await ada.funds(2500) for _ in range(10)]
    begun, refused = await at_once(*(ada.begin(bill) for bill in bills))
    assert (len(begun), refused) == (2, [BalanceLimitExceeded] * 8)
    assert (await ada.balance()).pending == 5000


async def test_spending_at_once_never_spends_a_grant_twice() -> None:
    """On PostgreSQL the lock on the balance waits, and the grants beside it were read before."""
    for _ in range(4):
        ada = await a_client()
        for _ in range(3):
            await ada.granted(1000)
        await ada.given(1000)
        bills = [await ada.order(800) for _ in range(8)]
        paid, refused = await at_once(*(ada.spend(bill) for bill in bills))
        assert (len(paid), refused) == (5, [InsufficientCredit] * 3)
        assert await ada.amounts() == (0, 0, 0, 0)


async def test_voiding_and_paying_at_once_never_lose_the_credit() -> None:
    for _ in range(8):
        ada = await a_client()
        await ada.given(2500)
        bill = await ada.order(2500)
        await at_once(
            ada.spend(bill), *(run(VoidInvoice(bill.id, "mistake"), STAFF, key()) for _ in "ab")
        )
        assert (await now(bill)).status == "VOID"
        assert await ada.amounts() == (2500, 0, 0, 0)


async def test_everything_at_once_adds_up() -> None:
    clients = [await a_client() for _ in range(3)]
    work: list[Coroutine[Any, Any, Any]] = []
    for one in clients:
        await one.granted(1000)
        for _ in range(3):
            begun = await one.begin(await one.funds(2500))
            split = await one.begin(await one.order(2000), credit_limit=300)
            news = [captured(begun), captured(split)]
            work += [tell(begun, *news[:1] * 2), tell(split, *news[1:] * 2)]
            work += [one.spend(await one.order(700)), one.given(10), inbox.retry_parked()]
    await at_once(*work)
    for one in clients:
        assert sum(line.amount for line in await one.lines()) == (await one.amounts())[0]
