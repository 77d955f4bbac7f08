"""What staff record by hand is booked once, however they write what the bank has told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.bank.line import BankCredit
from models.db import sql
from models.db.record import new_id
from models.errors import IdempotencyKeyReused, Invalid, NotFound, PossibleDuplicate, Refusal
from tests.support.bank.files import TODAY, Day, Transfer
from tests.support.bank.imports import (
    a_day,
    counts,
    dismiss,
    lines_of,
    only_line_of,
    paid,
    record,
    take,
    waiting,
)
from tests.support.factories import Client
from tests.support.providers import key

if TYPE_CHECKING:
    from models.payments.payment import Payment

pytestmark = pytest.mark.usefixtures("provider")


async def refused(begun: Payment, day: Day, line: str, minor: int = 2500, **how: Any) -> BankCredit:
    """The line that it looks like; nothing has been booked or kept."""
    before = await sql.fetch("SELECT id, state, payment_id FROM bank_credit ORDER BY id")
    with pytest.raises(PossibleDuplicate) as refusal:
        await record(begun, day, line, minor, **how)
    assert refusal.value.field == ("bank_transaction_id",)
    assert await sql.fetch("SELECT id, state, payment_id FROM bank_credit ORDER BY id") == before
    return refusal.value.line


async def imported(line: str = "NTRF-77A1", **how: Any) -> tuple[Client, Payment, Day, BankCredit]:
    """A client whose transfer a statement has brought."""
    ada, begun = await waiting()
    day = a_day(paid(begun, ref=line, **how))
    return ada, begun, day, await only_line_of(day)


@pytest.mark.parametrize(
    "typed",
    ["NTRF 77A1", "NTRF-77a1.", "ntrf77a1", "ＮＴＲＦ－７７Ａ１", "NTRF/77-A1", "some other id"],
)
async def test_a_line_that_is_booked_is_not_booked_again_under_another_spelling(typed: str) -> None:
    ada, begun, day, credit = await imported()
    if typed.startswith("Ｎ"):  # that is the very line
        await record(begun, day, typed)
    else:
        assert (await refused(begun, day, typed)).id == credit.id
    await record(begun, day, "NTRF-77A1")
    assert await ada.kinds() == ["DEPOSIT"]


async def test_the_same_id_is_the_same_line_whatever_else_is_typed() -> None:
    ada, begun, day, credit = await imported()
    bo, other = await waiting()
    assert (await refused(other, day, "ntrf 77a1")).id == credit.id
    assert (await refused(begun, day, "ntrf 77a1", 9900)).id == credit.id
    assert (await refused(begun, day, "page 3", bank_account="the big bank")).id == credit.id
    with pytest.raises(Invalid):
        await record(other, day, "NTRF-77A1")
    assert (await ada.amounts(), await bo.amounts()) == ((2500, 0, 0, 0), (0, 0, 0, 0))


async def test_money_that_came_long_ago_is_recognised_where_no_day_is_typed() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, day=TODAY - timedelta(days=40)))
    credit = await only_line_of(day)
    assert (await refused(begun, day, "seen today")).id == credit.id
    long_ago = datetime.combine(TODAY - timedelta(days=35), time(), UTC)
    assert (await refused(begun, day, "seen today", received_at=long_ago)).id == credit.id
    await record(begun, day, "a month later", received_at=datetime.now(UTC))
    assert await ada.kinds() == ["DEPOSIT", "OVERPAYMENT"]


async def test_what_staff_recorded_late_is_recognised_in_the_statement_of_its_day() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, day=TODAY - timedelta(days=40)))
    await record(begun, day, "seen today")
    assert await counts(day.camt053(), day) == {"PARKED": 1}
    assert await counts(day.camt053(), day) == {"KNOWN": 1}
    assert await ada.kinds() == ["DEPOSIT"]


async def test_two_of_staff_do_not_record_one_transfer_under_ids_of_their_own() -> None:
    ada, begun = await waiting()
    day = a_day()
    done = await asyncio.gather(
        *(record(begun, day, f"my own {n}") for n in range(4)), return_exceptions=True
    )
    assert [type(one) for one in done].count(PossibleDuplicate) == 3
    assert await ada.kinds() == ["DEPOSIT"]


async def test_staff_may_say_that_it_is_another_transfer() -> None:
    ada, begun, day, credit = await imported()
    click = key()
    for _ in range(2):
        await record(begun, day, "NTRF-78", despite=credit.id, key=click)
    await record(begun, day, "NTRF-78", despite=credit.id)  # it is there now
    with pytest.raises(IdempotencyKeyReused):
        await record(begun, day, "NTRF-78", key=click)
    assert await ada.kinds() == ["DEPOSIT", "OVERPAYMENT"]
    rows = await sql.records(BankCredit, "SELECT * FROM bank_credit WHERE line_key = 'NTRF-78'")
    assert [row.duplicate_of_id for row in rows] == [credit.id]
    facts = await sql.fetch(
        "SELECT details FROM audit_entry WHERE subject = $1 ORDER BY id", begun.public_id
    )
    assert credit.public_id in str(facts[0])


async def test_despite_another_line_than_it_looks_like_nothing_is_booked() -> None:
    ada, begun, day, credit = await imported()
    _, _, _, other = await imported(key())
    assert (await refused(begun, day, "NTRF-78", despite=other.id)).id == credit.id
    for despite, line, refusal, field in (
        (new_id(), "NTRF-78", NotFound, "despite"),
        (credit.id, "NTRF-77A1", Invalid, "bank_transaction_id"),
        (credit.id, key(), Invalid, "despite"),
    ):
        minor = 2500 if field != "despite" or refusal is NotFound else 9900
        with pytest.raises(Refusal) as why:
            await record(begun, day, line, minor, despite=despite)
        assert isinstance(why.value, refusal)
        assert why.value.field == (field,)
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_what_was_recorded_despite_is_known_when_the_statement_comes() -> None:
    ada, begun, day, credit = await imported()
    await record(begun, day, "NTRF-78", despite=credit.id)
    both = replace(day, transfers=(*day.transfers, paid(begun, ref="NTRF-78")), id="both")
    for file in (both.camt053(), both.mt940(), both.camt054()):
        assert await counts(file, day) == {"KNOWN": 2}
    nameless = replace(day, transfers=tuple(replace(one, ref="") for one in both.transfers))
    assert await counts(nameless.mt940(), day) == {"PARKED": 2}
    assert await counts(nameless.mt940(), day) == {"KNOWN": 2}
    assert await ada.amounts() == (5000, 0, 0, 0)


async def test_what_was_recorded_before_the_statements_came_is_known_in_each() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, ref="NTRF-77A1"), paid(begun, ref="NTRF-78"))
    await record(begun, day, "ntrf 77a1.")
    first = replace(day, transfers=day.transfers[:1])
    assert await counts(first.camt053(), day) == {"KNOWN": 1}
    assert await counts(day.mt940(), day) == {"KNOWN": 1, "BOOKED": 1}
    assert await counts(day.camt053(), day) == {"KNOWN": 2}
    (line, _) = await sql.records(
        BankCredit, "SELECT * FROM bank_credit WHERE bank_account = $1 ORDER BY id", day.account
    )
    assert (line.state, line.line_key, line.payer_name) == (
        "ASSIGNED",
        "ntrf 77a1.",
        "Erika Mustermann",
    )
    assert await ada.amounts() == (5000, 0, 0, 0)


async def test_a_reference_that_the_bank_cut_off_is_still_the_line() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, ref="2026112812345678"))
    await record(begun, day, "2026112812345678901234")
    assert await counts(day.mt940(), day) == {"KNOWN": 1}
    assert await ada.kinds() == ["DEPOSIT"]


async def test_a_transfer_of_somebody_else_under_the_recorded_reference_is_parked() -> None:
    """The bank gives one reference to everything."""
    ada, begun = await waiting()
    day = a_day(Transfer(2500, "Zahlung von Max", ref="STARTUMSE", payer="Max"))
    await record(begun, day, "STARTUMSE")
    assert await counts(day.mt940(), day) == {"PARKED": 1}
    assert await counts(day.mt940(), day) == {"KNOWN": 1}
    assert await ada.kinds() == ["DEPOSIT"]


async def test_a_parked_line_is_settled_by_its_id_and_not_booked_beside_itself() -> None:
    ada, begun = await waiting()
    day = a_day(Transfer(3141, "for my server", ref="NTRF-77A1"))
    credit = await only_line_of(day)
    assert (await refused(begun, day, "ntrf 77a1", 3141)).id == credit.id
    await record(begun, day, "NTRF-77A1", 3141)
    assert await lines_of(day) == [("ASSIGNED", "UNKNOWN_REFERENCE")]
    assert await ada.kinds() == ["DEPOSIT", "OVERPAYMENT"]


async def test_a_parked_duplicate_is_settled_by_hand_only_despite_what_is_booked() -> None:
    ada, begun, day, credit = await imported()
    nameless = replace(day, transfers=(paid(begun, ref=""),))
    (done,) = await take(nameless.mt940(), day)
    parked = done.taken[0].record
    assert parked is not None
    assert (await refused(begun, day, parked.line_key)).id == credit.id
    await record(begun, day, parked.line_key, despite=credit.id)
    assert await ada.kinds() == ["DEPOSIT", "OVERPAYMENT"]


async def test_a_line_that_staff_have_dismissed_is_not_booked_by_mistake() -> None:
    ada, begun = await waiting()
    day = a_day(Transfer(2718, "interest", ref="NTRF-77A1"))
    credit = await only_line_of(day)
    await dismiss(credit)
    assert await counts(day.camt053(), day) == {"KNOWN": 1}
    assert (await refused(begun, day, "ntrf-77a1", 2718)).id == credit.id
    assert await lines_of(day) == [("DISMISSED", "UNKNOWN_REFERENCE")]
    assert await ada.amounts() == (0, 0, 0, 0)


async def test_a_vague_line_is_told_to_be_perhaps_what_staff_have_recorded() -> None:
    ada, begun = await waiting()
    day = a_day(Transfer(1618, "thank you", ref=key()))
    await only_line_of(day)
    await record(begun, day, "page 3", 1618)
    assert sorted(await lines_of(day)) == [("ASSIGNED", ""), ("PARKED", "POSSIBLE_DUPLICATE")]
    assert await ada.kinds() == ["DEPOSIT"]


async def test_a_full_width_reference_is_the_clients() -> None:
    ada, begun = await waiting()
    wide = "".join(chr(ord(one) + 0xFEE0) for one in begun.reference)
    await record(begun, a_day(), key(), reference=f"{wide[:4]}　{wide[4:]}")
    assert await ada.kinds() == ["DEPOSIT"]


async def test_importing_and_recording_at_the_same_moment_book_once() -> None:
    for number in range(4):
        ada, begun = await waiting()
        day = a_day(paid(begun, ref=f"NTRF-{number}A"))
        files = [day.camt053(), day.mt940(), day.mt940(named=False)]
        done = await asyncio.gather(
            *(take(file, day) for file in files),
            *(record(begun, day, f"ntrf {number}a") for _ in range(2)),
            record(begun, day, key(), bank_account="the big bank"),
            return_exceptions=True,
        )
        refusals = [one for one in done if isinstance(one, BaseException)]
        assert {type(one) for one in refusals} <= {PossibleDuplicate}, refusals
        assert await ada.kinds() == ["DEPOSIT"]


async def test_two_lines_that_come_at_once_are_not_both_what_was_recorded() -> None:
    """The bank gives one reference to everything."""
    for _ in range(4):
        ada, begun = await waiting()
        day = a_day(paid(begun, ref="STARTUMSE"))
        later = day.next(paid(begun, ref="STARTUMSE", day=TODAY - timedelta(days=3)))
        await record(begun, day, "STARTUMSE")
        files = [day.mt940(), later.camt053(), day.mt940(), later.camt053()]
        await asyncio.gather(*(take(file, day) for file in files))
        states = sorted(await lines_of(day))
        assert states == [("ASSIGNED", ""), ("PARKED", "POSSIBLE_DUPLICATE")]
        assert await ada.kinds() == ["DEPOSIT"]
