"""Credit that is reserved for a split: held, spent with the capture, or free again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from models import clock
from models.credit import balance, expiry
from models.db import sql
from models.errors import GatewayFailed, GatewayNotAvailable, InsufficientCredit
from models.gateway import EventKind as Kind
from models.gateway import GatewayDeclined
from models.invoices.invoice import credit_applicable
from models.journal.command import run
from models.payments.follow_up import CancelPayment
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, Client, a_client, captured, event, now, tell
from tests.support.providers import gateway, key

if TYPE_CHECKING:
    from models.invoices.invoice import Invoice
    from models.payments.payment import Payment
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")

TWO_DAYS: Final = timedelta(days=2)


async def _split(given: int = 1000, price: int = 2500) -> tuple[Client, Invoice, Payment]:
    """A client whose credit is held for a part of an order."""
    ada = await a_client()
    await ada.given(given)
    bill = await ada.order(price)
    return ada, bill, await ada.begin(bill, use_credit=True)


async def _hold(begun: Payment) -> str:
    row = await sql.fetch_one("SELECT state FROM credit_hold WHERE payment_id = $1", begun.id)
    assert row is not None
    return str(row["state"])


async def test_credit_is_held_when_the_payment_begins() -> None:
    ada, bill, begun = await _split()
    assert (begun.credit_part, begun.amount) == (1000, 1500)
    assert await ada.amounts() == (0, 1000, 0, 0)
    assert (await now(bill)).amount_paid == 0
    assert await ada.kinds() == ["ADJUSTMENT"]
    with pytest.raises(InsufficientCredit):
        await ada.spend(await ada.order(700))


async def test_held_credit_is_spent_with_the_capture() -> None:
    ada, bill, begun = await _split()
    await tell(begun, captured(begun))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert await _hold(begun) == "SPENT"
    paid = await now(bill)
    assert (paid.status, paid.credit_applied, paid.amount_paid) == ("PAID", 1000, 2500)
    assert await ada.kinds() == ["ADJUSTMENT", "INVOICE_PAYMENT"]


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.CANCELED, Kind.EXPIRED])
async def test_held_credit_is_free_again_when_the_payment_ends_without_money(kind: Kind) -> None:
    ada, bill, begun = await _split()
    await tell(begun, event(begun, Kind.PROCESSING), event(begun, kind))
    assert await ada.amounts() == (1000, 0, 0, 0)
    assert await _hold(begun) == "RELEASED"
    assert (await now(begun)).status == kind.value
    assert (await now(bill)).status == "UNPAID"


async def test_held_credit_is_free_again_when_the_client_cancels() -> None:
    ada, _, begun = await _split()
    ended = await run(CancelPayment(begun.id), ada.actor, key())
    assert ended.status == "CANCELED"
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_held_credit_is_free_again_when_the_gateway_declines_to_begin() -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order()
    gateway().trouble = GatewayDeclined("card_declined")
    with pytest.raises(GatewayFailed) as refusal:
        await ada.begin(bill, use_credit=True)
    assert refusal.value.facts == {"failure": "card_declined"}
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_held_credit_is_held_for_the_payment_that_takes_the_place_of_another() -> None:
    ada, bill, first = await _split()
    second = await ada.begin(bill, "bank", use_credit=True)
    assert (await now(first)).status == "CANCELED"
    assert (second.credit_part, second.amount) == (1000, 1500)
    assert await ada.amounts() == (0, 1000, 0, 0)
    assert (await _hold(first), await _hold(second)) == ("RELEASED", "OPEN")


async def test_credit_that_a_split_holds_can_pay_the_same_invoice_alone() -> None:
    ada = await a_client()
    await ada.given(2500)
    bill = await ada.order(2500)
    begun = await ada.begin(bill, credit_limit=1000)
    assert (await ada.spend(bill)).status == "PAID"
    assert (await now(begun)).status == "CANCELED"
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_capture_after_the_release_spends_what_is_there_and_leaves_the_rest_due() -> None:
    ada, bill, begun = await _split()
    await tell(begun, event(begun, Kind.FAILED))
    await ada.spend(await ada.order(600))
    await tell(begun, captured(begun))
    left = await now(bill)
    assert (left.status, left.amount_due, left.credit_applied) == ("UNPAID", 600, 400)
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await now(begun)).status == "SUCCEEDED"


async def test_a_capture_after_the_release_spends_nothing_of_an_account_that_is_stopped() -> None:
    ada, bill, begun = await _split()
    await tell(begun, event(begun, Kind.FAILED))
    await ada.frozen()
    await tell(begun, captured(begun))
    assert await ada.amounts() == (1000, 0, 0, 0)
    assert (await now(bill)).amount_due == 1000


async def test_more_money_than_the_rest_leaves_more_of_the_held_credit() -> None:
    ada, bill, begun = await _split()
    await tell(begun, captured(begun, 2000))
    paid = await now(bill)
    assert (paid.status, paid.credit_applied) == ("PAID", 500)
    assert await ada.amounts() == (500, 0, 0, 0)


async def test_the_credit_part_is_less_where_the_rest_would_be_too_little_for_the_gateway() -> None:
    ada, _, begun = await _split(given=2400)
    assert (begun.credit_part, begun.amount) == (2000, 500)
    assert await ada.amounts() == (400, 2000, 0, 0)


async def test_what_is_too_little_for_the_gateway_alone_is_refused() -> None:
    ada = await a_client()
    await ada.given(200)
    bill = await ada.order(499)
    with pytest.raises(GatewayNotAvailable):
        await ada.begin(bill, use_credit=True)
    assert await ada.amounts() == (200, 0, 0, 0)


async def test_a_credit_limit_bounds_the_credit_part() -> None:
    ada = await a_client()
    await ada.given(2500)
    begun = await ada.begin(await ada.order(2500), credit_limit=300)
    assert (begun.credit_part, begun.amount) == (300, 2200)
    assert await ada.amounts() == (2200, 300, 0, 0)


async def test_promotional_credit_is_held_first_soonest_expiry_first_and_goes_back_there() -> None:
    ada = await a_client()
    for days in (30, 10, 20):
        await ada.granted(500, clock.now() + timedelta(days=days))
    await ada.given(500)
    begun = await ada.begin(await ada.order(3000), credit_limit=1200)
    rows = await sql.fetch(
        "SELECT remaining FROM credit_grant WHERE account_id = $1 ORDER BY expires_at", ada.id
    )
    assert [row["remaining"] for row in rows] == [0, 0, 300]
    assert await ada.amounts() == (800, 1200, 300, 0)
    await run(CancelPayment(begun.id), ada.actor, key())
    assert await ada.amounts() == (2000, 0, 1500, 0)


async def test_the_order_of_grants_holds_after_a_release_in_the_same_transaction() -> None:
    ada = await a_client()
    for days in (10, 20):
        await ada.granted(500, clock.now() + timedelta(days=days))
    bill = await ada.order(3000)
    await ada.begin(bill, credit_limit=500)
    await ada.begin(bill, credit_limit=500)
    rows = await sql.fetch(
        "SELECT remaining FROM credit_grant WHERE account_id = $1 ORDER BY expires_at", ada.id
    )
    assert [row["remaining"] for row in rows] == [0, 500]


async def test_a_held_grant_does_not_expire_and_its_rest_does(at: At) -> None:
    ada = await a_client()
    await ada.granted(1000, clock.now() + timedelta(days=1))
    bill = await ada.order(2500)
    begun = await ada.begin(bill, credit_limit=600)
    at(TWO_DAYS)
    assert await expiry.expire_grants() >= 1
    assert await ada.amounts() == (0, 600, 0, 0)
    await tell(begun, captured(begun))
    assert (await now(bill)).credit_applied == 600
    assert await ada.kinds() == ["VOUCHER", "EXPIRY", "INVOICE_PAYMENT"]


async def test_held_credit_that_a_capture_leaves_of_an_expired_grant_expires_at_once(
    at: At,
) -> None:
    ada = await a_client()
    await ada.granted(1000, clock.now() + timedelta(days=1))
    begun = await ada.begin(await ada.order(2500), credit_limit=1000)
    at(TWO_DAYS)
    await tell(begun, captured(begun, 2300))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert [line.amount for line in await ada.lines()] == [1000, -200, -800]


async def test_held_credit_that_goes_back_to_an_expired_grant_expires_at_once(at: At) -> None:
    ada = await a_client()
    await ada.granted(1000, clock.now() + timedelta(days=1))
    begun = await ada.begin(await ada.order(2500), credit_limit=600)
    at(TWO_DAYS)
    await tell(begun, event(begun, Kind.FAILED))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert [line.amount for line in await ada.lines()] == [1000, -400, -600]


async def test_voided_credit_that_goes_back_to_an_expired_grant_expires_at_once(at: At) -> None:
    ada = await a_client()
    await ada.granted(1000, clock.now() + timedelta(days=1))
    await ada.given(500)
    bill = await ada.order(1200)
    await ada.spend(bill)
    at(TWO_DAYS)
    await run(VoidInvoice(bill.id, "mistake"), STAFF, key())
    assert await ada.amounts() == (500, 0, 0, 0)
    assert (await ada.kinds())[-2:] == ["INVOICE_PAYMENT_RETURNED", "EXPIRY"]


async def test_expired_credit_is_gone_for_every_reader_before_anybody_has_booked_that(
    at: At,
) -> None:
    ada = await a_client()
    later = clock.now() + timedelta(days=9)
    await ada.granted(1000, clock.now() + timedelta(days=1))
    await ada.granted(300, later)
    bill = await ada.order(1500)
    at(TWO_DAYS)
    state = await ada.balance()
    assert (state.available, state.promotional, state.next_expiry) == (300, 300, (300, later))
    assert await balance.balances_of([ada.id]) == {ada.id: [state]}
    assert await credit_applicable([bill]) == {bill.id: 300}
    assert await ada.kinds() == ["VOUCHER", "VOUCHER"]
    assert await expiry.expire_grants() >= 1
    booked = await ada.balance()
    assert (booked.available, booked.promotional, booked.version) == (300, 300, 3)


async def test_expired_credit_is_never_spent(at: At) -> None:
    ada = await a_client()
    await ada.granted(1000, clock.now() + timedelta(days=1))
    await ada.granted(1000)
    bill = await ada.order(1500)
    at(TWO_DAYS)
    with pytest.raises(InsufficientCredit) as refusal:
        await ada.spend(bill)
    assert refusal.value.available.minor == 1000
