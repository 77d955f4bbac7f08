"""Values are read exactly or not at all."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given
from hypothesis import strategies as st

from models.money import EXPONENTS, Money
from schema.core import scalars
from schema.core.scalars import (
    SCALARS,
    parse_currency,
    parse_decimal,
    parse_moment,
    parse_url,
    serialize_decimal,
    serialize_moment,
)


@pytest.mark.parametrize("text", ["0", "25.00", "-0.5", "999999999999999.999999999", "1.000000000"])
def test_a_decimal_keeps_all_its_digits(text: str) -> None:
    assert serialize_decimal(parse_decimal(text)) == text


@pytest.mark.parametrize(
    "value",
    [
        *(25, 25.0, True, None, [], {}, Decimal(1)),
        *("", " 5", "5 ", "5\n", "+5", "05", ".5", "5.", "5,0", "1_000", "1e3", "1E+1000000"),
        *("NaN", "sNaN", "Infinity", "-", "--1", "0x10", "１２", "٣", "1" * 16, "0." + "1" * 10),
        "9" * 5_000,
    ],
)
def test_what_is_no_exact_decimal_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError) as refused:
        parse_decimal(value)
    assert refused.value.extensions == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize("literal", ["25", "25.0", "1e400", "9" * 5_000, "true", "[]", "{a: 1}"])
def test_a_literal_decimal_is_a_string(literal: str) -> None:
    read: Any = SCALARS[Decimal].parse_literal
    assert read(parse_value('"25.0"')) == Decimal("25.0")
    with pytest.raises(GraphQLError):
        read(parse_value(literal))


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(EXPONENTS)))
def test_an_amount_has_its_currencys_decimals_and_never_an_exponent(
    minor: int, currency: str
) -> None:
    text = serialize_decimal(Money(minor, currency).amount)
    _, _, fraction = text.partition(".")
    assert len(fraction) == EXPONENTS[currency]
    assert Money.parse(Decimal(text), currency) == Money(minor, currency)


@given(st.text())
def test_no_text_breaks_a_parser(text: str) -> None:
    for read in (parse_decimal, parse_currency, parse_moment, parse_url):
        with suppress(GraphQLError):
            read(text)


def test_a_currency_is_three_capital_letters() -> None:
    assert parse_currency("XXX") == "XXX"  # whether there is such a one is a rule's to say
    for value in ("usd", "US", "USDT", "ＵＳＤ", " USD", "USD\n", "", 840, None):
        with pytest.raises(GraphQLError):
            parse_currency(value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31t09:30:00z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00+09:00", datetime(2026, 1, 31, 0, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.5Z", datetime(2026, 1, 31, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_into_utc(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment
    assert parse_moment(text).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        *("2026-01-31T09:30:00", "2026-01-31", "2026-01-31T09:30Z", "20260131T093000Z"),
        *("2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T09:30:60Z"),
        *("1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"),
        *("2026-01-31T09:30:00+99:00", "２０２６-01-31T09:30:00Z", "+2026-01-31T09:30:00Z"),
        *("2026-01-31T09:30:00.Z", "2026-01-31T09:30:00Z\n", "now", "", 1_769_851_800, None),
    ],
)
def test_a_moment_that_is_not_exact_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_moment(value)


def test_a_moment_is_written_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert serialize_moment(datetime(2026, 1, 31, 9, 30, tzinfo=tokyo)) == "2026-01-31T00:30:00Z"


@pytest.mark.parametrize("url", ["https://portal.example.com/back?a=1#b", "http://127.0.0.1:8000/"])
def test_a_web_address_is_a_url(url: str) -> None:
    assert parse_url(url) == url


@pytest.mark.parametrize(
    "value",
    [
        *("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://example.com/"),
        *("//example.com/", "/back", "example.com", "https://", "https:///back", "http://[::1"),
        *("https://user:secret@example.com/", "https://@example.com/", "http://example.com:99999/"),
        *("https:\\\\example.com", "https://example.com/a b", "https://example.com/\x00", "", None),
        *(" https://example.com/", "https://example.com/\r\nSet-Cookie: a=b", "h\u202ettp://a/"),
        "https://example.com/" + "a" * scalars.URL_CHARS_MAX,
    ],
)
def test_what_a_browser_must_not_be_sent_to_is_no_url(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_url(value)
