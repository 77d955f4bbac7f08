"""E-mail addresses: kept as they were written, compared by one rule, and one each."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.email import key_of, written


@pytest.mark.parametrize(
    ("typed", "kept", "key"),
    [
        (" Ada@Example.COM ", "Ada@Example.COM", "ada@example.com"),
        ("u\u0308ber@example.com", "über@example.com", "über@example.com"),
        ("a@straße.example", "a@straße.example", "a@straße.example"),
        ("groß@client.example", "groß@client.example", "groß@client.example"),
        ("GROẞ@client.example", "GROẞ@client.example", "groß@client.example"),
        ("Οδυσσεύς@client.example", "Οδυσσεύς@client.example", "οδυσσεύσ@client.example"),
        ("ａｄａ＠ｃｌｉｅｎｔ．ｅｘａｍｐｌｅ", "ada@client.example", "ada@client.example"),
        ("ada@client。example", "ada@client.example", "ada@client.example"),
        ("ｱﾀﾞ@client.example", "アダ@client.example", "アダ@client.example"),
        ("ﬁona@client.example", "ﬁona@client.example", "fiona@client.example"),
        ("o'brien+a.b_c-d@client.example", "o'brien+a.b_c-d@client.example", None),
        ("\U0002ebf0@client.example", "\U0002ebf0@client.example", None),
        ("root@localhost", "root@localhost", None),
    ],
)
def test_an_address_is_kept_as_written_and_compared_folded(
    typed: str, kept: str, key: str | None
) -> None:
    assert written(typed) == kept
    assert key_of(typed) == (key or kept)


def test_a_sharp_s_is_no_double_s() -> None:
    assert key_of("a@straße.example") != key_of("a@strasse.example")
    assert key_of("a@STRASSE.example") == key_of("a@strasse.example")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@.example.com",
        "ada@example..com",
        "ada@example.com.",
        "a da@example.com",
        "a\u00a0da@example.com",
        "a\u3000da@example.com",
        "ada@example.com,bo@example.com",
        "ada@example.com, bo@example.com",
        "ada@example.com; bo@example.com",
        "ada@example.com bo@example.com",
        "ada@example.com\nbcc: bo@example.com",
        "ada@example.com，bo@example.com",
        "ada@bo@example.com",
        "ada﹫bo@example.com",
        '"a@b"@example.com',
        "<ada@example.com>",
        "Ada <ada@example.com>",
        "＜ada@example.com＞",
        "mailto:ada@example.com",
        "MAILTO:ada@example.com",
        "mailto：ada@example.com",
        "ada(a comment)@example.com",
        "ada@[192.0.2.1]",
        "ada@example.com\x00",
        "a\u202eda@example.com",
        "a\u200bda@example.com",
        "a\u200dda@example.com",
        "a\u2060da@example.com",
        "a\u00adda@example.com",
        "\ufeffada@example.com",
        "\u3164@example.com",
        "\u115f@example.com",
        "\u2800@example.com",
        "a\ufe0f@example.com",
        "a\U000e0061@example.com",
        "ada@exam\u200bple.com",
        "\ufdd0@example.com",
        "\ud800@example.com",
        "a" * 243 + "@example.com",
        "\ufdfa" * 20 + "@example.com",
        "x" * 10_000_000,
    ],
)
def test_what_is_not_exactly_one_address_is_refused(typed: str) -> None:
    assert written(typed) is None
    assert key_of(typed) is None


@given(st.text(max_size=12), st.text(max_size=12))
def test_what_is_kept_is_kept_again_and_found_again(local: str, domain: str) -> None:
    kept = written(f"{local}@{domain}")
    if kept is None:
        return
    assert unicodedata.is_normalized("NFC", kept)
    assert written(kept) == kept
    key = key_of(kept)
    assert key is not None
    assert key_of(key) == key
    assert max(len(kept.encode()), len(key.encode())) <= 254
