"""A bank's reference is not unique, and a line without one comes with every export: money is booked
at most once, and each line is booked, known for certain, or parked.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bank.line import BankCredit
from models.db import sql
from models.errors import Invalid, PossibleDuplicate
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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.payments.payment import Payment

pytestmark = pytest.mark.usefixtures("provider")

CONSTANT: Final = ["Test", "STARTUMSE", "532013000", "NONREF", "0", "2026-11-29", ""]


# ------------------------------------------------------------------------------- one reference


@pytest.mark.parametrize("ref", CONSTANT)
async def test_two_payers_on_two_days_under_one_reference_are_both_there(ref: str) -> None:
    first = a_day(Transfer(4711, "Zahlung von Erika 1001", ref=ref, payer="Erika"))
    second = first.next(
        Transfer(4711, "Zahlung von Max 2002", ref=ref, payer="Max", day=TODAY - timedelta(days=3))
    )
    for file in (first.mt940(), second.mt940()):
        assert await counts(file, first) == {"PARKED": 1}
    for file in (second.mt940(), first.mt940()):
        assert await counts(file, first) == {"KNOWN": 1}


@pytest.mark.parametrize("ref", CONSTANT)
async def test_what_quotes_another_payment_is_other_money_whatever_the_bank_calls_it(
    ref: str,
) -> None:
    ada, begun = await waiting()
    bo, other = await waiting()
    first = a_day(paid(begun, ref=ref))
    second = first.next(paid(other, ref=ref, payer="Bo"), paid(other, 1700, ref=ref, payer="Bo"))
    assert await counts(first.mt940(), first) == {"BOOKED": 1}
    assert await counts(second.mt940(), first) == {"BOOKED": 2}
    for file in (first.mt940(), second.mt940()):
        assert set(await counts(file, first)) == {"KNOWN"}
    assert (await ada.amounts())[0] == 2500
    assert (await bo.amounts())[0] == 4200


@pytest.mark.parametrize(
    "change",
    [
        {"payer": "Max Beispiel"},
        {"text": "Zahlung von Max"},
        {"day": TODAY - timedelta(days=1)},
        {"text": "Zahlung von Erika."},
    ],
    ids=["payer", "text", "day", "a little"],
)
@pytest.mark.parametrize("form", [Day.mt940, Day.camt053, Day.camt054])
async def test_what_differs_in_payer_day_or_text_is_parked_once_and_never_dropped(
    change: dict[str, object], form: Callable[[Day], bytes]
) -> None:
    one = Transfer(4711, "Zahlung von Erika", ref="Test")
    day = a_day(one)
    other = replace(day, transfers=(replace(one, **change),), id="other")  # type: ignore[arg-type]
    assert await counts(form(day), day) == {"PARKED": 1}
    assert await counts(form(other), day) == {"PARKED": 1}
    for file in (form(day), form(other), form(day)):
        assert await counts(file, day) == {"KNOWN": 1}


async def test_a_text_that_the_bank_has_changed_a_little_is_not_booked_again() -> None:
    ada, begun = await waiting()
    one = paid(begun)
    day = a_day(one)
    changed = replace(day, transfers=(replace(one, text=f"{one.text} (corrected)"),))
    assert await counts(day.mt940(), day) == {"BOOKED": 1}
    assert await counts(changed.mt940(), day) == {"PARKED": 1}
    assert await counts(changed.mt940(), day) == {"KNOWN": 1}
    assert await lines_of(day) == [("BOOKED", ""), ("PARKED", "POSSIBLE_DUPLICATE")]
    assert await ada.amounts() == (2500, 0, 0, 0)


@pytest.mark.parametrize("ref", ["NTRF-77A1", "ntrf 77a1.", "ＮＴＲＦ７７Ａ１"])
async def test_a_form_may_spell_a_reference_as_it_likes(ref: str) -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, ref="NTRF77A1"))
    respelt = replace(day, transfers=(paid(begun, ref=ref),))
    assert await counts(day.camt053(), day) == {"BOOKED": 1}
    for file in (respelt.mt940(), respelt.camt054()):
        assert await counts(file, day) == {"KNOWN": 1}
    assert await ada.amounts() == (2500, 0, 0, 0)


async def test_a_reference_that_a_form_cuts_off_is_known_and_two_that_begin_alike_are_two() -> None:
    ada, begun = await waiting()
    bo, other = await waiting()
    day = a_day(
        paid(begun, ref="2026112900000001-1"), paid(other, ref="2026112900000001-2", payer="Bo")
    )
    cut = replace(day, transfers=tuple(replace(one, ref=one.ref[:16]) for one in day.transfers))
    assert await counts(day.camt053(), day) == {"BOOKED": 2}
    assert await counts(cut.mt940(), day) == {"KNOWN": 2}
    assert (await ada.amounts())[0] == (await bo.amounts())[0] == 2500


async def test_forms_cut_spell_and_label_what_they_tell() -> None:
    one = Transfer(
        4711, ("Rechnung 2026-17 für Müller", "Straße 5"), ref="B-1", payer="Jürgen Müller-Größe"
    )
    other = replace(
        one,
        text=("EREF+NOTPROVIDED", "SVWZ+RECHNUNG 2026-17 FUER M", "UELLER STRASSE 5"),
        payer="JUERGEN MUELLER-GROESSE",
    )
    day = a_day(one)
    assert await counts(day.camt053(), day) == {"PARKED": 1}
    assert await counts(replace(day, transfers=(other,)).mt940(), day) == {"KNOWN": 1}


async def test_a_dismissed_line_stays_dismissed_and_what_resembles_it_is_parked() -> None:
    ada, begun = await waiting()
    day = a_day(Transfer(2500, "interest", ref="Test"))
    await dismiss(await only_line_of(day))
    assert await counts(day.mt940(), day) == {"KNOWN": 1}
    other = replace(day, transfers=(paid(begun, ref="Test"),))
    assert await counts(other.mt940(), day) == {"PARKED": 1}
    assert await lines_of(day) == [
        ("DISMISSED", "UNKNOWN_REFERENCE"),
        ("PARKED", "POSSIBLE_DUPLICATE"),
    ]
    assert await ada.amounts() == (0, 0, 0, 0)


# ------------------------------------------------------------------------------- batches, reversals


async def test_a_transfer_that_comes_to_what_two_others_do_is_not_their_sum() -> None:
    day = a_day(
        Transfer(1000, "one", ref="Test", payer="Ada"),
        Transfer(1500, "two", ref="Test", payer="Bo"),
    )
    assert await counts(day.mt940(), day) == {"PARKED": 2}
    later = replace(day, transfers=(Transfer(2500, "three", ref="Test", payer="Max"),), id="later")
    assert await counts(later.mt940(), day) == {"PARKED": 1}
    _, begun = await waiting()
    quoting = replace(day, transfers=(paid(begun, ref="Test"),), id="quoting")
    assert "KNOWN" not in await counts(quoting.mt940(), day)


async def test_a_parked_line_is_not_done_with_by_others_of_its_reference() -> None:
    day = a_day(Transfer(2500, "three", ref="Test", payer="Max"))
    assert await counts(day.mt940(), day) == {"PARKED": 1}
    others = replace(
        day,
        transfers=(
            Transfer(1000, "one", ref="Test", payer="Ada"),
            Transfer(1500, "two", ref="Test", payer="Bo"),
        ),
        id="others",
    )
    assert await counts(others.mt940(), day) == {"PARKED": 2}
    assert {state for state, _ in await lines_of(day)} == {"PARKED"}


async def test_a_reversal_under_a_constant_reference_takes_nobodys_money_back() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, ref="Test"), Transfer(2500, "from Max", ref="Test", payer="Max"))
    await take(day.mt940(), day)
    back = day.next(Transfer(2500, "reversal", ref="Test", is_credit=False, is_reversal=True))
    for _ in range(2):
        await take(back.mt940(), day)
    assert [one for one in await lines_of(day) if one[0] == "PARKED"] == [
        ("PARKED", "UNKNOWN_REFERENCE")
    ] * 2
    assert await ada.amounts() == (2500, 0, 0, 0)


# ------------------------------------------------------------------------------- overlaps


@pytest.mark.parametrize("form", [Day.mt940, Day.camt053, Day.camt054])
async def test_each_export_of_one_day_more_tells_one_line_more(
    form: Callable[[Day], bytes],
) -> None:
    ada, begun = await waiting(5000)
    lines: list[Transfer] = []
    for number in range(4):
        day = TODAY - timedelta(days=4 - number)
        lines += [paid(begun, 1000 + number, ref="", day=day), Transfer(30000, "Miete", day=day)]
        export = a_day(*lines, account=f"DE{begun.reference}", opening=100_000, id="STARTUMS")
        told = await counts(form(export), export)
        assert told == {"BOOKED": 1, "PARKED": 1, **({"KNOWN": 2 * number} if number else {})}
    assert await ada.amounts() == (sum(range(1000, 1004)), 0, 0, 0)


async def test_two_that_are_alike_in_one_file_are_two_in_every_form_and_export() -> None:
    ada, begun = await waiting()
    day = a_day(paid(begun, ref="STARTUMSE"), paid(begun, ref="STARTUMSE"), opening=100)
    alone = replace(day, transfers=day.transfers[:1])
    after = replace(day, transfers=(*day.transfers, Transfer(100, "rest")), id="after")
    assert await counts(day.mt940(), day) == {"BOOKED": 2}
    for file in (day.camt053(), alone.mt940(), day.camt054(), day.mt940()):
        assert set(await counts(file, day)) == {"KNOWN"}
    assert await counts(after.mt940(), day) == {"KNOWN": 2, "PARKED": 1}
    assert await ada.amounts() == (5000, 0, 0, 0)


# ------------------------------------------------------------------------------- anything


@dataclass(frozen=True)
class Real:
    """A transfer that was made."""

    payer: int
    minor: int
    day: int
    ref: str
    quotes: bool

    def told(self, begun: Payment) -> Transfer:
        text = f"Hosting {begun.reference}" if self.quotes else "for my server"
        day = TODAY - timedelta(days=6 - self.day)
        return Transfer(self.minor, text, ref=self.ref, payer=f"Payer {self.payer}", day=day)


_REFS = st.sampled_from(["", "NONREF", "STARTUMSE", "2026112900000001-A", "2026112900000001-B"])
_REALS = st.lists(
    st.builds(
        Real,
        payer=st.integers(0, 1),
        minor=st.sampled_from([1000, 1500, 2500]),
        day=st.integers(0, 4),
        ref=_REFS | st.uuids().map(lambda one: one.hex[:20]),
        quotes=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
_FORMS: Final[dict[str, Callable[[Day], bytes]]] = {
    "camt.053": Day.camt053,
    "old camt.053": lambda day: day.camt053(2),
    "camt.054": Day.camt054,
    "MT940": Day.mt940,
    "MT940 without references": lambda day: day.mt940(named=False),
    "MT940 with references cut off": lambda day: replace(
        day, transfers=tuple(replace(one, ref=one.ref[:16]) for one in day.transfers)
    ).mt940(),
    "MT940 in capitals": lambda day: replace(
        day,
        transfers=tuple(
            replace(one, text=str(one.text).upper(), payer=one.payer.upper())
            for one in day.transfers
        ),
    ).mt940(),
}
_EXPORTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 5), st.sampled_from(sorted(_FORMS))),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(reals=_REALS, exports=_EXPORTS, by_hand=st.lists(st.integers(0, 5), max_size=3))
async def test_whatever_is_exported_in_whatever_form_overlap_and_order(
    reals: list[Real], exports: list[tuple[int, int, str]], by_hand: list[int]
) -> None:
    """Money is booked at most once, every transfer is somewhere, and nothing comes again."""
    clients = [await waiting(5000) for _ in range(2)]
    account = a_day().account
    reals = sorted(reals, key=lambda one: one.day)
    files = []
    for first, days, form in exports:
        window = [one for one in reals if first <= one.day < first + days]
        transfers = tuple(one.told(clients[one.payer][1]) for one in window)
        files.append((_export(account, reals, first, days, transfers), form, window))
    covered: set[int] = set()
    for number, (day, form, window) in enumerate(files):
        for which in by_hand[number : number + 1]:
            await _by_hand(reals[which % len(reals)], clients, day)
        await take(_FORMS[form](day), day)
        covered |= {id(one) for one in window}
    for day, form, _ in files * 2:
        assert set(await counts(_FORMS[form](day), day)) <= {"KNOWN"}, form
    await _check(account, reals, covered, [begun for _, begun in clients])


def _export(
    account: str, reals: list[Real], first: int, days: int, transfers: tuple[Transfer, ...]
) -> Day:
    opening = 100_000 + sum(one.minor for one in reals if one.day < first)
    last: date = TODAY - timedelta(days=6 - min(first + days - 1, 5))
    return Day(transfers, opening, 1, "USD", account, last, id=f"{first}-{days}")


async def _by_hand(real: Real, clients: Sequence[tuple[object, Payment]], day: Day) -> None:
    begun = clients[real.payer][1]
    line = real.ref or f"page {real.day}"
    with suppress(PossibleDuplicate, Invalid):  # the bank has given the reference to another
        await record(begun, day, line, real.minor)


async def _check(account: str, reals: list[Real], covered: set[int], begun: list[Payment]) -> None:
    rows = await sql.records(
        BankCredit, "SELECT * FROM bank_credit WHERE bank_account = $1", account
    )
    made = Counter((one.payer, one.minor) for one in reals)
    payers = {payment.id: number for number, payment in enumerate(begun)}
    booked = Counter((payers[row.payment_id], row.amount) for row in rows if row.payment_id)
    assert booked <= made
    there = Counter(
        (row.payer_name.upper(), row.amount, row.booked_on) for row in rows if row.payer_name
    )
    for real, times in Counter(one for one in reals if id(one) in covered).items():
        told = real.told(begun[real.payer])
        place = (told.payer.upper(), real.minor, told.day.isoformat())
        assert times <= there[place] <= len(reals) * len(_FORMS), place
