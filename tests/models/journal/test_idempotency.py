"""Same key, same answer: once whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models import clock
from models.checkout import pay
from models.credit.adjustment import AdjustCredit
from models.credit.redemption import RedeemVoucher
from models.db import record, sql, tasks
from models.errors import (
    GatewayFailed,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    InsufficientCredit,
    Invalid,
    VoucherRefused,
)
from models.gateway import GatewayDeclined, GatewayProblem, PaymentOrder, Started
from models.invoices.deposit import AddFunds
from models.journal import idempotency
from models.journal.command import run
from models.payments import start
from models.payments.locked import with_invoice
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, Client, a_client, a_voucher, captured, now, tell
from tests.support.providers import VERSION, Fake, gateway, key, wire_provider

if TYPE_CHECKING:
    from models.invoices.invoice import Invoice
    from models.payments.payment import Payment

pytestmark = pytest.mark.usefixtures("provider")


async def _keys(by: Client, once: str) -> int:
    return len(
        await sql.fetch(
            "SELECT id FROM idempotency_key WHERE principal = $1 AND key = $2",
            by.actor.principal,
            once,
        )
    )


async def test_a_repeated_deposit_is_the_same_invoice_as_it_is_now() -> None:
    ada = await a_client()
    once = key()
    first, again = [await _add_funds(ada, once) for _ in "12"]
    assert (first.id, first.number) == (again.id, again.number)
    begun = await ada.begin(first)
    await tell(begun, captured(begun))
    assert (await _add_funds(ada, once)).status == "PAID"


async def _add_funds(ada: Client, once: str, minor: int = 2500) -> Invoice:
    return await run(AddFunds(ada.major(minor), "USD", "card", VERSION), ada.actor, once)


async def test_keys_from_before_commands_are_answered_where_they_say_what_they_made() -> None:
    ada = await a_client()
    added, voided = key(), key()
    first = await _add_funds(ada, added)
    await run(VoidInvoice(first.id, "by mistake"), STAFF, voided)
    await sql.execute("UPDATE idempotency_key SET fingerprint = $1", "f" * 64)
    assert (await _add_funds(ada, added)).id == first.id
    with pytest.raises(IdempotencyKeyReused):
        await run(VoidInvoice(first.id, "by mistake"), STAFF, voided)


async def test_a_key_is_not_used_again_with_other_input_and_nothing_changes() -> None:
    ada = await a_client()
    once = key()
    await _add_funds(ada, once)
    with pytest.raises(IdempotencyKeyReused) as refusal:
        await _add_funds(ada, once, 2600)
    assert refusal.value.field == ("idempotency_key",)
    rows = await sql.fetch("SELECT id FROM invoice WHERE account_id = $1", ada.id)
    assert len(rows) == 1


async def test_a_key_is_not_used_again_for_another_operation() -> None:
    ada = await a_client()
    bill, once = await ada.order(), key()
    await run(VoidInvoice(bill.id, "mistake"), STAFF, once)
    with pytest.raises(IdempotencyKeyReused):
        await run(AdjustCredit(ada.id, ada.major(100), "USD", "gift"), STAFF, once)
    assert await ada.kinds() == []


async def test_two_principals_may_use_the_same_key() -> None:
    ada, bo = await a_client(), await a_client()
    once = key()
    first, second = await _add_funds(ada, once), await _add_funds(bo, once)
    assert first.id != second.id
    assert {first.account_id, second.account_id} == {ada.id, bo.id}


async def test_a_key_belongs_to_the_user_whatever_session_or_address_they_use() -> None:
    ada = await a_client()
    once = key()
    first = await _add_funds(ada, once)
    elsewhere = replace(ada.actor, session_id=record.new_id(), address="198.51.100.1")
    again = await _add_funds(replace(ada, actor=elsewhere), once)
    assert again.id == first.id


async def test_a_refusal_keeps_no_key_and_a_later_try_succeeds() -> None:
    ada = await a_client()
    bill, once = await ada.order(2500), key()
    with pytest.raises(InsufficientCredit):
        await ada.spend(bill, key=once)
    assert await _keys(ada, once) == 0
    await ada.given(2500)
    assert (await ada.spend(bill, key=once)).status == "PAID"
    assert (await ada.spend(bill, key=once)).status == "PAID"
    assert await ada.amounts() == (0, 0, 0, 0)


@pytest.mark.parametrize("bad", ["", "a\n", "ä", "a" * 256, "\x00", "\x7f"])
async def test_a_key_is_printable_ascii_of_at_most_255_characters(bad: str) -> None:
    ada = await a_client()
    with pytest.raises(Invalid) as refusal:
        await _add_funds(ada, bad)
    assert refusal.value.field == ("idempotency_key",)
    assert (await _add_funds(ada, "~" * 243 + key()[-12:])).status == "UNPAID"


async def test_a_repeated_payment_is_the_same_payment_as_it_is_now() -> None:
    ada = await a_client()
    bill, once = await ada.order(), key()
    begun = await ada.begin(bill, key=once)
    assert (await ada.begin(bill, key=once)).id == begun.id
    await tell(begun, captured(begun))
    again = await ada.pay(bill, gateway="card", key=once)
    assert again.payment is not None
    assert (again.payment.id, again.payment.status) == (begun.id, "SUCCEEDED")
    assert again.invoice.status == "PAID"
    assert len(gateway().orders) == 1


async def test_a_gateway_that_says_no_frees_the_key() -> None:
    ada = await a_client()
    bill, once = await ada.order(), key()
    gateway().trouble = GatewayDeclined("card_declined")
    with pytest.raises(GatewayFailed):
        await ada.begin(bill, key=once)
    assert await _keys(ada, once) == 0
    gateway().trouble = None
    begun = await ada.begin(bill, key=once)
    assert begun.status == "REQUIRES_ACTION"
    first, second = gateway().orders
    assert first.id != second.id


async def test_a_gateway_that_cannot_be_asked_leaves_the_payment_to_the_same_key() -> None:
    ada = await a_client()
    await ada.given(1000)
    bill, once = await ada.order(), key()
    gateway().trouble = GatewayProblem("timed out")
    with pytest.raises(GatewayFailed):
        await ada.begin(bill, use_credit=True, key=once)
    assert await ada.amounts() == (0, 1000, 0, 0)
    gateway().trouble = None
    begun = await ada.begin(bill, use_credit=True, key=once)
    first, second = gateway().orders
    assert first.id == second.id == begun.public_id
    assert begun.status == "REQUIRES_ACTION"
    assert await ada.amounts() == (0, 1000, 0, 0)


async def test_after_a_crash_before_the_gateway_was_asked_the_same_key_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await a_client()
    bill, once = await ada.order(), key()

    async def dies(*_: object) -> None:
        raise SystemError

    with monkeypatch.context() as patch:
        patch.setattr(pay, "start", dies)
        with pytest.raises(SystemError):
            await ada.begin(bill, key=once)
    assert gateway().orders == []
    await sql.execute("UPDATE payment SET lease_at = $1", clock.now())
    begun = await ada.begin(bill, key=once)
    assert begun.status == "REQUIRES_ACTION"
    assert [one.id for one in gateway().orders] == [begun.public_id]


class _Slow(Fake):
    """A gateway that answers when it is let."""

    def __init__(self) -> None:
        super().__init__("card")
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def start(self, order: PaymentOrder) -> Started:
        self.asked.set()
        await self.answers.wait()
        return await super().start(order)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> _Slow:
    fake = _Slow()
    wire_provider(monkeypatch, gateways={"card": fake})
    return fake


async def test_a_repeated_request_says_so_while_the_first_is_on_its_way(
    slow: _Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "_WAIT_SECONDS", 0.0)
    ada = await a_client()
    bill, once = await ada.order(), key()
    first = asyncio.create_task(ada.begin(bill, key=once))
    await slow.asked.wait()
    with pytest.raises(IdempotencyInFlight):
        await ada.begin(bill, key=once)
    slow.answers.set()
    assert (await first).id == (await ada.begin(bill, key=once)).id
    assert len(slow.orders) == 1


async def test_a_repeated_request_waits_for_the_first_ones_answer(slow: _Slow) -> None:
    ada = await a_client()
    bill, once = await ada.order(), key()
    first = asyncio.create_task(ada.begin(bill, key=once))
    await slow.asked.wait()
    second = asyncio.create_task(ada.begin(bill, key=once))
    slow.answers.set()
    assert (await first).id == (await second).id
    assert len(slow.orders) == 1


async def test_a_caller_who_goes_away_does_not_cut_off_what_the_gateway_answers(
    slow: _Slow,
) -> None:
    ada = await a_client()
    bill, once = await ada.order(), key()
    gone = asyncio.create_task(ada.begin(bill, key=once))
    await slow.asked.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    slow.answers.set()
    await tasks.drain()
    begun: Payment = await ada.begin(bill, key=once)
    assert begun.status == "REQUIRES_ACTION"
    assert len(slow.orders) == 1


async def test_a_capture_that_is_faster_than_the_answer_is_kept(slow: _Slow) -> None:
    ada = await a_client()
    bill = await ada.order()
    asked = asyncio.create_task(ada.begin(bill))
    await slow.asked.wait()
    (row,) = await sql.fetch("SELECT id FROM payment WHERE invoice_id = $1", bill.id)
    begun = (await with_invoice(row["id"]))[0]
    await tell(begun, captured(begun))
    slow.answers.set()
    ended = await asked
    assert (ended.status, ended.gateway_ref) == ("SUCCEEDED", f"at-{begun.public_id}")
    assert (await now(bill)).status == "PAID"


async def test_a_repeated_redemption_is_the_same_line() -> None:
    ada = await a_client()
    (code,) = await a_voucher(1000)
    once = key()
    lines = [await run(RedeemVoucher.of(code), ada.actor, once) for _ in range(15)]
    assert len({line.id for line in lines}) == 1
    with pytest.raises(VoucherRefused):
        await run(RedeemVoucher.of(code), ada.actor, key())
    assert await ada.amounts() == (1000, 0, 1000, 0)


async def test_keys_are_forgotten_after_sixty_days_and_not_before() -> None:
    ada = await a_client()
    old, young = key(), key()
    for once, days in ((old, 61), (young, 59)):
        await _add_funds(ada, once)
        await sql.execute(
            "UPDATE idempotency_key SET created_at = $2 WHERE key = $1",
            once,
            clock.now() - timedelta(days=days),
        )
    assert await idempotency.forget() == 1
    assert (await _keys(ada, old), await _keys(ada, young)) == (0, 1)


async def test_a_field_that_a_command_has_since_is_in_its_fingerprint_where_it_is_given() -> None:
    """So that a click from before an upgrade is repeated after it."""

    @dataclass(frozen=True)
    class Before:
        amount: int
        code: str

    @dataclass(frozen=True)
    class Since:
        amount: int
        code: str
        quote: str | None = field(default=None, metadata=idempotency.LATER)
        part: str | None = field(default=None, metadata=idempotency.LATER)

    old = idempotency.fingerprint("pay", Before(1, "a"))
    forms = [Since(1, "a", "q"), Since(1, "a", None, "q"), Since(1, "a", "q", "q"), Since(2, "a")]
    assert idempotency.fingerprint("pay", Since(1, "a")) == old
    assert len({old, *(idempotency.fingerprint("pay", one) for one in forms)}) == 5
