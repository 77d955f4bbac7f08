"""Commands that wait together are one transaction; each has its own outcome."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from models.checkout.pay import PayInvoice
from models.credit.redemption import RedeemVoucher
from models.db import connection, fair_queue, sql, tasks, transactions
from models.db.caller import LANE, called_by
from models.errors import (
    BalanceLimitExceeded,
    IdempotencyKeyReused,
    InsufficientCredit,
    InvoiceNotPayable,
    NotFound,
    Refusal,
    TryAgain,
    VoucherRefused,
)
from models.gateway import EventKind
from models.invoices.deposit import AddFunds
from models.journal import lane
from models.journal.command import perform, run
from models.money import Money
from models.payments import inbox
from models.payments.inbox import Apply, Message
from models.provider.provider import Limits
from tests.support.factories import a_client, a_voucher, captured, event, now
from tests.support.providers import VERSION, gateway, key, wire_provider
from tests.support.query_counter import asked

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from models.gateway import GatewayEvent
    from models.invoices.invoice import Invoice
    from tests.support.factories import Client

pytestmark = pytest.mark.usefixtures("provider")


async def at_once(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """What each answers, or refuses."""
    return await asyncio.gather(*work, return_exceptions=True)


def kinds(outcomes: list[Any]) -> list[str]:
    """Each as a word: its invoice's status, or its refusal."""
    names = [getattr(one, "status", type(one).__name__) for one in outcomes]
    return [str(name) for name in names]


async def with_orders(count: int, *, credit: int, price: int = 100) -> tuple[Client, list[Invoice]]:
    ada = await a_client()
    await ada.given(credit)
    return ada, [await ada.order(price) for _ in range(count)]


# ------------------------------------------------------------------------------- together


async def test_payments_of_many_accounts_that_come_together_are_one_transaction() -> None:
    people = [await with_orders(1, credit=500) for _ in range(5)]
    async with asked() as seen:
        paid = await at_once(*(ada.spend(bill) for ada, [bill] in people))
    assert kinds(paid) == ["PAID"] * 5
    assert (seen.transactions, seen.statements) == (1, seen.inside)
    if connection.dialect() == "postgres":
        assert len(seen.inside) == 4
    for ada, _ in people:
        assert await ada.amounts() == (400, 0, 0, 0)


async def test_a_hundred_payments_of_one_account_are_lines_one_after_the_other() -> None:
    ada, bills = await with_orders(100, credit=10_500)
    async with asked() as seen:
        paid = await at_once(*(ada.spend(bill) for bill in bills))
    assert kinds(paid) == ["PAID"] * 100
    assert seen.transactions < 10
    lines = await ada.lines()
    statement = [line for line in lines if line.kind == "INVOICE_PAYMENT"]
    assert sorted(line.version for line in statement) == sorted(
        range(statement[0].version, statement[0].version + len(statement))
    )
    assert {line.balance_after + 100 * line.version for line in statement} == {10_600}
    assert await ada.amounts() == (500, 0, 0, 0)


async def test_each_is_decided_on_what_the_earlier_ones_left() -> None:
    ada, bills = await with_orders(4, credit=250)
    async with asked() as seen:
        paid = await at_once(*(ada.spend(bill) for bill in bills))
    assert kinds(paid) == ["PAID", "PAID", "InsufficientCredit", "InsufficientCredit"]
    assert paid[2].available.minor == 50
    assert seen.transactions == 1
    assert await ada.amounts() == (50, 0, 0, 0)


async def test_who_comes_alone_waits_for_nobody() -> None:
    ada, [bill] = await with_orders(1, credit=100)
    turns = connection.client().turns
    assert (await ada.spend(bill)).status == "PAID"
    assert (turns.waiting, turns.is_served) == (0, False)


# ------------------------------------------------------------------------------- refusals


