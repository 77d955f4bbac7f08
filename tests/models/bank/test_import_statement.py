"""What bank statements bring is booked once, whatever form and order they come in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bank import import_statement
from models.bank.by_hand import RecordBankTransfer
from models.bank.import_run import Outcome
from models.db import sql
from models.journal.command import perform, run
from models.payments.payment import Payment
from tests.support.bank.files import TODAY, Day, Transfer
from tests.support.bank.imports import a_day, counts, lines_of, paid, take, waiting
from tests.support.factories import STAFF, a_client, now
from tests.support.providers import key

pytestmark = pytest.mark.usefixtures("provider")


# ------------------------------------------------------------------------------- booking


async def test_a_transfer_that_quotes_its_reference_is_a_deposit() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun))
    assert await counts(day.camt053(), day) == {"BOOKED": 1}
    assert (await now(begun)).status == "SUCCEEDED"
    assert await ada.kinds() == ["DEPOSIT"]
    assert await lines_of(day) == [("BOOKED", "")]


@pytest.mark.parametrize("version", [2, 4, 6, 8, 10, 13])
async def test_every_version_says_the_same(version: int) -> None:
    ada, begun = await waiting()
    one = Transfer(2500, "no reference here", ref=key(), structured=begun.reference)
    day = a_day(one)
    assert await counts(day.camt054(version), day) == {"BOOKED": 1}
    assert await counts(day.camt053(version), day) == {"KNOWN": 1}
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_reference_cut_over_lines_is_found_in_every_form() -> None:
    for form in (Day.camt053, Day.camt054, Day.mt940):
        ada, begun = await waiting()
        cut = ("Rechnung 17 " + begun.reference[:9], begun.reference[9:] + " danke")
        day = a_day(Transfer(2500, cut, ref=key()))
        assert await counts(form(day), day) == {"BOOKED": 1}
        assert await ada.amounts() == (2500, 0, 0, 0)


async def test_too_little_leaves_the_rest_due_and_too_much_is_credit() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, 1000), paid(begun, 2000))
    assert await counts(day.camt053(), day) == {"BOOKED": 2}
    assert await ada.kinds() == ["DEPOSIT", "DEPOSIT", "OVERPAYMENT"]
    assert await ada.amounts() == (3000, 0, 0, 0)


async def test_two_equal_transfers_for_one_invoice_are_both_credit() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun), paid(begun))
    for _ in range(2):
        await take(day.camt053(), day)
    assert await ada.kinds() == ["DEPOSIT", "OVERPAYMENT"]
    assert await ada.amounts() == (5000, 0, 0, 0)


async def test_money_that_comes_after_the_payment_expired_is_booked() -> None:
    ada, begun = await waiting()
    await begun.change(status="EXPIRED")
    day = a_day(paid(begun))
    assert await counts(day.mt940(), day) == {"BOOKED": 1}
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_our_own_money_going_out_is_ignored_and_what_is_pending_waits() -> None:
    ada, begun = await waiting()
    pending = paid(begun, status="PDNG")
    day = a_day(Transfer(700, "rent", is_credit=False), pending, opening=10_000)
    (done,) = await take(day.camt053(), day)
    assert [one.outcome for one in done.taken] == [Outcome.IGNORED]
    assert done.statement.pending == 1
    assert await ada.amounts() == (0, 0, 0, 0)
    booked = replace(day, transfers=(replace(pending, status="BOOK"),))
    assert await counts(booked.camt053(), day) == {"BOOKED": 1}


# ------------------------------------------------------------------------------- parking


async def test_what_cannot_be_told_is_parked_with_its_reason() -> None:
    ada, begun = await waiting()
    _, other = await waiting()
    day = a_day(
        Transfer(2500, "RF18539007547034", ref=key()),
        Transfer(2500, f"{begun.reference} and {other.reference}", ref=key()),
        Transfer(2500, f"our refund {begun.reference}", ref=key(), is_reversal=True),
        Transfer(2500, "", ref=key(), payer=""),
    )
    await take(day.camt053(), day)
    reasons = ["UNKNOWN_REFERENCE", "SEVERAL_REFERENCES", "REVERSAL", "UNKNOWN_REFERENCE"]
    assert await lines_of(day) == [("PARKED", reason) for reason in reasons]
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_money_in_another_currency_than_the_payment_is_parked() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun), currency="EUR")
    await take(day.camt053(), day)
    assert await lines_of(day) == [("PARKED", "CURRENCY")]
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_payment_by_card_is_not_paid_by_a_transfer() -> None:
    ada = await a_client()
    by_card = await ada.begin(await ada.funds())
    day = a_day(paid(by_card))
    await take(day.camt053(), day)
    assert await lines_of(day) == [("PARKED", "UNKNOWN_REFERENCE")]


# ------------------------------------------------------------------------------- once


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
async def test_every_order_of_forms_ends_the_same(data: st.DataObject) -> None:
    """Each transfer of three days, told in three forms, in any order and more than once."""
    ada, begun = await waiting(5000)
    bo, other = await waiting(5000)
    first = a_day(paid(begun, 1000), paid(begun, 1000), paid(other, 3000), opening=500)
    second = first.next(paid(begun, 4000), Transfer(9900, "who knows", ref=key()))
    overlapping = replace(first, transfers=first.transfers[1:2], id="overlapping")
    files = [form(day) for day in (first, second) for form in (Day.camt053, Day.camt054, Day.mt940)]
    files += [overlapping.camt054()]
    order = data.draw(st.permutations([*files, *files[:3]]))
    for file in order:
        await take(file, first)
    assert await ada.amounts() == (6000, 0, 0, 0)
    assert await bo.amounts() == (3000, 0, 0, 0)
    lines = sorted(await lines_of(first))
    assert lines == [("BOOKED", "")] * 4 + [("PARKED", "UNKNOWN_REFERENCE")]


@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(order=st.permutations(["camt053", "camt054", "nameless"]))
async def test_a_form_without_the_banks_references_books_nothing_twice(order: list[str]) -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun))
    files = {
        "camt053": day.camt053(),
        "camt054": day.camt054(),
        "nameless": day.mt940(named=False),
    }
    for form in [*order, *order]:
        await take(files[form], day)
    assert await ada.amounts() == (2500, 0, 0, 0)
    states = sorted(await lines_of(day))
    assert states == [("BOOKED", ""), ("PARKED", "POSSIBLE_DUPLICATE")]


async def test_a_bank_whose_forms_have_references_of_their_own_books_nothing_twice() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun), paid(begun))
    renamed = replace(day, transfers=tuple(replace(one, ref=key()) for one in day.transfers))
    assert await counts(day.camt053(), day) == {"BOOKED": 2}
    for file in (renamed.camt054(), renamed.mt940()):
        assert "BOOKED" not in await counts(file, day)
    assert await ada.amounts() == (5000, 0, 0, 0)


async def test_equal_lines_without_reference_are_as_many_as_one_statement_says() -> None:
    ada, begun = await waiting()
    nameless = paid(begun, ref="")
    whole = a_day(nameless, nameless)
    assert await counts(whole.camt053(), whole) == {"BOOKED": 2}
    assert await counts(whole.camt053(), whole) == {"KNOWN": 2}
    part = replace(whole, transfers=(nameless,), id="part")
    assert await counts(part.camt053(), whole) == {"KNOWN": 1}
    more = replace(whole, transfers=(nameless,) * 3, id="more")
    assert await counts(more.camt053(), whole) == {"KNOWN": 2, "BOOKED": 1}
    assert await ada.amounts() == (7500, 0, 0, 0)


@pytest.mark.parametrize("evening_first", [False, True])
async def test_equal_lines_of_statements_that_follow_one_another_are_two(
    evening_first: bool,  # noqa: FBT001 - a parameter
) -> None:
    ada, begun = await waiting()
    nameless = paid(begun, ref="")
    morning = a_day(nameless, opening=700)
    evening = replace(morning, opening=morning.closing, id="evening")
    files = [morning.mt940(), evening.mt940()][:: -1 if evening_first else 1]
    assert [await counts(file, morning) for file in files] == [{"BOOKED": 1}, {"PARKED": 1}]
    whole = replace(morning, transfers=(nameless, nameless), id="whole")
    for file in [*files, whole.mt940(), whole.mt940()]:
        assert set(await counts(file, morning)) == {"KNOWN"}
    assert await lines_of(morning) == [("BOOKED", ""), ("PARKED", "POSSIBLE_DUPLICATE")]
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_bank_that_gives_one_reference_to_everything_loses_no_transfer() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, ref="4711"), paid(begun, ref="4711"))
    later = day.next(paid(begun, 900, ref="4711"))
    assert await counts(day.camt053(), day) == {"BOOKED": 2}
    assert await counts(later.camt053(), day) == {"PARKED": 1}
    assert await counts(later.camt053(), day) == {"KNOWN": 1}
    assert await ada.amounts() == (5000, 0, 0, 0)


async def test_a_form_without_the_payers_text_stops_nobody_and_is_told_to_be_the_same() -> None:
    ada, begun = await waiting()
    bo, other = await waiting()
    day = a_day(paid(begun), paid(other))
    vague = replace(day, transfers=(Transfer(2500), Transfer(2500)))
    for one in (vague.mt940(), day.camt053(), vague.camt054()):
        await take(one, day)
    assert (await ada.amounts())[0] == (await bo.amounts())[0] == 2500
    states = sorted(await lines_of(day))
    assert states == [("BOOKED", "")] * 2 + [("PARKED", "POSSIBLE_DUPLICATE")] * 4
    rows = await sql.fetch(
        "SELECT duplicate_of_id FROM bank_credit WHERE bank_account = $1", day.account
    )
    assert sum(row["duplicate_of_id"] is not None for row in rows) == 4


async def test_what_staff_recorded_by_hand_is_not_booked_again() -> None:
    ada, begun = await waiting()
    bo, other = await waiting()
    day = a_day(paid(begun), paid(other))
    by_line = {"bank_transaction": day.transfers[0].ref, "bank_account": day.account}
    await by_hand(begun, **by_line)
    await by_hand(other, bank_transaction="page 3, line 2", bank_account="the big bank")
    assert await counts(day.camt053(), day) == {"KNOWN": 1, "PARKED": 1}
    assert await counts(day.camt053(), day) == {"KNOWN": 2}
    assert (await ada.amounts())[0] == (await bo.amounts())[0] == 2500


async def by_hand(payment: Payment, **line: Any) -> Payment:
    by, used = line.pop("by", STAFF), line.pop("key", None) or key()
    asked = RecordBankTransfer(payment.reference, Decimal(25), "USD", **line)
    return await run(asked, by, used)


async def test_a_statement_taken_in_many_times_at_once_is_booked_once() -> None:
    ada, begun = await waiting()
    day = a_day(*(paid(begun) for _ in range(3)))
    files = [day.camt053(), day.camt054(), day.mt940()] * 3
    await asyncio.gather(*(take(file, day) for file in files))
    assert await lines_of(day) == [("BOOKED", "")] * 3
    assert await ada.amounts() == (7500, 0, 0, 0)


async def test_forms_that_do_not_know_each_other_taken_in_at_once_book_nothing_twice() -> None:
    ada, begun = await waiting()
    day = a_day(*(paid(begun) for _ in range(3)))
    files = [day.camt053(), day.mt940(named=False)] * 3
    await asyncio.gather(*(take(file, day) for file in files))
    states = [state for state, _ in await lines_of(day)]
    booked = states.count("BOOKED")
    assert 1 <= booked <= 3
    assert len(states) == 6
    assert await ada.amounts() == (2500 * booked, 0, 0, 0)


async def test_an_import_that_was_cut_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, begun = await waiting()
    day = a_day(*(paid(begun, ref="") for _ in range(3)))
    whole, taken = perform, 0

    async def cut_off(*args: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken > 2:
            raise ConnectionError
        return await whole(*args)

    with monkeypatch.context() as patched:
        patched.setattr(import_statement, "perform", cut_off)
        with pytest.raises(ConnectionError):
            await take(day.camt053(), day)
    assert await ada.amounts() == (5000, 0, 0, 0)
    assert await counts(day.camt053(), day) == {"KNOWN": 2, "BOOKED": 1}
    assert await ada.amounts() == (7500, 0, 0, 0)


# ------------------------------------------------------------------------------- batches


@settings(
    max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(order=st.permutations(["sum", "items", "sum in MT940"]))
async def test_a_batch_is_booked_by_its_transfers_and_not_by_its_sum(order: list[str]) -> None:
    ada, begun = await waiting()
    bo, other = await waiting()
    ref = key()
    day = a_day(paid(begun, ref=ref), paid(other, 1500, ref=ref), batch=ref)
    in_one = a_day(Transfer(4000, "BATCH", ref=ref), account=day.account)
    files = {
        "items": day.camt054(),
        "sum": replace(day, details=False).camt053(),
        "sum in MT940": in_one.mt940(),
    }
    for form in [*order, *order]:
        await take(files[form], day)
    assert (await ada.amounts())[0] == 2500
    assert (await bo.amounts())[0] == 1500
    assert [state for state, _ in await lines_of(day) if state == "PARKED"] == []


async def test_transfers_of_a_batch_whose_sum_staff_have_booked_are_not_booked_again() -> None:
    ada, begun = await waiting()
    ref = key()
    day = a_day(paid(begun, ref=ref), paid(begun, 1500, ref=ref), batch=ref)
    await take(replace(day, details=False).camt053(), day)
    assert await lines_of(day) == [("PARKED", "BATCH")]
    await run(
        RecordBankTransfer(
            begun.reference,
            Decimal(40),
            "USD",
            bank_account=day.account,
            bank_transaction=ref,
            received_at=None,
        ),
        STAFF,
        key(),
    )
    assert await counts(day.camt054(), day) == {"PARKED": 2}
    assert (await ada.amounts())[0] == 4000


# ------------------------------------------------------------------------------- going back


async def test_a_transfer_that_went_back_is_taken_back_once() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun))
    back = day.next(paid(begun, is_credit=False))
    for file in (day.camt053(), back.camt053(), back.camt054(), back.mt940(), back.camt053()):
        await take(file, day)
    assert await ada.kinds() == ["DEPOSIT", "DEPOSIT_REVERSED"]
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_what_went_back_may_come_before_what_came_in() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun))
    back = day.next(paid(begun, is_credit=False, is_reversal=True))
    for file in (back.camt053(), day.camt053()):
        await take(file, day)
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await now(begun)).taken_back == 2500


async def test_a_reversal_with_the_banks_reference_alone_finds_its_transfer() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun))
    ref = day.transfers[0].ref
    back = day.next(Transfer(2500, "reversal", ref=ref, is_credit=False, is_reversal=True))
    strange = back.next(Transfer(2500, "reversal", ref=key(), is_credit=False, is_reversal=True))
    for one in (day, back, strange):
        await take(one.camt053(), day)
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await lines_of(day))[1:] == [("BOOKED", ""), ("PARKED", "UNKNOWN_REFERENCE")]


# ------------------------------------------------------------------------------- gaps


async def gaps(data: bytes, day: Day) -> int:
    return sum(len(done.gaps) for done in await take(data, day))


async def test_a_missing_statement_is_told_until_it_comes() -> None:
    first = a_day(Transfer(100, "one", ref=key()), opening=900)
    second = first.next(Transfer(200, "two", ref=key()))
    third = second.next(Transfer(300, "three", ref=key()))
    fourth = third.next()
    assert await gaps(first.camt053(), first) == 0
    assert await gaps(third.camt053(), first) == 1
    assert await gaps(fourth.mt940(), first) == 1
    assert await gaps(third.mt940(), first) == 1  # the same once more
    assert await gaps(second.mt940(), first) == 0
    assert await gaps(fourth.camt053(), first) == 0


@pytest.mark.parametrize(
    "numbers", [(32701, 32801, 32901), (130000250, 140000001, 140000002), (365, 1, 2), (9, 9, 9)]
)
async def test_numbers_say_nothing_where_balances_follow(numbers: tuple[int, ...]) -> None:
    day = first = a_day(opening=900, number=numbers[0])
    assert await gaps(day.camt053(), first) == 0
    for number in numbers[1:]:
        day = day.next(Transfer(100, "one", ref=key()), number=number)
        assert await gaps(day.mt940(), first) == 0


async def test_balances_that_do_not_follow_are_told_whatever_the_numbers_say() -> None:
    first = a_day(opening=900, number=1)
    second = replace(first.next(), opening=901)
    assert await gaps(first.camt053(), first) == 0
    assert await gaps(second.camt053(), first) == 1
    other = replace(second, currency="EUR")
    assert await gaps(other.camt053(), first) == 0


def export(day: Day, start: int, days: int) -> Day:
    """What a bank shows of some days, from 0: each brought (its number + 1) * 100."""
    brought = [
        Transfer((number + 1) * 100, "rent", day=day.day + timedelta(days=number))
        for number in range(start, start + days)
    ]
    opening = day.opening + sum((number + 1) * 100 for number in range(start))
    return replace(
        day,
        transfers=tuple(brought),
        opening=opening,
        opened=day.day + timedelta(days=start),
        day=day.day + timedelta(days=start + days - 1),
    )


ORDERS = [
    [(0, 1), (0, 2), (0, 3), (0, 4)],
    [(0, 2), (1, 2), (2, 2), (3, 2)],
    [(0, 3), (1, 3), (2, 3)],
    [(0, 1), (0, 5), (2, 1), (5, 1)],
    [(0, 2), (4, 1), (1, 3)],
]


@pytest.mark.parametrize("order", ORDERS)
async def test_exports_whose_days_overlap_are_complete(order: list[tuple[int, int]]) -> None:
    day = a_day(opening=900, day=TODAY - timedelta(days=9))
    told = [await gaps(export(day, *days).mt940(), day) for days in order]
    assert told[-1] == 0
    assert sum(told) == (1 if (4, 1) in order else 0)  # it came before the one between


async def test_exports_between_which_a_day_is_missing_are_not() -> None:
    day = a_day(opening=900, day=TODAY - timedelta(days=9))
    assert await gaps(export(day, 0, 3).mt940(), day) == 0
    assert await gaps(export(day, 1, 2).mt940(), day) == 0
    assert await gaps(export(day, 4, 2).mt940(), day) == 1
    assert await gaps(export(day, 4, 3).mt940(), day) == 1  # the same once more
    assert await gaps(export(day, 2, 2).mt940(), day) == 0


async def test_the_same_transfer_dated_some_days_apart_is_parked_once() -> None:
    ada, begun = await waiting()
    ref = key()
    day = a_day(paid(begun, ref=ref))
    valued = replace(day, transfers=(paid(begun, ref=ref, day=TODAY - timedelta(days=3)),))
    assert await counts(day.camt053(), day) == {"BOOKED": 1}
    assert await counts(valued.mt940(), day) == {"PARKED": 1}
    assert await counts(valued.mt940(), day) == {"KNOWN": 1}
    assert (await ada.amounts())[0] == 2500
