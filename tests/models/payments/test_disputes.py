"""Once spending is stopped nothing more is spent, whatever a spender had read before.

The interleavings are forced: what stops spending comes between what a spender reads and its lock,
or holds the lock while the spender waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from models.accounts import account
from models.accounts.settings import UpdateAccount
from models.checkout import pay
from models.credit.adjustment import AdjustCredit
from models.db import connection, sql, transactions
from models.db.record import new_id
from models.errors import AccountFrozen, InvoiceNotPayable, Refusal
from models.gateway import EventKind as Kind
from models.invoices import order
from models.invoices.order import CreateOrder
from models.journal import command
from models.journal.command import Invocation, run
from models.journal.journal import Journal
from tests.support import factories
from tests.support.factories import STAFF, Client, a_client, captured, tell
from tests.support.providers import key

if TYPE_CHECKING:
    from models.invoices.invoice import Invoice

pytestmark = pytest.mark.usefixtures("provider")

#: What is made ready for a client, and then happens.
Act = Callable[[], Awaitable[Any]]
Plan = Callable[[Client], Awaitable[Act]]


# ------------------------------------------------------------------------------- what stops


async def staff_freeze(ada: Client) -> Act:
    return lambda: run(UpdateAccount(ada.id, {"spending_frozen": True}), STAFF, key())


async def a_dispute(ada: Client) -> Act:
    """Over a small order that a card paid: it takes no credit."""
    return await _disputed(await ada.order(600), ada)


async def a_dispute_in_another_currency(ada: Client) -> Act:
    return await _disputed(await _order_in(ada, "JPY"), ada)


async def _disputed(bill: Invoice, ada: Client) -> Act:
    begun = await ada.begin(bill)
    await tell(begun, captured(begun))
    return lambda: tell(begun, factories.event(begun, Kind.DISPUTED, key(), 600))


async def _order_in(ada: Client, currency: str) -> Invoice:
    line = order.OrderLine("Hosting", Decimal(1), Decimal(600), Decimal(0))
    how: dict[str, Any] = {"due_at": None, "apply_credit": False, "reference": None}
    return await run(CreateOrder(ada.id, currency, [line], **how), STAFF, key())


STOPS: Final[list[Plan]] = [staff_freeze, a_dispute, a_dispute_in_another_currency]


# ------------------------------------------------------------------------------- what spends


async def paying(ada: Client) -> Act:
    bill = await ada.order(1000)
    return lambda: ada.spend(bill)


async def beginning_a_split(ada: Client) -> Act:
    bill = await ada.order(2000)
    return lambda: ada.begin(bill, credit_limit=1000)


async def ordering_with_credit(ada: Client) -> Act:
    return lambda: ada.order(1000, apply_credit=True)


async def ordering_by_setting(ada: Client) -> Act:
    return lambda: ada.order(1000, apply_credit=None)


async def a_late_capture(ada: Client) -> Act:
    """Of a split that was given up: it would spend what is available."""
    begun = await ada.begin(await ada.order(2000), credit_limit=1000)
    await tell(begun, factories.event(begun, Kind.EXPIRED))
    return lambda: tell(begun, captured(begun))


SPENDS: Final[list[Plan]] = [
    *(paying, beginning_a_split, ordering_with_credit, ordering_by_setting, a_late_capture)
]


async def rich_client() -> Client:
    """5000 of credit, and some in another currency, so that it has a balance there, too."""
    ada = await a_client(auto_apply_credit=True)
    await ada.given(5000)
    await run(AdjustCredit(ada.id, Decimal(100), "JPY", "a gift"), STAFF, key())
    return ada


async def _has_spent_nothing(ada: Client) -> bool:
    rows = await sql.fetch(
        "SELECT SUM(available) AS available, SUM(reserved) AS reserved FROM balance"
        " WHERE account_id = $1",
        ada.id,
    )
    kinds = await ada.kinds()
    return rows == [{"available": 5100, "reserved": 0}] and kinds == ["ADJUSTMENT"]


# ------------------------------------------------------------------------------- while it waits


class Gate:
    """Holds the transaction that stops spending just before its commit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        self._write = Journal.write

        async def write(journal: Journal) -> None:
            await self._held(journal)

        monkeypatch.setattr(Journal, "write", write)

    async def _held(self, journal: Journal) -> None:
        kinds = {fact.kind for fact in journal.facts}
        await self._write(journal)
        if kinds & {"account.updated", "payment.disputed"}:
            self.reached.set()
            await self.opened.wait()


async def _waits(spending: asyncio.Future[Any]) -> None:
    """Until it waits for a lock (or need not); on SQLite all wait by themselves."""
    waiting = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while connection.dialect() == "postgres" and not (spending.done() or await sql.fetch(waiting)):
        pass