async def test_a_refusal_among_others_touches_none_of_them_and_leaves_its_key_free() -> None:
    ada, bills = await with_orders(2, credit=500)
    bo, [dear] = await with_orders(1, credit=50)
    once = key()
    outcomes = await at_once(
        ada.spend(bills[0]), bo.spend(dear, key=once), bo.spend(bills[0]), ada.spend(bills[1])
    )
    assert kinds(outcomes) == ["PAID", "InsufficientCredit", "NotFound", "PAID"]
    assert await bo.amounts() == (50, 0, 0, 0)
    await bo.given(50)
    assert (await bo.spend(dear, key=once)).status == "PAID"


async def test_what_a_refused_command_has_put_down_before_it_was_refused_is_taken_back() -> None:
    """It has canceled a payment and freed its credit, and then there is no gateway for the rest."""
    ada, bills = await with_orders(2, credit=150, price=1000)
    begun = await ada.begin(bills[0], credit_limit=100)
    assert await ada.amounts() == (50, 100, 0, 0)
    small = await ada.order(50)
    outcomes = await at_once(
        ada.pay(bills[0], use_credit=True, gateway="unknown"), ada.spend(small)
    )
    assert kinds(outcomes) == ["GatewayNotAvailable", "PAID"]
    assert await ada.amounts() == (0, 100, 0, 0)
    assert (await now(begun)).status == "REQUIRES_ACTION"
    # And it is no hindrance to what comes next.
    assert (await ada.begin(bills[0])).status == "REQUIRES_ACTION"
    assert await ada.amounts() == (100, 0, 0, 0)


# ------------------------------------------------------------------------------- the same


async def test_one_key_many_times_at_once_is_one_payment_with_one_answer() -> None:
    ada, [bill] = await with_orders(1, credit=500)
    once = key()
    paid = await at_once(*(ada.spend(bill, key=once) for _ in range(20)))
    assert kinds(paid) == ["PAID"] * 20
    assert {one.id for one in paid} == {bill.id}
    assert await ada.amounts() == (400, 0, 0, 0)


async def test_one_key_for_two_invoices_at_once_pays_the_first() -> None:
    ada, bills = await with_orders(2, credit=500)
    once = key()
    outcomes = await at_once(*(ada.spend(bill, key=once) for bill in bills))
    assert kinds(outcomes) == ["PAID", "IdempotencyKeyReused"]
    assert isinstance(outcomes[1], IdempotencyKeyReused)
    assert await ada.amounts() == (400, 0, 0, 0)


async def test_one_key_whose_first_use_is_refused_is_used_by_the_second() -> None:
    ada, [bill, dear] = await with_orders(2, credit=100)
    dear = await ada.order(5000)
    once = key()
    outcomes = await at_once(ada.spend(dear, key=once), ada.spend(bill, key=once))
    assert kinds(outcomes) == ["InsufficientCredit", "PAID"]


async def test_one_invoice_by_many_keys_at_once_is_paid_once() -> None:
    ada, [bill] = await with_orders(1, credit=500)
    outcomes = await at_once(*(ada.spend(bill) for _ in range(10)))
    assert kinds(outcomes) == ["PAID"] + ["InvoiceNotPayable"] * 9
    assert all(isinstance(one, InvoiceNotPayable) for one in outcomes[1:])
    assert await ada.amounts() == (400, 0, 0, 0)


async def test_one_invoice_begun_by_many_keys_at_once_has_one_payment_under_way() -> None:
    ada, [bill] = await with_orders(1, credit=100, price=2500)
    outcomes = await at_once(*(ada.begin(bill) for _ in range(5)))
    begun = await sql.fetch("SELECT id, status FROM payment WHERE invoice_id = $1", bill.id)
    # One that comes while the gateway is asked is refused; later ones take its place.
    assert len(begun) == len([one for one in outcomes if not isinstance(one, Refusal)])
    waiting = [row for row in begun if row["status"] == "REQUIRES_ACTION"]
    assert len(waiting) == 1
    assert len(gateway().orders) == len(begun)


