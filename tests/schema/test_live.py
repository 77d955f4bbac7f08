"""Subscriptions: the present at once, then every change, in order, without gap or repeat."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from models import clock
from models.access import session
from models.access.identity import Role
from models.access.user import User
from models.credit import balance, updates
from models.db import transactions
from schema.core import watch
from schema.core.watch import Watchers
from tests.support.factories import STAFF, a_client, captured, tell
from tests.support.staffed_provider import (
    SCHEMA,
    an_account,
    an_order,
    client,
    context,
    give,
    partner,
    wire_provider,
)
from tests.support.subscriptions import responses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from models.access.identity import Actor
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("db", "wired")

CREDIT: Final = """subscription ($after: Int, $account: ID, $currency: CurrencyCode) {
    creditUpdated(afterVersion: $after, accountId: $account, currency: $currency) {
        balance { version available { amount } pending { amount } reserved { amount } }
        transaction { version amount { amount } balanceAfter { amount } } } }"""
INVOICE: Final = """subscription ($id: ID!) { invoiceUpdated(id: $id) {
    status amountDue { amount } payments { status } } }"""


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


@pytest.fixture
async def watchers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watchers]:
    """What is committed rings here, and nothing is looked at unasked."""
    monkeypatch.setattr(watch, "POLL_SECONDS", 60.0)
    async with Watchers().running() as watchers:
        transactions.on_ring(watchers.ring)
        yield watchers
        transactions.on_ring(None)


class Listener:
    """One subscription, read message by message."""

    def __init__(self, results: AsyncIterator[Any]) -> None:
        self.results = results

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            result = await anext(self.results)
        assert result.errors is None, result.errors
        (message,) = result.data.values()
        return message

    async def versions(self, count: int) -> list[tuple[int, str, str | None]]:
        """Version, available credit, and the amount that caused it, of that many messages."""
        seen = []
        for _ in range(count):
            message = await self.next()
            line = message["transaction"]
            assert line is None or line["version"] == message["balance"]["version"]
            said = message["balance"]
            seen.append(
                (said["version"], said["available"]["amount"], line and line["amount"]["amount"])
            )
        return seen

    async def silent(self) -> bool:
        """Whether nothing more comes (for as long as a loop turns a hundred times)."""
        waiting = asyncio.ensure_future(anext(self.results))
        for _ in range(100):
            await asyncio.sleep(0)
        quiet = not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})
        return quiet


@asynccontextmanager
async def listening(
    document: str, actor: Actor | None, watchers: Watchers, **variables: Any
) -> AsyncIterator[Listener]:
    results = responses(SCHEMA, document, context(actor, watchers=watchers), **variables)
    try:
        yield Listener(results)
    finally:
        await results.aclose()
    assert watchers.listeners == 0


async def refusal(
    actor: Actor | None, watchers: Watchers, document: str = CREDIT, **given: Any
) -> str:
    """The code of the error that a subscription ends with."""
    async with listening(document, actor, watchers, **given) as listener:
        try:
            result = await anext(listener.results)
        except Exception as error:  # noqa: BLE001 - a generator's error or a result's
            return str(error.extensions["code"])  # type: ignore[attr-defined]
        return str(result.errors[0].extensions["code"])


async def test_the_present_comes_at_once_and_then_every_change(watchers: Watchers) -> None:
    ada = await an_account()
    await give(ada, "5.00")
    async with listening(CREDIT, client(ada), watchers) as listener:
        assert await listener.versions(1) == [(1, "5.00", None)]
        await give(ada, "2.00")
        await give(ada, "-1.00")
        assert await listener.versions(2) == [(2, "7.00", "2.00"), (3, "6.00", "-1.00")]
        assert await listener.silent()


async def test_a_client_that_comes_back_misses_and_repeats_nothing(
    watchers: Watchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "BATCH", 2)
    ada = await an_account()
    for _ in range(6):
        await give(ada, "1.00")
    async with listening(CREDIT, client(ada), watchers, after=1) as listener:
        assert await listener.versions(6) == [
            *((n, f"{n}.00", "1.00") for n in range(2, 7)),
            (6, "6.00", None),
        ]
        await give(ada, "1.00")
        assert await listener.versions(1) == [(7, "7.00", "1.00")]
    async with listening(CREDIT, client(ada), watchers, after=7) as listener:
        assert await listener.versions(1) == [(7, "7.00", None)]


async def test_a_version_from_the_future_or_the_past_of_time_is_an_error(
    watchers: Watchers,
) -> None:
    ada = await an_account()
    await give(ada, "1.00")
    assert await refusal(client(ada), watchers, after=2) == "BAD_USER_INPUT"
    assert await refusal(client(ada), watchers, after=-1) == "BAD_USER_INPUT"


async def test_a_lost_ring_delays_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await an_account()
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    async with (
        Watchers().running() as watchers,
        listening(CREDIT, client(ada), watchers) as listener,
    ):
        await listener.versions(1)
        await give(ada, "1.00")
        await give(ada, "1.00")
        assert await listener.versions(2) == [(1, "1.00", "1.00"), (2, "2.00", "1.00")]


async def test_what_is_committed_while_the_first_state_is_read_is_not_missed(
    watchers: Watchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await an_account()
    read = balance.states_of

    async def slow(*asked: Any) -> Any:
        state = await read(*asked)
        monkeypatch.setattr(balance, "states_of", read)
        await give(ada, "1.00")
        return state

    monkeypatch.setattr(balance, "states_of", slow)
    async with listening(CREDIT, client(ada), watchers) as listener:
        assert await listener.versions(2) == [(0, "0.00", None), (1, "1.00", "1.00")]


async def test_a_deposit_is_seen_pending_and_then_available(watchers: Watchers) -> None:
    ada = await a_client()
    async with listening(CREDIT, ada.actor, watchers) as listener:
        await listener.next()
        payment = await ada.begin(await ada.funds(2500))
        message = await listener.next()
        assert message["transaction"] is None
        assert message["balance"]["version"] == 0
        assert message["balance"]["pending"]["amount"] == "25.00"
        await tell(payment, captured(payment))
        message = await listener.next()
        while message["transaction"] is None:  # the gateway at work
            message = await listener.next()
        assert message["balance"]["available"]["amount"] == "25.00"
        assert message["balance"]["pending"]["amount"] == "0.00"
        assert message["balance"]["version"] == 1
        assert await listener.silent()


async def test_an_invoice_is_seen_through_to_its_payment(watchers: Watchers) -> None:
    ada = await a_client()
    bill = await ada.order(2500)
    async with listening(INVOICE, ada.actor, watchers, id=bill.public_id) as listener:
        first = await listener.next()
        assert first == {"status": "UNPAID", "amountDue": {"amount": "25.00"}, "payments": []}
        payment = await ada.begin(bill)
        statuses = [(await listener.next())["payments"][0]["status"]]
        while statuses[-1] != "REQUIRES_ACTION":
            statuses.append((await listener.next())["payments"][0]["status"])
        await tell(payment, captured(payment))
        last = await listener.next()
        while last["status"] != "PAID":
            last = await listener.next()
        assert last["payments"] == [{"status": "SUCCEEDED"}]
        assert last["amountDue"]["amount"] == "0.00"
        assert await listener.silent()


async def test_another_balance_does_not_wake(watchers: Watchers) -> None:
    ada, bo = await an_account(), await an_account("Bo")
    async with listening(CREDIT, client(ada), watchers) as listener:
        await listener.next()
        await give(bo, "1.00")
        assert await listener.silent()


async def test_only_those_who_may_read_may_listen(watchers: Watchers) -> None:
    ada, bo = await an_account(), await an_account("Bo")
    order = await an_order(ada)
    given = {"account": ada.public_id}
    assert await refusal(None, watchers, **given) == "UNAUTHENTICATED"
    assert await refusal(client(bo), watchers, **given) == "NOT_FOUND"
    assert await refusal(partner("invoices:read"), watchers, **given) == "FORBIDDEN"
    assert await refusal(STAFF, watchers) == "BAD_USER_INPUT"
    assert await refusal(client(ada), watchers, currency="ZZZ") == "BAD_USER_INPUT"
    bill = {"id": order.public_id}
    assert await refusal(None, watchers, INVOICE, **bill) == "UNAUTHENTICATED"
    assert await refusal(client(bo), watchers, INVOICE, **bill) == "NOT_FOUND"
    assert await refusal(client(ada), watchers, INVOICE, id="x") == "NOT_FOUND"
    async with listening(
        CREDIT, partner("credit:read", accounts=[ada]), watchers, **given
    ) as listener:
        await listener.next()


async def a_session(ada: Any) -> Actor:
    user = await transactions.transaction(lambda: User.create(role=Role.CLIENT, account_id=ada.id))
    actor, _ = await session.open_session(user)
    return actor


async def test_a_revoked_session_hears_nothing_more(watchers: Watchers) -> None:
    ada = await an_account()
    actor = await a_session(ada)
    async with listening(CREDIT, actor, watchers) as listener:
        await listener.next()
        await session.sign_out(actor)
        await give(ada, "1.00")
        assert await ended(listener) == "UNAUTHENTICATED"


async def test_a_session_that_expires_ends_what_it_opened(watchers: Watchers) -> None:
    ada = await an_account()
    soon = clock.now() + timedelta(milliseconds=50)
    async with listening(
        CREDIT, replace(await a_session(ada), expires_at=soon), watchers
    ) as listener:
        await listener.next()
        assert await ended(listener) == "UNAUTHENTICATED"


async def ended(listener: Listener) -> str:
    try:
        async with asyncio.timeout(10):
            result = await anext(listener.results)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - as in refusal()
        return str(error.extensions["code"])  # type: ignore[attr-defined]
    return str(result.errors[0].extensions["code"])
