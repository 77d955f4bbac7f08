"""Holds that partners make: reserved, captured in parts, released, expired; each credit once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from models import clock
from models.access.identity import Actor, Role
from models.accounts.settings import UpdateAccount
from models.audit import audit
from models.credit import expiry, reservation
from models.credit.reservation import HoldList
from models.credit.reserve import ExtendHold, ReleaseHold, expire_holds
from models.db import record, sql
from models.db.page import Page, PageRequest
from models.errors import (
    AccountFrozen,
    AmountOutOfRange,
    AmountPrecision,
    CurrencyNotSupported,
    Forbidden,
    HoldNotOpen,
    IdempotencyKeyReused,
    InsufficientCredit,
    Invalid,
    NotFound,
    Refusal,
    TryAgain,
)
from models.gateway import EventKind as Kind
from models.invoices import invoice
from models.invoices.capture_hold import Captured, CaptureHold
from models.invoices.order import OrderLine
from models.journal import command, each
from models.journal.command import run
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, Client, a_client, event, now, tell
from tests.support.providers import key

if TYPE_CHECKING:
    from models.credit.reservation import Reservation
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")

DAY: Final = timedelta(days=1)
HOLDER: Final = Actor(
    role=Role.PARTNER,
    user_id=record.new_id(),
    scopes=frozenset({"credit:hold"}),
    accounts=None,
)


async def _reserve(ada: Client, minor: int = 1000, **wish: Any) -> Reservation:
    return await ada.reserve(minor, **{"by": HOLDER, **wish})


async def _capture(hold: Reservation, minor: int | None = None, **wish: Any) -> Captured:
    by, used = wish.pop("by", HOLDER), wish.pop("key", None) or key()
    amount = None if minor is None else Decimal(minor) / 100
    return await run(CaptureHold(hold.id, amount, **wish), by, used)


async def _release(hold: Reservation) -> Reservation:
    return await run(ReleaseHold(hold.id), HOLDER, key())


async def _extend(hold: Reservation, until: Any) -> Reservation:
    return await run(ExtendHold(hold.id, until), HOLDER, key())


async def _state(hold: Reservation) -> tuple[str, int]:
    found = await reservation.read(hold.id)
    assert found is not None
    assert (found.ended_at is None) == (found.state == "OPEN")
    return found.state, found.captured


async def _page(ada: Client, states: tuple[str, ...] | None, by: Actor) -> Page[Reservation]:
    async def find(asked: HoldList) -> Page[Reservation]:
        return (await reservation.pages_of([asked]))[asked]

    asked = HoldList(ada.id, states, PageRequest(count=True))
    return await reservation.page_of(asked, by, find)


async def _told(hold: Reservation) -> list[str]:
    rows = await sql.fetch("SELECT kind FROM event WHERE subject_id = $1 ORDER BY id", hold.id)
    return [row["kind"] for row in rows]


def _line(price: str, quantity: str = "1", tax: str = "0") -> OrderLine:
    return OrderLine("Hosting", Decimal(quantity), Decimal(price), Decimal(tax))


async def _adds_up() -> None:
    assert (await audit()).findings == []


# ------------------------------------------------------------------------------- capturing


async def test_a_capture_bills_all_that_is_held_and_pays_it_at_once() -> None:
    ada = await a_client()
    await ada.given(1500)
    hold = await _reserve(ada)
    assert await ada.amounts() == (500, 1000, 0, 0)
    done = await _capture(hold)
    assert await ada.amounts() == (500, 0, 0, 0)
    bill = await now(done.invoice)
    assert (bill.kind, bill.status, bill.total, bill.credit_applied) == (
        "ORDER",
        "PAID",
        1000,
        1000,
    )
    assert (bill.reference, bill.snapshot["lines"][0]["description"]) == ("order 7", "A server")
    assert bill.number.startswith("INV-")
    assert await _state(hold) == ("CAPTURED", 1000)
    assert await ada.kinds() == ["ADJUSTMENT", "INVOICE_PAYMENT"]
    assert (await ada.lines())[-1].note == bill.number
    assert await _told(hold) == ["hold.reserved", "hold.captured"]
    await _adds_up()


async def test_what_a_capture_leaves_is_available_again() -> None:
    ada = await a_client()
    await ada.given(1500)
    hold = await _reserve(ada)
    done = await _capture(hold, 400)
    assert done.invoice.total == 400
    assert await ada.amounts() == (1100, 0, 0, 0)
    assert await _state(hold) == ("CAPTURED", 400)
    await _adds_up()


async def test_a_hold_is_captured_in_parts_until_nothing_is_left() -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada)
    bills = [(await _capture(hold, part, keep_rest=True)).invoice for part in (300, 300)]
    assert await ada.amounts() == (0, 400, 0, 0)
    assert await _state(hold) == ("OPEN", 600)
    with pytest.raises(AmountOutOfRange) as refusal:
        await _capture(hold, 401, keep_rest=True)
    assert refusal.value.maximum is not None
    assert (refusal.value.field, refusal.value.maximum.minor) == (("amount",), 400)
    bills.append((await _capture(hold, keep_rest=True)).invoice)
    assert [bill.total for bill in bills] == [300, 300, 400]
    assert len({bill.number for bill in bills}) == 3
    assert await _state(hold) == ("CAPTURED", 1000)
    assert await ada.amounts() == (0, 0, 0, 0)
    await _adds_up()


@pytest.mark.parametrize("amount", [None, 595])
async def test_lines_are_billed_with_their_tax_and_decide_how_much(amount: int | None) -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada)
    done = await _capture(hold, amount, lines=[_line("2.50", "2", "0.19")])
    bill = done.invoice
    assert (bill.subtotal, bill.tax, bill.total, bill.status) == (500, 95, 595, "PAID")
    assert await ada.amounts() == (405, 0, 0, 0)
    [line] = (await invoice.lines_of([bill.id]))[bill.id]
    assert (line.description, line.tax_rate) == ("Hosting", "0.19")


@pytest.mark.parametrize(
    ("currency", "minor"), [("JPY", 1001), ("KWD", 1005), ("USD", 1), ("USD", 999_999)]
)
async def test_one_line_comes_to_exactly_what_is_captured(currency: str, minor: int) -> None:
    ada = await a_client(currency)
    await ada.given(minor)
    done = await _capture(await _reserve(ada, minor))
    assert (done.invoice.total, done.invoice.currency) == (minor, currency)
    await _adds_up()


@pytest.mark.parametrize(
    ("amount", "lines", "refused", "field"),
    [
        ("4", [_line("5")], Invalid, ("amount",)),
        ("6", [_line("5")], Invalid, ("amount",)),
        (None, [_line("10.01")], AmountOutOfRange, ("lines",)),
        (None, [], Invalid, ("lines",)),
        (None, [_line("5", "0")], Invalid, ("lines", "0", "quantity")),
        (None, [_line("0.0000001")], AmountPrecision, ("lines", "0", "unit_price")),
        ("0", None, AmountOutOfRange, ("amount",)),
        ("-1", None, AmountOutOfRange, ("amount",)),
        ("10.01", None, AmountOutOfRange, ("amount",)),
        ("10.01", [_line("10.01")], AmountOutOfRange, ("amount",)),
        ("1.001", None, AmountPrecision, ("amount",)),
        ("1e400", None, AmountOutOfRange, ("amount",)),
    ],
)
async def test_what_cannot_be_captured_is_refused_at_its_field_and_changes_nothing(
    amount: str | None, lines: Any, refused: type[Refusal], field: tuple[str, ...]
) -> None:
    ada = await a_client()
    await ada.given(2000)
    hold = await _reserve(ada)
    command = CaptureHold(hold.id, None if amount is None else Decimal(amount), lines)
    with pytest.raises(refused) as refusal:
        await run(command, HOLDER, key())
    assert refusal.value.field == field
    assert await ada.amounts() == (1000, 1000, 0, 0)
    assert await _state(hold) == ("OPEN", 0)
    assert (await invoice.page(PageRequest(count=True), by=ada.actor)).total == 0


async def test_the_invoice_of_a_capture_is_voided_to_where_the_credit_came_from(at: At) -> None:
    ada = await a_client()
    await ada.granted(600, clock.now() + DAY)
    await ada.given(1000)
    done = await _capture(await _reserve(ada))
    assert await ada.amounts() == (600, 0, 0, 0)
    voided = await run(VoidInvoice(done.invoice.id, "a mistake"), STAFF, key())
    assert voided.credit_note_number
    assert await ada.amounts() == (1600, 0, 600, 0)
    at(2 * DAY)
    await expiry.expire_grants()
    assert await ada.amounts() == (1000, 0, 0, 0)
    await _adds_up()


# ------------------------------------------------------------------------------- where it is from


async def test_promotional_credit_is_held_first_and_goes_back_where_it_came_from() -> None:
    ada = await a_client()
    for days in (20, 10):
        await ada.granted(300, clock.now() + days * DAY)
    await ada.given(1000)
    hold = await _reserve(ada)
    assert await ada.amounts() == (600, 1000, 0, 0)
    await _capture(hold, 350, keep_rest=True)
    await _release(hold)
    assert await ada.amounts() == (1250, 0, 250, 0)
    rows = await sql.fetch(
        "SELECT remaining FROM credit_grant WHERE account_id = $1 ORDER BY expires_at", ada.id
    )
    assert [row["remaining"] for row in rows] == [0, 250]
    await _adds_up()


async def test_a_held_grant_does_not_expire_and_what_is_released_of_it_does_at_once(
    at: At,
) -> None:
    ada = await a_client()
    await ada.granted(1000, clock.now() + DAY)
    hold = await _reserve(ada, 900, expires_at=clock.now() + 5 * DAY)
    at(2 * DAY)
    await expiry.expire_grants()
    assert await ada.amounts() == (0, 900, 0, 0)
    done = await _capture(hold, 500, keep_rest=True)
    assert done.invoice.status == "PAID"
    assert await ada.amounts() == (0, 400, 0, 0)
    await _release(hold)
    assert await ada.amounts() == (0, 0, 0, 0)
    assert [line.amount for line in await ada.lines()] == [1000, -100, -500, -400]
    await _adds_up()


# ------------------------------------------------------------------------------- time


async def test_the_worker_gives_back_what_is_held_when_its_time_is_over(at: At) -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada, expires_at=clock.now() + timedelta(seconds=60))
    at(timedelta(seconds=59))
    await expire_holds()
    assert await _state(hold) == ("OPEN", 0)
    at(timedelta(seconds=60))
    assert await expire_holds() >= 1
    assert await _state(hold) == ("EXPIRED", 0)
    assert await ada.amounts() == (1000, 0, 0, 0)
    assert await _told(hold) == ["hold.reserved", "hold.expired"]
    assert await expire_holds() == 0
    await _adds_up()


async def test_one_that_cannot_be_given_back_now_stops_no_other(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = await a_client(), await a_client()
    for one in (ada, bo):
        await one.given(1000)
    first = await _reserve(ada, expires_at=clock.now() + timedelta(seconds=60))
    second = await _reserve(bo, expires_at=clock.now() + timedelta(seconds=61))
    perform = command.perform

    async def sometimes(step: Any) -> Any:
        if step.found.id == first.id:
            raise TryAgain
        return await perform(step)

    monkeypatch.setattr(each, "perform", sometimes)
    at(timedelta(seconds=70))
    with pytest.raises(TryAgain):  # the worker is told, and tries again
        await expire_holds()
    assert await _state(first) == ("OPEN", 0)
    assert await _state(second) == ("EXPIRED", 0)
    monkeypatch.setattr(each, "perform", perform)
    assert await expire_holds() >= 1
    assert await _state(first) == ("EXPIRED", 0)


async def test_one_whose_time_is_over_is_not_open_before_the_worker_comes(at: At) -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada, expires_at=clock.now() + timedelta(seconds=60))
    at(timedelta(seconds=60))
    for attempt in (_capture(hold), _release(hold), _extend(hold, clock.now() + DAY)):
        with pytest.raises(HoldNotOpen) as refusal:
            await attempt
        assert refusal.value.field == ("hold_id",)
    assert await _state(hold) == ("OPEN", 0)
    assert await ada.amounts() == (0, 1000, 0, 0)


async def test_one_that_is_extended_does_not_expire_at_its_old_time(at: At) -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada, expires_at=clock.now() + DAY)
    until = clock.now() + 3 * DAY
    assert (await _extend(hold, until)).expires_at == until
    at(2 * DAY)
    await expire_holds()
    assert (await _capture(hold)).invoice.status == "PAID"
    assert await _told(hold) == ["hold.reserved", "hold.extended", "hold.captured"]


async def test_a_hold_lasts_at_most_as_long_as_the_provider_allows_and_is_never_shortened() -> None:
    ada = await a_client()
    await ada.given(1000)
    moment = clock.now()
    for until, problem in (
        (moment - DAY, "past"),
        (moment, "past"),
        (moment + 31 * DAY + timedelta(minutes=1), "hold_long"),
        (moment + 36_500 * DAY, "hold_long"),
    ):
        with pytest.raises(Invalid) as refusal:
            await _reserve(ada, expires_at=until)
        assert (refusal.value.field, refusal.value.problem) == (("expires_at",), problem)
    assert await ada.amounts() == (1000, 0, 0, 0)
    hold = await _reserve(ada, expires_at=moment + 30 * DAY)
    for until, problem in (
        (moment, "past"),
        (moment + 29 * DAY, "hold_shorter"),
        (moment + 32 * DAY, "hold_long"),
    ):
        with pytest.raises(Invalid) as refusal:
            await _extend(hold, until)
        assert refusal.value.problem == problem


async def _end(hold: Reservation, how: str, at: At) -> None:
    match how:
        case "CAPTURED":
            await _capture(hold, 300)
        case "RELEASED":
            await _release(hold)
        case _:
            at(2 * DAY)
            await expire_holds()


@pytest.mark.parametrize("how", ["CAPTURED", "RELEASED", "EXPIRED"])
async def test_one_that_is_over_takes_nothing_more(how: str, at: At) -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada)
    await _end(hold, how, at)
    before, lines = await _state(hold), await ada.kinds()
    assert before[0] == how
    for attempt in (_capture(hold, 1), _release(hold), _extend(hold, clock.now() + DAY)):
        with pytest.raises(HoldNotOpen):
            await attempt
    assert (await _state(hold), await ada.kinds()) == (before, lines)
    assert (await ada.balance()).reserved == 0


# ------------------------------------------------------------------------------- who may


@pytest.mark.parametrize(
    ("wish", "refused", "field"),
    [
        ({"amount": Decimal(0)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal(-1)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal("1.001")}, AmountPrecision, ("amount", "amount")),
        ({"amount": Decimal("10.01")}, InsufficientCredit, ("amount", "amount")),
        ({"currency": "XXX"}, CurrencyNotSupported, ("amount", "currency")),
        ({"reference": "  "}, Invalid, ("reference",)),
        ({"reference": "x" * 201}, Invalid, ("reference",)),
        ({"description": "a\nb"}, Invalid, ("description",)),
        ({"description": "\u202e"}, Invalid, ("description",)),
    ],
)
async def test_what_cannot_be_reserved_is_refused_at_its_field(
    wish: dict[str, Any], refused: type[Refusal], field: tuple[str, ...]
) -> None:
    ada = await a_client()
    await ada.given(1000)
    with pytest.raises(refused) as refusal:
        await _reserve(ada, **wish)
    assert refusal.value.field == field
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_holds_are_for_partners_with_the_scope_and_for_staff() -> None:
    ada, bob = await a_client(), await a_client()
    await ada.given(1000)
    hold = await _reserve(ada, 500, by=STAFF)
    other = Actor(
        role=Role.PARTNER,
        user_id=record.new_id(),
        scopes=frozenset({"invoices:write", "credit:read", "funds:write"}),
        accounts=None,
    )
    for by in (ada.actor, other):
        for attempt in (
            _reserve(ada, by=by),
            _capture(hold, by=by),
            run(ReleaseHold(hold.id), by, key()),
            run(ExtendHold(hold.id, clock.now() + 2 * DAY), by, key()),
        ):
            with pytest.raises(Forbidden):
                await attempt
    stranger = Actor(
        role=Role.PARTNER,
        user_id=record.new_id(),
        scopes=HOLDER.scopes,
        accounts=frozenset({bob.id}),
    )
    for attempt, field in (
        (_reserve(ada, by=stranger), "account_id"),
        (_capture(hold, by=stranger), "hold_id"),
        (run(ReleaseHold(hold.id), stranger, key()), "hold_id"),
        (run(ReleaseHold(record.new_id()), stranger, key()), "hold_id"),
    ):
        with pytest.raises(NotFound) as refusal:
            await attempt
        assert refusal.value.field == (field,)
    assert await ada.amounts() == (500, 500, 0, 0)


async def test_reading_holds_takes_a_scope_of_credit_and_sight_of_the_account() -> None:
    ada, bob = await a_client(), await a_client()
    await ada.given(1000)
    first, second = await _reserve(ada, 100), await _reserve(ada, 200)
    await _release(first)
    reader = Actor(
        role=Role.PARTNER,
        user_id=record.new_id(),
        scopes=frozenset({"credit:read"}),
        accounts=frozenset({ada.id}),
    )
    for by in (ada.actor, HOLDER, reader, STAFF):
        page = await _page(ada, None, by)
        assert ([one.id for one in page.rows], page.total) == ([second.id, first.id], 2)
        open_ones = await _page(ada, ("OPEN",), by)
        assert ([one.id for one in open_ones.rows], open_ones.total) == ([second.id], 1)
        assert (await _page(ada, (), by)).total == 0
        assert await reservation.visible(first.id, by)
    nobody = Actor(role=Role.PARTNER, user_id=record.new_id(), accounts=None)
    with pytest.raises(Forbidden):
        await _page(ada, None, nobody)
    with pytest.raises(NotFound):
        await _page(ada, None, bob.actor)
    assert await reservation.visible(first.id, bob.actor) is None


# ------------------------------------------------------------------------------- stops


async def test_a_stopped_account_reserves_and_extends_nothing() -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada, 500)
    await ada.frozen()
    for attempt in (_reserve(ada, 100), _extend(hold, clock.now() + 2 * DAY), _capture(hold)):
        with pytest.raises(AccountFrozen) as refusal:
            await attempt
        assert refusal.value.facts["why"] == "staff"
    assert await ada.amounts() == (500, 500, 0, 0)
    await run(UpdateAccount(ada.id, {"spending_frozen": False}), STAFF, key())
    assert (await _capture(hold)).invoice.total == 500


async def test_what_is_held_of_a_stopped_account_can_be_given_up() -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada, 500)
    await ada.frozen()
    await _release(hold)
    assert await ada.amounts() == (1000, 0, 0, 0)


async def test_what_was_promised_is_paid_while_a_dispute_and_its_debt_stop_spending() -> None:
    ada = await a_client()
    paid = await ada.deposit(2500)
    hold = await _reserve(ada, 2000)
    await tell(paid, event(paid, Kind.DISPUTED, "dp_1", 2500))
    assert await ada.amounts() == (0, 2000, 0, 2000)
    with pytest.raises(AccountFrozen):
        await _reserve(ada, 1)
    done = await _capture(hold, 1500)
    assert done.invoice.status == "PAID"
    # What is released repays the debt.
    assert await ada.amounts() == (0, 0, 0, 1500)
    await _adds_up()


# ------------------------------------------------------------------------------- exactly once


async def test_the_same_key_reserves_and_captures_once() -> None:
    ada = await a_client()
    await ada.given(1000)
    used, until = key(), clock.now() + DAY
    first = await _reserve(ada, 400, key=used, expires_at=until)
    assert (await _reserve(ada, 400, key=used, expires_at=until)).id == first.id
    with pytest.raises(IdempotencyKeyReused):
        await _reserve(ada, 401, key=used, expires_at=until)
    used = key()
    bill = (await _capture(first, 100, keep_rest=True, key=used)).invoice
    again = await _capture(first, 100, keep_rest=True, key=used)
    assert (again.invoice.id, again.hold.captured) == (bill.id, 100)
    assert await ada.amounts() == (600, 300, 0, 0)


async def test_a_hold_that_is_captured_released_and_expired_at_once_ends_once(at: At) -> None:
    ada = await a_client()
    await ada.given(1000)
    hold = await _reserve(ada, expires_at=clock.now() + DAY)
    tries = [_capture(hold, 700), _capture(hold, 600), _release(hold), _capture(hold)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    won = [one for one in ended if not isinstance(one, BaseException)]
    assert len(won) == 1
    assert all(isinstance(one, HoldNotOpen) for one in ended if isinstance(one, BaseException))
    at(2 * DAY)
    await expire_holds()
    state, captured = await _state(hold)
    assert await ada.amounts() == (1000 - captured, 0, 0, 0)
    assert (await invoice.page(PageRequest(count=True), by=ada.actor)).total == (
        0 if state == "RELEASED" else 1
    )
    await _adds_up()


async def test_more_is_never_reserved_than_there_is() -> None:
    ada = await a_client()
    await ada.given(1000)
    bill = await ada.order(300)
    tries = [*(_reserve(ada, 300) for _ in range(8)), ada.spend(bill)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    won = [one for one in ended if not isinstance(one, BaseException)]
    assert len(won) == 3
    state = await ada.balance()
    assert state.available == 100
    await _adds_up()
