"""References are found however people and banks write them, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bank.references import issued
from models.reference import candidates, new_reference
from tests.support.factories import a_client

LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
references = st.builds(lambda _: new_reference(), st.integers())
gaps = st.lists(
    st.sampled_from(["", " ", "-", "  ", ".", "\N{NO-BREAK SPACE}", "/"]), min_size=16, max_size=16
)
words = st.text(alphabet="abcdefghij .,-+äß字カ", max_size=30)


def spaced(reference: str, between: list[str]) -> str:
    return "".join(one + gap for one, gap in zip(reference, between, strict=True))


@given(references, gaps, words, words, st.sampled_from([str.lower, str.upper]))
def test_a_reference_is_found_in_any_spacing_and_case(
    reference: str, between: list[str], before: str, after: str, case: Callable[[str], str]
) -> None:
    written = spaced(reference, between)
    assert reference in candidates([f"{before} {case(written)} {after}"])


@given(references, st.integers(1, 15), words, words)
def test_a_reference_is_found_where_the_bank_has_cut_it(
    reference: str, at: int, before: str, after: str
) -> None:
    assert reference in candidates([before + reference[:at], reference[at:] + after])


@given(references, st.integers(4, 15), st.integers(1, 33))
def test_one_wrong_character_is_another_reference(reference: str, at: int, by: int) -> None:
    wrong = LETTERS[(LETTERS.index(reference[at]) + by) % len(LETTERS)]
    assert reference not in candidates([reference[:at] + wrong + reference[at + 1 :]])


@given(references, st.integers(4, 14))
def test_two_characters_in_the_wrong_order_are_another_reference(reference: str, at: int) -> None:
    swapped = reference[:at] + reference[at + 1] + reference[at] + reference[at + 2 :]
    assert (reference in candidates([swapped])) == (swapped == reference)


@given(references)
def test_a_reference_that_is_cut_off_is_not_guessed(reference: str) -> None:
    assert reference not in candidates([reference[:-1]])


def test_wide_letters_and_letters_that_look_like_digits_are_read() -> None:
    wide = "".join(chr(ord(one) + 0xFEE0) for one in new_reference())
    assert len(candidates([wide])) == 1
    zero = next(one for one in iter(new_reference, "") if "0" in one[4:])
    assert zero in candidates([zero[:4] + zero[4:].replace("0", "O").replace("1", "I")])


@pytest.mark.usefixtures("provider")
async def test_only_references_of_bank_transfers_that_were_given_out_are_issued() -> None:
    ada = await a_client()
    by_bank = await ada.begin(await ada.funds(2500, "bank"), "bank")
    by_card = await ada.begin(await ada.funds())
    asked = [by_bank.reference, by_card.reference, new_reference()]
    assert list(await issued(asked)) == [by_bank.reference]
    assert await issued([]) == {}
