"""What a key may spend, at once and a day: under the lock of what is spent, whoever else spends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models import clock
from models.access.credential import actor_of_credential
from models.accounts.api_keys import CreateApiKey, GivenKey, RotateApiKey
from models.checkout.pay import PayInvoice
from models.checkout.pay_many import PayInvoices
from models.checkout.preview import preview_payment
from models.db import sql
from models.errors import Busy, IdempotencyInFlight, NotAllowed, Refusal, TryAgain
from models.invoices import order
from models.invoices.capture_hold import CaptureHold
from models.invoices.deposit import AddFunds
from models.invoices.order import CreateOrder
from models.journal.command import run
from models.money import MINOR_MAX, Money
from models.payments.void import VoidInvoice
from models.provider.day import start_of
from models.provider.seller import Seller
from tests.support.factories import STAFF, Client, a_client
from tests.support.providers import VERSION, key, wire_provider

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.invoices.invoice import Invoice
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")

SCOPES = ("invoices:write", "funds:write")
USD = "USD"


async def given(**wish: Any) -> GivenKey:
    how: dict[str, Any] = {"scopes": SCOPES, "all_accounts": True, **wish}
    return await run(CreateApiKey(key(), "till", **how), STAFF, key())


async def holder(made: GivenKey) -> Actor:
    actor = await actor_of_credential(str(made.token), "192.0.2.7")
    assert actor is not None
    return actor


async def a_shop(*, daily: str | None = None, payment: str | None = None) -> Actor:
    def budget(amount: str | None) -> Any:
        return None if amount is None else ((Decimal(amount), USD),)

    return await holder(await given(daily_budget=budget(daily), payment_budget=budget(payment)))


async def spend(shop: Actor, bill: Invoice, **wish: Any) -> Any:
    return await run(PayInvoice(bill.id, **{"use_credit": True, **wish}), shop, key())


async def bill(shop: Actor, ada: Client, price: str, *, apply_credit: bool = True) -> Invoice:
    line = order.OrderLine("Hosting", Decimal(1), Decimal(price), Decimal(0))
    return await run(CreateOrder(ada.id, USD, [line], apply_credit=apply_credit), shop, key())


async def spent(shop: Actor) -> list[tuple[str, int]]:
    rows = await sql.fetch(
        "SELECT day, spent FROM key_spending WHERE line_id = $1 ORDER BY day", shop.line_id
    )
    return [(row["day"], row["spent"]) for row in rows]


async def refused(asked: Any) -> tuple[str, object]:
    with pytest.raises(NotAllowed) as no:
        await asked
    return str(no.value.facts["why"]), no.value.facts["maximum"]


async def test_fifty_at_once_on_several_accounts_do_not_exceed_a_days_budget() -> None:
    """Ten of $5.00 fit; each account alone could pay all of its own."""
    clients = [await a_client() for _ in range(5)]
    bills = []
    for ada in clients:
        await ada.given(10_000)
        bills += [await ada.order(500) for _ in range(10)]
    shop = await a_shop(daily="50.00")

    async def one(due: Invoice) -> bool:
        once = key()
        for _ in range(20):
            try:
                await run(PayInvoice(due.id, use_credit=True), shop, once)
            except NotAllowed:
                return False
            except Busy:
                await asyncio.sleep(0)
            else:
                return True
        raise AssertionError("it was never answered")

    outcomes = await asyncio.gather(*map(one, bills))
    assert outcomes.count(True) == 10
    left = [(await ada.amounts())[0] for ada in clients]
    assert sum(left) == 5 * 10_000 - 5000
    assert [amount for _, amount in await spent(shop)] == [5000]


async def test_what_is_over_the_budget_changes_nothing_and_leaves_its_key_free() -> None:
    ada = await a_client()
    await ada.given(10_000)
    shop, due = await a_shop(daily="10.00", payment="8.00"), await ada.order(900)
    once = key()
    told = await refused(run(PayInvoice(due.id, use_credit=True), shop, once))
    assert told[0] == "payment_budget"
    assert (await spent(shop), await ada.amounts()) == ([], (10_000, 0, 0, 0))
    assert await sql.fetch("SELECT 1 FROM idempotency_key WHERE key = $1", once) == []
    await spend(shop, await ada.order(800))
    assert (await refused(spend(shop, await ada.order(300))))[0] == "daily_budget"
    await spend(shop, await ada.order(200))
    assert [amount for _, amount in await spent(shop)] == [1000]
    # Other keys, and the client, spend as before.
    await ada.spend(due)


async def test_credit_that_an_order_takes_counts_and_what_stays_due_does_not() -> None:
    ada = await a_client()
    await ada.given(700)
    shop = await a_shop(daily="10.00")
    assert (await bill(shop, ada, "9.00")).credit_applied == 700
    assert [amount for _, amount in await spent(shop)] == [700]
    assert (await bill(shop, ada, "500.00", apply_credit=False)).credit_applied == 0
    await run(AddFunds(Decimal(25), USD, "card", VERSION, ada.id), shop, key())
    assert [amount for _, amount in await spent(shop)] == [700]


async def test_what_goes_through_a_gateway_counts_with_its_credit_part_when_it_begins() -> None:
    ada = await a_client()
    await ada.given(400)
    shop, due = await a_shop(daily="30.00"), await ada.order(2500)
    paid = await spend(shop, due, gateway="card")
    begun = paid.payment
    total = begun.charged + begun.credit_part
    assert begun.credit_part == 400
    assert [amount for _, amount in await spent(shop)] == [total]
    assert (await refused(spend(shop, await ada.order(2500), gateway="card")))[0] == "daily_budget"


async def test_credit_that_a_replaced_payment_frees_pays_for_nothing_of_the_budget() -> None:
    ada = await a_client()
    await ada.given(9000)
    due = await ada.order(9500)
    await ada.begin(due, credit_limit=9000)
    assert (await ada.amounts())[:2] == (0, 9000)
    await ada.given(500)
    shop = await a_shop(daily="6.00", payment="6.00")
    assert (await refused(spend(shop, due)))[0] == "payment_budget"
    assert (await ada.amounts())[:2] == (500, 9000)
    rich = await a_shop(daily="95.00")
    await spend(rich, due)
    assert [amount for _, amount in await spent(rich)] == [9500]


async def test_what_was_reserved_has_counted_then_and_is_captured_freely() -> None:
    ada = await a_client()
    await ada.given(9000)
    hold = await ada.reserve(9000)
    shop = await a_shop(daily="1.00")
    await run(CaptureHold(hold.id), replace(shop, scopes=shop.scopes | {"credit:hold"}), key())
    assert await spent(shop) == []


async def test_a_preview_tells_what_the_budget_would_refuse_and_counts_nothing() -> None:
    ada = await a_client()
    await ada.given(5000)
    shop, due = await a_shop(daily="10.00", payment="8.00"), await ada.order(900)
    shop = replace(shop, scopes=shop.scopes | {"credit:read"})

    def look(*some: Invoice) -> Any:
        asked = PayInvoices(tuple(one.id for one in some), use_credit=True)
        return preview_payment(asked, shop)

    assert (await refused(look(due)))[0] == "payment_budget"
    fits, over = await ada.order(800), await ada.order(300)
    told = await look(fits)
    assert await spent(shop) == []
    await spend(shop, fits, quote=told.terms.quote)
    assert (await refused(look(over)))[0] == "daily_budget"
    assert [amount for _, amount in await spent(shop)] == [800]


async def test_a_repeated_click_counts_once_and_a_void_gives_no_budget_back() -> None:
    ada = await a_client()
    await ada.given(5000)
    shop, due, once = await a_shop(daily="10.00"), await ada.order(600), key()
    for _ in range(3):
        await run(PayInvoice(due.id, use_credit=True), shop, once)
    assert [amount for _, amount in await spent(shop)] == [600]
    await run(VoidInvoice(due.id, "a mistake"), shop, key())
    assert (await refused(spend(shop, await ada.order(600))))[0] == "daily_budget"


async def test_a_day_is_the_providers_and_the_next_has_all_of_it_again(at: At) -> None:
    ada = await a_client()
    await ada.given(5000)
    shop = await a_shop(daily="10.00")
    noon = datetime(2031, 5, 1, 12, tzinfo=UTC)
    with at(noon):
        await spend(shop, await ada.order(1000))
        assert (await refused(spend(shop, await ada.order(1))))[0] == "daily_budget"
    with at(noon + timedelta(days=1)):
        await spend(shop, await ada.order(1000))
    assert await spent(shop) == [("2031-05-01", 1000), ("2031-05-02", 1000)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
async def test_a_day_ends_at_the_sellers_midnight_and_not_a_moment_before(
    zone: str, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire_provider(monkeypatch, seller=Seller("Example", timezone=zone))
    ada = await a_client()
    await ada.given(5000)
    shop = await a_shop(daily="10.00")
    midnight = start_of(date(2031, 6, 2))
    with at(midnight - timedelta(microseconds=1)):
        await spend(shop, await ada.order(1000))
        assert (await refused(spend(shop, await ada.order(1))))[0] == "daily_budget"
    with at(midnight):
        await spend(shop, await ada.order(999))
        await spend(shop, await ada.order(1))
        assert (await refused(spend(shop, await ada.order(1))))[0] == "daily_budget"
    assert await spent(shop) == [("2031-06-01", 1000), ("2031-06-02", 1000)]


async def test_to_the_cent_is_within_a_budget_and_a_cent_more_is_not() -> None:
    ada = await a_client()
    await ada.given(5000)
    shop = await a_shop(daily="10.00", payment="6.00")
    assert await refused(spend(shop, await ada.order(601))) == ("payment_budget", Money(600, USD))
    await spend(shop, await ada.order(600))
    assert await refused(spend(shop, await ada.order(401))) == ("daily_budget", Money(1000, USD))
    await spend(shop, await ada.order(400))
    assert [amount for _, amount in await spent(shop)] == [1000]


async def test_what_is_refused_for_another_reason_counts_nothing() -> None:
    ada = await a_client()
    await ada.given(500)
    shop = await a_shop(daily="10.00")
    for asked in (
        spend(shop, await ada.order(600)),
        spend(shop, await ada.spend(await ada.order(500))),
        spend(shop, await ada.order(2500), gateway="nobody's"),
    ):
        with pytest.raises(Refusal):
            await asked
    assert await spent(shop) == []


async def test_the_largest_budget_is_counted_without_overflow() -> None:
    ada = await a_client()
    await ada.given(5000)
    shop = await a_shop(daily=str(Money(MINOR_MAX, USD).amount))
    await spend(shop, await ada.order(5))
    await sql.execute(
        "UPDATE key_spending SET spent = $1 WHERE line_id = $2", MINOR_MAX - 5, shop.line_id
    )
    assert (await refused(spend(shop, await ada.order(6))))[0] == "daily_budget"
    await spend(shop, await ada.order(5))
    assert [amount for _, amount in await spent(shop)] == [MINOR_MAX]


async def test_one_key_at_once_counts_once() -> None:
    ada = await a_client()
    await ada.given(5000)
    shop, due, once = await a_shop(daily="10.00"), await ada.order(600), key()
    asked = (run(PayInvoice(due.id, use_credit=True), shop, once) for _ in range(20))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in outcomes if isinstance(one, Exception)} <= {
        IdempotencyInFlight,
        TryAgain,
    }
    assert [amount for _, amount in await spent(shop)] == [600]


async def test_in_a_currency_without_a_budget_nothing_is_spent_where_another_has_one() -> None:
    ada = await a_client("JPY")
    await ada.given(5000)
    told = await refused(spend(await a_shop(daily="10.00"), await ada.order(1)))
    assert told[0] == "daily_budget"
    assert (await ada.amounts())[0] == 5000


async def test_promotional_credit_that_expires_meanwhile_is_nobodys_spending(at: At) -> None:
    ada = await a_client()
    await ada.granted(900, expires_at=clock.now() + timedelta(days=1))
    await ada.given(500)
    shop, due = await a_shop(daily="6.00"), await ada.order(400)
    with at(timedelta(days=2)):
        await spend(shop, due)
    assert [amount for _, amount in await spent(shop)] == [400]


# ------------------------------------------------------------------------------- rotation


async def test_a_key_that_replaces_another_has_what_is_left_of_its_budget() -> None:
    ada = await a_client()
    await ada.given(5000)
    first = await given(daily_budget=((Decimal(10), USD),))
    old = await holder(first)
    await spend(old, await ada.order(700))
    new = await holder(await run(RotateApiKey(first.key.id), STAFF, key()))
    assert new.line_id == old.line_id
    assert (await refused(spend(new, await ada.order(400))))[0] == "daily_budget"
    await spend(new, await ada.order(200))
    await spend(old, await ada.order(100))
    assert [amount for _, amount in await spent(new)] == [1000]


async def test_both_keys_of_a_line_at_once_share_one_budget() -> None:
    clients = [await a_client() for _ in range(4)]
    first = await given(daily_budget=((Decimal(10), USD),))
    keys = [await holder(first), await holder(await run(RotateApiKey(first.key.id), STAFF, key()))]
    asked = []
    for ada in clients:
        await ada.given(5000)
        asked += [spend(shop, await ada.order(250)) for shop in keys for _ in range(2)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    done = [one for one in outcomes if not isinstance(one, BaseException)]
    kinds = {type(one) for one in outcomes if isinstance(one, BaseException)}
    assert kinds <= {NotAllowed}
    assert len(done) == 4