@pytest.mark.parametrize("spend", SPENDS, ids=lambda plan: plan.__name__)
@pytest.mark.parametrize("stop", STOPS, ids=lambda plan: plan.__name__)
async def test_who_waits_for_the_lock_of_what_stops_spending_spends_nothing(
    stop: Plan, spend: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await rich_client()
    stopping, spending = await stop(ada), await spend(ada)
    gate = Gate(monkeypatch)
    first = asyncio.ensure_future(stopping())
    await gate.reached.wait()
    second = asyncio.ensure_future(spending())
    await _waits(second)
    gate.opened.set()
    await first
    with suppress(AccountFrozen):
        await second
    assert await _has_spent_nothing(ada)


# ------------------------------------------------------------------------------- in between


def _between(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, happens: Act) -> list[str]:
    """Something happens, to its end, once `module.name` has read what it reads; what has."""
    read, outside = getattr(module, name), copy_context()
    done: list[str] = []

    async def then(*args: Any, **how: Any) -> Any:
        found = await read(*args, **how)
        if not done:
            done.append(name)
            await asyncio.get_running_loop().create_task(_coroutine(happens), context=outside)
        return found

    monkeypatch.setattr(module, name, then)
    return done


async def _coroutine(act: Act) -> None:
    await act()


@pytest.mark.postgres_only  # SQLite reads and writes in one transaction of its own
@pytest.mark.parametrize("spend", SPENDS[:2], ids=lambda plan: plan.__name__)
@pytest.mark.parametrize("stop", STOPS, ids=lambda plan: plan.__name__)
async def test_what_stops_spending_between_reading_an_invoice_and_its_lock_is_heeded(
    stop: Plan, spend: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await rich_client()
    stopping, spending = await stop(ada), await spend(ada)
    done = _between(monkeypatch, pay.PayInvoice, "_payable", stopping)
    with pytest.raises(AccountFrozen):
        await spending()
    assert done
    assert await _has_spent_nothing(ada)


@pytest.mark.postgres_only
@pytest.mark.parametrize("spend", SPENDS[2:4], ids=lambda plan: plan.__name__)
@pytest.mark.parametrize("stop", STOPS, ids=lambda plan: plan.__name__)
async def test_what_stops_spending_while_an_order_is_made_is_heeded(
    stop: Plan, spend: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await rich_client()
    stopping, spending = await stop(ada), await spend(ada)
    done = _between(monkeypatch, account, "by_ids", stopping)
    bill = await spending()
    assert (done, bill.status) == (["by_ids"], "UNPAID")
    assert await _has_spent_nothing(ada)


@pytest.mark.postgres_only
async def test_a_client_who_turns_paying_with_credit_off_meanwhile_is_heeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await rich_client()
    off = {"auto_apply_credit": False}
    _between(
        monkeypatch,
        account,
        "by_ids",
        lambda: run(UpdateAccount(ada.id, off), ada.actor, key()),
    )
    assert (await ada.order(1000, apply_credit=None)).status == "UNPAID"
    assert await _has_spent_nothing(ada)


@pytest.mark.postgres_only
async def test_who_is_thawed_between_reading_and_the_lock_may_spend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await rich_client()
    await (await staff_freeze(ada))()
    spending = await paying(ada)
    thaw = {"spending_frozen": False}
    _between(
        monkeypatch,
        pay.PayInvoice,
        "_payable",
        lambda: run(UpdateAccount(ada.id, thaw), STAFF, key()),
    )
    assert (await spending()).status == "PAID"


async def _elsewhere(ada: Client, bill: Invoice) -> None:
    """Pay in another server, which has a lane of its own."""
    wish, asked = (
        pay.PayInvoice(bill.id, use_credit=True),
        Invocation(ada.actor, key(), new_id(), None),
    )
    await transactions.transaction(lambda: command._work(wish, asked))


@pytest.mark.postgres_only
async def test_an_invoice_that_was_paid_meanwhile_is_refused_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not for the credit that the other payment has used up."""
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(1000)
    _between(monkeypatch, pay.PayInvoice, "_payable", lambda: _elsewhere(ada, bill))
    with pytest.raises(InvoiceNotPayable):
        await ada.spend(bill)
    assert await ada.kinds() == ["ADJUSTMENT", "INVOICE_PAYMENT"]


# ------------------------------------------------------------------------------- both ways


async def test_freezing_disputing_and_spending_at_once_never_wait_for_each_other_in_a_circle() -> (
    None
):
    """No deadlock that PostgreSQL has to break: each is run once."""
    ada = await rich_client()
    acts = [await plan(ada) for _ in range(4) for plan in (*STOPS[1:], *SPENDS[:2], SPENDS[4])]
    thaw = {"spending_frozen": False}
    acts += [await staff_freeze(ada) for _ in range(4)]
    acts += [lambda: run(UpdateAccount(ada.id, thaw), STAFF, key()) for _ in range(4)]
    before = await _deadlocks()
    ended = await asyncio.gather(*(act() for act in acts), return_exceptions=True)
    assert [
        end for end in ended if isinstance(end, Exception) and not isinstance(end, Refusal)
    ] == []
    assert await _deadlocks() == before
    (row,) = await sql.fetch("SELECT open_disputes FROM account WHERE id = $1", ada.id)
    assert row == {"open_disputes": 8}


async def _deadlocks() -> int:
    if connection.dialect() == "sqlite":
        return 0
    row = await sql.fetch_one(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert row is not None
    return int(row["deadlocks"])
