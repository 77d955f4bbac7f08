"""The line to a gateway: repeats are bounded, its circuit opens, the others go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import stamina

from models import clock
from models.db import tasks, transactions
from models.errors import GatewayFailed
from models.gateway import EventKind, GatewayDeclined, GatewayProblem, GatewayUnreachable
from models.journal.command import run
from models.payments import follow_up, reconcile
from models.payments.ask_refund import RefundPayment
from models.payments.follow_up import CancelPayment
from models.provider import circuit
from tests.support.factories import STAFF, a_client, captured, now, tell
from tests.support.providers import Fake, gateway, key

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("provider")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No waiting between repeats; every circuit is closed before and after."""
    monkeypatch.setattr(circuit, "_circuits", {})
    stamina.set_testing(True, attempts=circuit.TRIES_MAX)
    yield
    stamina.set_testing(False)


class Trouble:
    """Work that fails a number of times before it answers; counts how often it was done."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.asked = failures, error, 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error
        return "answer"


async def test_a_call_that_does_not_get_through_is_repeated_a_few_times() -> None:
    work = Trouble(2, GatewayUnreachable("no answer"))
    assert await circuit.call(Fake("card"), work) == "answer"
    assert work.asked == 3
    work = Trouble(9, GatewayUnreachable("no answer"))
    with pytest.raises(GatewayUnreachable):
        await circuit.call(Fake("card"), work)
    assert work.asked == circuit.TRIES_MAX


@pytest.mark.parametrize("error", [GatewayDeclined("no"), GatewayProblem("what?")])
async def test_an_answer_is_not_asked_for_again(error: Exception) -> None:
    work = Trouble(9, error)
    with pytest.raises(type(error)):
        await circuit.call(Fake("card"), work)
    assert work.asked == 1


async def test_while_a_gateway_is_down_it_is_said_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    gateway().trouble = GatewayUnreachable("no answer")
    for _ in range(circuit.FAILURES_MAX):
        with pytest.raises(GatewayFailed):
            await ada.begin(await ada.funds())
    assert circuit.is_down("card")
    asked = len(gateway().orders)
    bill = await ada.funds()
    with pytest.raises(GatewayFailed) as refusal:
        await ada.begin(bill)
    assert refusal.value.facts["problem"] == "down"
    assert len(gateway().orders) == asked
    assert not circuit.is_down("paid-card")
    assert (await ada.begin(bill, "paid-card")).status == "REQUIRES_ACTION"

    # After a while it is tried again, and works.
    monkeypatch.setattr(circuit._circuits["card"], "_recovery_timeout", -1)
    gateway().trouble = None
    begun = await ada.begin(await ada.funds())
    assert begun.status == "REQUIRES_ACTION"
    assert not circuit.is_down("card")


async def test_declined_payments_open_no_circuit() -> None:
    ada = await a_client()
    gateway().trouble = GatewayDeclined("card_declined")
    for _ in range(circuit.FAILURES_MAX + 1):
        with pytest.raises(GatewayFailed):
            await ada.begin(await ada.funds())
    assert not circuit.is_down("card")


async def test_a_gateway_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "SECONDS_MAX", 0.02)

    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(GatewayUnreachable):
        await circuit.call(Fake("card"), hang)


async def test_no_gateway_is_called_inside_a_transaction() -> None:
    work = Trouble(0, GatewayProblem(""))
    with pytest.raises(AssertionError, match="inside a transaction"):
        await transactions.transaction(lambda: circuit.call(Fake("card"), work))
    assert work.asked == 0


async def test_a_gateway_that_is_asked_sees_no_transaction_of_its_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beginning, asking, giving up and refunding, as all of them are done."""
    seen: list[bool] = []
    for name in ("start", "fetch", "cancel", "refund"):
        real = getattr(Fake, name)

        async def watched(self: Fake, order: object, real: object = real) -> object:
            seen.append(transactions.in_transaction() or tasks.open_transactions() > 1)
            return await real(self, order)  # type: ignore[operator]

        monkeypatch.setattr(Fake, name, watched)
    ada = await a_client()
    given_up = await ada.begin(await ada.funds())
    await run(CancelPayment(given_up.id), ada.actor, key())
    begun = await ada.begin(await ada.funds())
    await follow_up.recheck(begun.id, by=ada.actor)
    await begun.change(next_check_at=clock.now())
    await reconcile.check_payments()
    await tell(begun, captured(begun))
    given = await run(RefundPayment(begun.id, None, None, "moved away"), STAFF, key())
    assert (await now(begun)).taken_back == given.amount
    assert gateway().refunds_are == EventKind.REFUNDED
    assert len(seen) >= 6  # the worker asks about those of other tests, too
    assert not any(seen)