# ------------------------------------------------------------------------------- what goes wrong


class _Bug(Exception):
    pass


async def test_a_trip_that_fails_is_done_again_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bills = await with_orders(3, credit=500)
    decide = PayInvoice.decide

    def stumbling(self: PayInvoice, *found: Any) -> Any:
        answer = decide(self, *found)
        if self.invoice_id == bills[1].id:
            raise _Bug
        return answer

    monkeypatch.setattr(PayInvoice, "decide", stumbling)
    outcomes = await at_once(*(ada.spend(bill) for bill in bills))
    assert kinds(outcomes) == ["PAID", "_Bug", "PAID"]
    assert await ada.amounts() == (300, 0, 0, 0)
    monkeypatch.undo()


async def test_what_somebody_else_has_changed_since_it_was_read_is_decided_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As another server does it: the invoice is voided between its reading and the lock."""
    ada, bills = await with_orders(2, credit=500)
    decide = PayInvoice.decide

    def late(self: PayInvoice, found: Any, *more: Any) -> Any:
        if self.invoice_id == bills[0].id and found.invoice.revision == 0:
            found.invoice.revision = -1  # what was read is older than what is there
        return decide(self, found, *more)

    monkeypatch.setattr(PayInvoice, "decide", late)
    again: list[str] = []
    alone = lane._alone

    def noted(queued: Any) -> None:
        again.append(queued.command.mutation)
        monkeypatch.setattr(PayInvoice, "decide", decide)
        alone(queued)

    monkeypatch.setattr(lane, "_alone", noted)
    outcomes = await at_once(*(ada.spend(bill) for bill in bills))
    assert kinds(outcomes) == ["PAID", "PAID"]
    assert again == ["payInvoice"] * 2
    assert await ada.amounts() == (300, 0, 0, 0)


@pytest.mark.postgres_only
async def test_a_balance_that_another_server_has_locked_holds_up_nobody_else() -> None:
    ada, bills = await with_orders(3, credit=500)
    bo, [other] = await with_orders(1, credit=500)
    locked, free = asyncio.Event(), asyncio.Event()

    async def lock() -> None:
        await sql.fetch("SELECT id FROM balance WHERE account_id = $1 FOR UPDATE", ada.id)
        locked.set()
        await free.wait()

    elsewhere = transactions.begin(lock)
    await locked.wait()
    waiting = [asyncio.create_task(ada.spend(bill)) for bill in bills]
    assert (await bo.spend(other)).status == "PAID"
    assert not any(task.done() for task in waiting)
    free.set()
    await elsewhere
    assert kinds(await asyncio.gather(*waiting)) == ["PAID"] * 3
    assert await ada.amounts() == (200, 0, 0, 0)


@pytest.mark.postgres_only
async def test_balances_that_stay_locked_elsewhere_take_no_place_from_the_others(
    books: str,
) -> None:
    held = [await with_orders(1, credit=500) for _ in range(12)]
    bo, others = await with_orders(10, credit=5000)
    outside = await asyncpg.connect(books.replace("&maxsize=8", ""))
    lock = outside.transaction()
    await lock.start()
    await outside.execute(
        "SELECT id FROM balance WHERE account_id = ANY($1::uuid[]) FOR UPDATE",
        [one.id for one, _ in held],
    )
    waiting = []
    for one, [bill] in held:
        with called_by(one.id.hex):
            waiting.append(asyncio.create_task(one.spend(bill)))
    # So many wait for a lock in a place of their own that none is left but the lane's.
    async with asyncio.timeout(5):
        while connection.client().turns.waiting == 0:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    with called_by("bo"):
        async with asyncio.timeout(fair_queue.STILL_SECONDS_MAX / 2):
            for other in others:
                assert (await bo.spend(other)).status == "PAID"
    await lock.rollback()
    await outside.close()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in outcomes if isinstance(one, Exception)} <= {TryAgain}


@pytest.mark.postgres_only
async def test_who_waits_for_a_number_alone_has_not_taken_the_key_that_its_holder_may_want(
    books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server's batch has locked the series, and writes the same key next."""
    ada = await a_client()
    await ada.funds()  # the series is there
    outside = await asyncpg.connect(books.replace("&maxsize=8", ""))
    lock = outside.transaction()
    await lock.start()
    await outside.execute("SELECT name FROM number_series FOR UPDATE")

    async def fails(*_: object) -> None:
        raise _Bug

    monkeypatch.setattr(lane, "in_one_go", fails)
    used = key()
    alone = asyncio.create_task(run(AddFunds(Decimal(25), "USD", "card", VERSION), ada.actor, used))
    async with asyncio.timeout(5):
        while not await sql.fetch("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            pass
    await outside.execute("SET LOCAL lock_timeout = '500ms'")
    await outside.execute(
        "INSERT INTO idempotency_key (id, created_at, principal, key, fingerprint, result)"
        " VALUES (gen_random_uuid(), now(), $1, $2, 'another', '{}')",
        ada.actor.principal,
        used,
    )
    await lock.commit()
    await outside.close()
    with pytest.raises(IdempotencyKeyReused):
        await alone


# ------------------------------------------------------------------------------- after it


async def test_what_is_done_is_answered_although_what_follows_finds_no_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    [code] = await a_voucher(700)

    async def busy(*_: object) -> None:
        raise TryAgain

    with monkeypatch.context() as patch:
        patch.setattr("models.access.rate_limit.give_back_all", busy)
        assert (await run(RedeemVoucher.of(code), ada.actor, key())).amount == 700
    assert await ada.amounts() == (700, 0, 700, 0)
    bill = await ada.order(2500)
    with monkeypatch.context() as patch:
        patch.setattr("models.payments.start.perform", busy)
        begun = await ada.begin(bill)
    assert (begun.status, begun.invoice_id) == ("CREATED", bill.id)
    assert (await now(bill)).status == "UNPAID"


# ------------------------------------------------------------------------------- of all kinds


async def test_payments_deposits_and_captures_go_together() -> None:
    ada, [bill] = await with_orders(1, credit=500)
    bo, cy = [await a_client() for _ in range(2)]
    dee, [split] = await with_orders(1, credit=1000, price=2500)
    won, lost = [await one.begin(await one.funds()) for one in (bo, cy)]
    told = [Apply(await stored(captured(won)), won)]
    told += [Apply(await stored(event(lost, EventKind.FAILED)), lost)]
    async with asked() as seen:
        outcomes = await at_once(
            ada.spend(bill),
            *map(perform, told),
            ada.funds(),
            dee.begin(split, credit_limit=1000),
        )
    assert not [one for one in outcomes if isinstance(one, Exception)]
    # The other is of what the gateway has said to the payment that began.
    assert seen.transactions == 2
    assert await ada.amounts() == (400, 0, 0, 0)
    assert await bo.amounts() == (2500, 0, 0, 0)
    assert await cy.amounts() == (0, 0, 0, 0)
    assert await dee.amounts() == (0, 1000, 0, 0)
    assert [(await now(one)).status for one in (won, lost)] == ["SUCCEEDED", "FAILED"]


async def test_what_is_held_is_captured_for_some_and_released_for_others_together() -> None:
    people = [await with_orders(1, credit=1000, price=2500) for _ in range(4)]
    begun = [await ada.begin(bill, credit_limit=1000) for ada, [bill] in people]
    told = [
        captured(one) if number % 2 else event(one, EventKind.FAILED)
        for number, one in enumerate(begun)
    ]
    steps = [Apply(await stored(one), payment) for payment, one in zip(begun, told, strict=True)]
    async with asked() as seen:
        assert await at_once(*map(perform, steps)) == [None] * 4
    assert seen.transactions == 1
    for number, (ada, [bill]) in enumerate(people):
        assert await ada.amounts() == ((0, 0, 0, 0) if number % 2 else (1000, 0, 0, 0))
        assert (await now(bill)).status == ("PAID" if number % 2 else "UNPAID")


async def test_one_voucher_by_many_at_once_is_redeemed_once_and_by_one_once_more() -> None:
    clients = [await a_client() for _ in range(4)]
    [code] = await a_voucher(700)
    outcomes = await at_once(*(run(RedeemVoucher.of(code), one.actor, key()) for one in clients))
    refused = [one for one in outcomes if isinstance(one, VoucherRefused)]
    assert len(refused) == 3
    assert sorted([await one.amounts() for one in clients])[-2:] == [
        (0, 0, 0, 0),
        (700, 0, 700, 0),
    ]


async def test_invoices_that_are_issued_together_have_numbers_without_gaps() -> None:
    clients = [await a_client() for _ in range(6)]
    before = (await clients[0].funds()).number
    issued = await at_once(*(one.funds() for one in clients))
    first = int(before.rpartition("-")[2])
    numbers = sorted(int(one.number.rpartition("-")[2]) for one in issued)
    assert numbers == list(range(first + 1, first + 7))


async def test_deposits_of_one_account_at_once_stay_below_the_maximum_balance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = {"USD": Limits(Money(500, "USD"), Money(50_000, "USD"), Money(6_000, "USD"))}
    wire_provider(monkeypatch, limits=most)
    ada = await a_client()
    bills = [await ada.funds() for _ in range(4)]
    outcomes = await at_once(*(ada.begin(bill) for bill in bills))
    refused = [one for one in outcomes if isinstance(one, BalanceLimitExceeded)]
    assert len(refused) == 2


async def stored(told: GatewayEvent) -> Message:
    id = await transactions.transaction(lambda: inbox._store("card", told))
    return await Message.get(id=id)


# ------------------------------------------------------------------------------- who leaves


async def test_who_leaves_while_they_wait_has_changed_nothing_and_the_others_are_done() -> None:
    ada, bills = await with_orders(3, credit=500)
    turns = connection.client().turns
    places = [turns.turn() for _ in range(turns.places)]
    for number, place in enumerate(places):
        with called_by(f"stander {number}" if number else LANE):
            await place.__aenter__()
    paying = [asyncio.create_task(ada.spend(bill)) for bill in bills]
    while turns.waiting < len(paying):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    paying[1].cancel()
    while turns.waiting == len(paying):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    for place in places:
        await place.__aexit__(None, None, None)
    outcomes = await asyncio.gather(*paying, return_exceptions=True)
    assert kinds(outcomes) == ["PAID", "CancelledError", "PAID"]
    assert await ada.amounts() == (300, 0, 0, 0)


async def test_who_leaves_while_it_is_done_changes_nothing_for_anybody() -> None:
    ada, bills = await with_orders(2, credit=500)
    paying = [asyncio.create_task(ada.spend(bill)) for bill in bills]
    turns = connection.client().turns
    while not (turns.is_served and not turns.has_unbatched):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    paying[0].cancel()
    outcomes = await asyncio.gather(*paying, return_exceptions=True)
    await tasks.drain()
    assert kinds(outcomes) == ["CancelledError", "PAID"]
    assert await ada.amounts() == (300, 0, 0, 0)


async def test_what_was_never_there_is_not_found_among_others() -> None:
    ada, [bill] = await with_orders(1, credit=500)
    bo = await a_client()
    outcomes = await at_once(bo.spend(bill), run(PayInvoice(ada.id), ada.actor, key()))
    assert [type(one) for one in outcomes] == [NotFound, NotFound]
    assert not isinstance(outcomes[0], InsufficientCredit)
