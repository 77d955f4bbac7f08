"""What gateways take back of credit that is spent: a debt, and what it stops."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models.accounts.settings import UpdateAccount
from models.credit import balance
from models.credit.adjustment import AdjustCredit
from models.errors import (
    AccountFrozen,
    BalanceLimitExceeded,
    CurrencyNotSupported,
    InsufficientCredit,
)
from models.gateway import EventKind as Kind
from models.invoices import order
from models.invoices.deposit import AddFunds
from models.invoices.invoice import credit_applicable
from models.journal.command import run
from models.money import Money
from models.payments.void import VoidInvoice
from models.provider.provider import Limits
from tests.support.factories import STAFF, Client, a_client, captured, event, now, tell
from tests.support.providers import VERSION, key, wire_provider

if TYPE_CHECKING:
    from models.invoices.invoice import Invoice
    from models.payments.payment import Payment

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
    assert not await ada.is_frozen()


async def test_a_debt_stops_spending() -> None:
    ada, begun = await _in_debt()
    await tell(begun, event(begun, Kind.DISPUTE_LOST, begun.reference, 2500))
    assert not (await now(begun)).disputed
    assert await ada.is_frozen()
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
    assert not await ada.is_frozen()


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
    assert not await ada.is_frozen()
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
    assert await ada.is_frozen()
    await tell(second, event(second, Kind.DISPUTE_LOST, second.reference, 500))
    assert not await ada.is_frozen()
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
        await run(AdjustCredit(ada.id, -ada.major(301), "USD", "wrong"), STAFF, key())
    assert (refusal.value.available.minor, refusal.value.required.minor) == (300, 301)
    await run(AdjustCredit(ada.id, -ada.major(300), "USD", "wrong"), STAFF, key())
    assert await ada.amounts() == (1000, 0, 1000, 0)


# ------------------------------------------------------------------------------- other currencies


async def _bill(ada: Client, fils: int, **wish: Any) -> Invoice:
    """An order in dinars, of a client whose account is in dollars."""
    line = order.OrderLine("Hosting", Decimal(1), Money(fils, "KWD").amount, Decimal(0))
    how = {"apply_credit": False, **wish}
    used = how.pop("key", None) or key()
    return await run(order.CreateOrder(ada.id, "KWD", [line], **how), STAFF, used)


async def _in_debt_abroad() -> Client:
    """A dollar client who owes 2.000 dinars, with 10.00 dollars of credit."""
    ada = await a_client()
    await ada.given(1000)
    begun = await ada.begin(await _bill(ada, 1000))
    await tell(begun, captured(begun, 3000))
    await ada.spend(await _bill(ada, 2000))
    # What became credit goes first: all that is taken back of it has been spent.
    await tell(begun, event(begun, Kind.REFUNDED, key(), 2000))
    assert (await balance.read(ada.id, "KWD")).debt == 2000
    return ada


async def test_a_debt_freezes_the_credit_of_its_own_currency_only() -> None:
    ada = await _in_debt_abroad()
    states = {one.currency: one.stopped for one in (await balance.balances_of([ada.id]))[ada.id]}
    assert states == {"USD": False, "KWD": True}
    assert await ada.is_frozen()
    await run(AdjustCredit(ada.id, Money(500, "KWD").amount, "KWD", "a gift"), STAFF, key())
    dollars, dinars = await ada.order(700), await _bill(ada, 700)
    with pytest.raises(AccountFrozen) as refusal:
        await ada.spend(dinars)
    assert refusal.value.field == ("use_credit",)
    assert await credit_applicable([dollars, dinars]) == {dollars.id: 700, dinars.id: 0}
    assert (await _bill(ada, 700, apply_credit=True)).credit_applied == 0
    assert (await ada.order(100, apply_credit=True)).status == "PAID"
    assert (await ada.spend(dollars)).status == "PAID"


async def test_staff_and_an_open_dispute_freeze_every_currency() -> None:
    ada = await _in_debt_abroad()
    begun = await ada.deposit(2500)
    await tell(begun, event(begun, Kind.DISPUTED, begun.reference, 500))
    states = (await balance.balances_of([ada.id]))[ada.id]
    assert [one.stopped for one in states] == [True, True]
    with pytest.raises(AccountFrozen):
        await ada.spend(await ada.order(700))
    await tell(begun, event(begun, Kind.DISPUTE_WON, begun.reference, 500))
    assert not (await ada.balance()).stopped
    await run(UpdateAccount(ada.id, {"spending_frozen": True}), STAFF, key())
    assert (await ada.balance()).stopped
    with pytest.raises(AccountFrozen):
        await ada.spend(await ada.order(700))


async def test_a_debt_in_another_currency_is_repaid_by_adding_funds() -> None:
    ada = await _in_debt_abroad()
    bill = await run(AddFunds(Money(5000, "KWD").amount, "KWD", "card", VERSION), ada.actor, key())
    begun = await ada.begin(bill)
    await tell(begun, captured(begun))
    dinars = await balance.read(ada.id, "KWD")
    assert (dinars.available, dinars.debt, dinars.stopped) == (3000, 0, False)
    assert not await ada.is_frozen()


async def test_funds_are_added_in_no_currency_that_the_account_has_nothing_to_do_with() -> None:
    ada = await a_client()
    with pytest.raises(CurrencyNotSupported) as refusal:
        await run(AddFunds(Money(5000, "KWD").amount, "KWD", "card", VERSION), ada.actor, key())
    assert refusal.value.field == ("amount", "currency")
    assert not await balance.has_balance(ada.id, "KWD")


async def test_a_debt_does_not_count_against_the_room_for_the_deposit_that_repays_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada, _ = await _in_debt()
    limits = Limits(Money(500, "USD"), Money(50_000, "USD"), Money(1000, "USD"))
    wire_provider(monkeypatch, limits={"USD": limits})
    assert (await ada.funds(3000)).total == 3000
    with pytest.raises(BalanceLimitExceeded):
        await ada.funds(3001)


# ------------------------------------------------------------------------------- what repays


async def test_an_adjustment_repays_a_debt_before_it_is_credit() -> None:
    ada, _ = await _in_debt()
    line = await ada.given(1500)
    assert (line.kind, line.amount, line.balance_after) == ("ADJUSTMENT", 1500, -500)
    assert await ada.amounts() == (0, 0, 0, 500)
    await ada.given(1500)
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_what_a_voided_order_gives_back_repays_a_debt_and_its_grants_do_not() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    await ada.granted(400)
    paid = await ada.spend(await ada.order(2900))
    await tell(begun, event(begun, Kind.REFUNDED, key(), 2500))
    assert await ada.amounts() == (0, 0, 0, 2500)
    await run(VoidInvoice(paid.id, "a mistake"), STAFF, key())
    assert await ada.amounts() == (400, 0, 400, 0)
    line = (await ada.lines())[-1]
    assert (line.kind, line.amount) == ("INVOICE_PAYMENT_RETURNED", 2900)


async def test_deposits_that_were_held_while_a_debt_arose_repay_it_when_they_are_free() -> None:
    ada = await a_client()
    begun = await ada.deposit(2500)
    held = await ada.begin(await ada.order(3000), credit_limit=2000)
    await tell(begun, event(begun, Kind.REFUNDED, key(), 2500))
    assert await ada.amounts() == (0, 2000, 0, 2000)
    await tell(held, event(held, Kind.FAILED))
    assert await ada.amounts() == (0, 0, 0, 0)
    assert not (await ada.balance()).stopped


async def test_a_debt_is_put_right_in_a_currency_that_is_not_offered_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await _in_debt_abroad()
    wire_provider(monkeypatch, limits={"USD": Limits(Money(500, "USD"), Money(50_000, "USD"))})
    await run(AdjustCredit(ada.id, Decimal(2), "KWD", "written off"), STAFF, key())
    assert (await balance.read(ada.id, "KWD")).debt == 0
    with pytest.raises(CurrencyNotSupported):
        await run(AdjustCredit(ada.id, Decimal(2), "EUR", "a mistake"), STAFF, key())
