"""What gateways take back of credit that is spent: a debt, and what it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from models import account, staff
from models.errors import AccountFrozen, InsufficientCredit
from models.gateway import EventKind as Kind
from tests.factories import STAFF, Client, a_client, captured, event, now, tell
from tests.providers import key

if TYPE_CHECKING:
    from models.payment import Payment

pytestmark = pytest.mark.usefixtures("provider")


async def _in_debt(minor: int = 2000) -> tuple[Client, Payment]:
    """A client with 500 left of a deposit of 2500, all of which the gateway has taken back."""
    ada = await a_client()
    begun = await ada.deposit(2500)
    await ada.spend(await ada.order(minor))
    await tell(begun, event(begun, Kind.DISPUTED, begun.reference, 2500))
    return ada, await now(begun)


async def test_taking_back_spent_credit_takes_what_is_there_and_leaves_a_debt() -> None:
    ada, begun = await _in_debt()
    assert await ada.amounts() == (0, 0, 0, 2000)
    line = (await ada.lines())[-1]
    assert (line.kind, line.amount, line.balance_after) == ("DEPOSIT_REVERSED", -2500, -2000)
    assert (begun.taken_back, begun.applied, begun.disputed) == (2500, 0, True)
    bill = await now(await ada.order())
    assert bill.status == "UNPAID"


async def test_a_refunded_deposit_says_so_on_its_invoice() -> None:
    ada = await a_client()
    bill = await ada.funds()
    begun = await ada.begin(bill)
    await tell(begun, captured(begun), event(begun, Kind.REFUNDED, key(), 2500))
    refunded = await now(bill)
    assert (refunded.status, refunded.amount_paid) == ("REFUNDED", 0)
    assert await ada.amounts() == (0, 0, 0, 0)
    assert not await account.is_frozen(ada.id)


async def test_a_debt_stops_spending() -> None:
    ada, begun = await _in_debt()
    await tell(begun, event(begun, Kind.DISPUTE_LOST, begun.reference, 2500))
    assert not (await now(begun)).disputed
    assert await account.is_frozen(ada.id)
    await ada.granted(3000)
    before = await ada.amounts()
    with pytest.raises(AccountFrozen) as refusal:
        await ada.spend(await ada.order(700))
    assert refusal.value.field == ("use_credit",)
    applied = await ada.order(700, apply_credit=True)
    assert (applied.status, applied.credit_applied) == ("UNPAID", 0)
    assert await ada.amounts() == before == (3000, 0, 3000, 2000)


async def test_the_next_deposit_repays_the_debt_first() -> None:
    ada, begun = await _in_debt()
    await tell(begun, event(begun, Kind.DISPUTE_LOST, begun.reference, 2500))
    await ada.deposit(3000)
    assert await ada.amounts() == (1000, 0, 0, 0)
    repaid, deposit = (await ada.lines())[-2:]
    assert (repaid.kind, repaid.amount, repaid.debt_after) == ("DEBT_REPAID", 2000, 0)
    assert (deposit.kind, deposit.amount, deposit.available_after) == ("DEPOSIT", 1000, 1000)
    assert not await account.is_frozen(ada.id)


async def test_a_deposit_smaller_than_the_debt_only_repays() -> None:
    ada, _ = await _in_debt()
    await ada.deposit(500)
    assert await ada.amounts() == (0, 0, 0, 1500)
    assert (await ada.kinds())[-1] == "DEBT_REPAID"


async def test_an_overpayment_repays_a_debt_too() -> None:
    ada, _ = await _in_debt()
    begun = await ada.begin(await ada.order(1000))
    await tell(begun, captured(begun, 1700))
    assert await ada.amounts() == (0, 0, 0, 1300)


async def test_promotional_credit_neither_repays_nor_covers_what_is_taken_back() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    await ada.granted(1000)
    await ada.spend(await ada.order(3000))
    await ada.granted(4000)
    await tell(begun, event(begun, Kind.REFUNDED, key(), 2500))
    assert await ada.amounts() == (4000, 0, 4000, 2000)
    await ada.deposit(500)
    assert await ada.amounts() == (4000, 0, 4000, 1500)


async def test_a_dispute_that_is_won_mirrors_what_was_taken_back() -> None:
    ada, begun = await _in_debt()
    await tell(begun, event(begun, Kind.DISPUTE_WON, begun.reference, 2500))
    assert await ada.amounts() == (500, 0, 0, 0)
    line = (await ada.lines())[-1]
    assert (line.kind, line.amount) == ("DEPOSIT_REINSTATED", 2500)
    assert not await account.is_frozen(ada.id)
    assert (await now(begun)).taken_back == 0


async def test_a_dispute_that_is_won_after_the_debt_was_repaid_is_credit() -> None:
    ada, begun = await _in_debt()
    await ada.deposit(2000)
    assert await ada.amounts() == (0, 0, 0, 0)
    await tell(begun, event(begun, Kind.DISPUTE_WON, begun.reference, 2500))
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_an_open_dispute_freezes_an_account_that_owes_nothing() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    await ada.deposit(2500)
    await tell(begun, event(begun, Kind.DISPUTED, key(), 1000))
    assert await ada.amounts() == (4000, 0, 0, 0)
    with pytest.raises(AccountFrozen):
        await ada.spend(await ada.order(700))


async def test_two_disputes_freeze_until_both_have_ended() -> None:
    ada = await a_client()
    first, second = await ada.deposit(2500), await ada.deposit(2500)
    for begun in (first, second):
        await tell(begun, event(begun, Kind.DISPUTED, begun.reference, 500))
    await tell(first, event(first, Kind.DISPUTE_WON, first.reference, 500))
    assert await account.is_frozen(ada.id)
    await tell(second, event(second, Kind.DISPUTE_LOST, second.reference, 500))
    assert not await account.is_frozen(ada.id)
    assert await ada.amounts() == (4500, 0, 0, 0)


async def test_a_gateway_takes_an_order_back_and_it_is_due_again() -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, captured(begun), event(begun, Kind.REFUNDED, key(), 1000))
    reopened = await now(bill)
    assert (reopened.status, reopened.amount_paid, reopened.paid_at) == ("UNPAID", 1500, None)
    assert await ada.kinds() == []
    again = await ada.begin(reopened)
    assert again.amount == 1000
    await tell(again, captured(again))
    assert (await now(bill)).status == "PAID"


async def test_staff_take_no_more_than_the_deposits() -> None:
    ada = await a_client()
    await ada.granted(1000)
    await ada.given(300)
    with pytest.raises(InsufficientCredit) as refusal:
        await staff.adjust(ada.id, -ada.major(301), "USD", "wrong", by=STAFF, key=key())
    assert (refusal.value.available.minor, refusal.value.required.minor) == (300, 301)
    await staff.adjust(ada.id, -ada.major(300), "USD", "wrong", by=STAFF, key=key())
    assert await ada.amounts() == (1000, 0, 1000, 0)
