"""What people type is brought into one form, or refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Invalid
from models.text import clean_code, clean_text


def problem(value: str, **how: object) -> str:
    with pytest.raises(Invalid) as refused:
        clean_text(value, "input", "name", **{"maximum": 10, **how})  # type: ignore[arg-type]
    assert refused.value.field == ("input", "name")
    return refused.value.problem


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada", "Ada"),
        ("  Ada \n", "Ada"),
        ("Ame\u0301lie", "Amélie"),
        ("東京 太郎", "東京 太郎"),
        ("東京\u3000太郎", "東京\u3000太郎"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("{{x}} <b>", "{{x}} <b>"),
        # Newer than the tables of Python 3.11: a mark, a face, ideographs, a letter of Kawi.
        ("\U0001fa77", "\U0001fa77"),
        ("\U0001fae9", "\U0001fae9"),
        ("\U0002ebf0\U00031350", "\U0002ebf0\U00031350"),
        ("a \U00011f12", "a \U00011f12"),
    ],
)
def test_ordinary_text_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert clean_text(typed, maximum=20) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("a\x00b", "a\x1b[31m", "a\tb", "a\nb", "a\x85b", "a\u2028b", "a\ud800b"),
        *("a\u202eb", "a\u2067b", "a\ufdd0b", "a\uffffb", "a\U0010fffeb", "a\U000e0800b"),
    ],
)
def test_what_cannot_be_printed_is_refused(typed: str) -> None:
    assert problem(typed) == "unprintable"


def test_lines_are_kept_where_there_may_be_some() -> None:
    assert clean_text("a\r\nb\nc", maximum=10, multiline=True) == "a\nb\nc"
    assert problem("a\rb", multiline=True) == "unprintable"


@pytest.mark.parametrize(
    "typed",
    [
        *("\u200b", "\u200b\u200d\u2060", "\ufeff", "\u00ad", "\u3164", "\u115f\u1160", "\uffa0"),
        *("\u2800", "\ufe0f", "\u034f", "\U000e0061", "\u200e \u200f"),
    ],
)
def test_text_that_nobody_can_see_is_none(typed: str) -> None:
    assert problem(typed) == "empty"
    assert clean_text(f"a{typed}", maximum=10)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("rf18 5390-0754", "RF185390-0754"),
        ("ＲＦ１８\u3000５３９０－０７５４", "RF185390-0754"),
        ("ｒｆ１８", "RF18"),
    ],
)
def test_a_code_is_read_as_it_was_meant(typed: str, kept: str) -> None:
    assert clean_code(typed, maximum=30) == kept


def test_nothing_is_too_little_where_text_is_required() -> None:
    assert problem(" \u3000\n") == "empty"
    assert clean_text(" ", maximum=10, required=False) == ""


@pytest.mark.parametrize("typed", ["x" * 11, "x" * 10_000_000, "e\u0301" * 11])
def test_more_than_there_is_room_for_is_refused(typed: str) -> None:
    assert problem(typed) == "too_long"


def test_length_counts_what_is_kept() -> None:
    assert len(clean_text("e\u0301" * 10, maximum=10)) == 10


@given(st.text())
def test_what_is_kept_can_be_stored_and_is_kept_again(typed: str) -> None:
    try:
        kept = clean_text(typed, maximum=100, multiline=True, required=False)
    except Invalid:
        return
    kept.encode()
    assert "\x00" not in kept
    assert unicodedata.is_normalized("NFC", kept)
    assert clean_text(kept, maximum=100, multiline=True, required=False) == kept
