"""Money is exact: whole minor units, never rounded by surprise."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import AmountOutOfRange, AmountPrecision, CurrencyNotSupported
from models.money import (
    EXPONENTS,
    MINOR_MAX,
    Money,
    exponent,
    in_major,
    product,
    round_half_up,
    tax_per_rate,
    text_in_major,
)

minors = st.integers(-MINOR_MAX, MINOR_MAX)
currencies = st.sampled_from(["JPY", "USD", "KWD"])
rates = st.decimals(0, 1, places=4)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("25", "USD", 2500),
        ("25.5", "USD", 2550),
        ("25.00", "USD", 2500),
        ("25.000", "USD", 2500),
        ("-0.01", "USD", -1),
        ("25", "JPY", 25),
        ("25.0", "JPY", 25),
        ("0.001", "KWD", 1),
        ("0", "KWD", 0),
        ("10000000000000", "USD", MINOR_MAX),
    ],
)
def test_an_amount_is_read_exactly(text: str, currency: str, minor: int) -> None:
    assert Money.parse(Decimal(text), currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "decimals"),
    [
        ("0.001", "USD", 2),
        ("25.005", "USD", 2),
        ("0.5", "JPY", 0),
        ("1.0001", "KWD", 3),
        ("0.01" + "0" * 40 + "1", "USD", 2),
        ("9999999999999.999999999999999999999", "USD", 2),
        ("1E-400", "KWD", 3),
    ],
)
def test_more_decimals_than_the_currency_has_are_refused_not_rounded(
    text: str, currency: str, decimals: int
) -> None:
    with pytest.raises(AmountPrecision) as refusal:
        Money.parse(Decimal(text), currency, "amount", "amount")
    assert refusal.value.field == ("amount", "amount")
    assert refusal.value.facts == {"currency": currency, "decimals": decimals}


@pytest.mark.parametrize("text", ["10000000000000.01", "-10000000000000.01", "1E+30", "1E+999999"])
def test_an_amount_that_no_sum_could_hold_is_refused(text: str) -> None:
    with pytest.raises(AmountOutOfRange):
        Money.parse(Decimal(text), "USD")


@pytest.mark.parametrize("code", ["XXX", "XAU", "usd", "EURO", ""])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(CurrencyNotSupported):
        exponent(code)


@given(minor=minors, currency=currencies)
def test_reading_what_was_written_gives_it_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.parse(money.amount, currency) == money
    assert -(money.amount.as_tuple().exponent) == exponent(currency)  # type: ignore[operator]


@given(a=minors, b=minors)
def test_sums_and_differences_undo_each_other(a: int, b: int) -> None:
    first, second = Money(a, "USD"), Money(b, "USD")
    assert first + second - second == first
    assert (first < second) == (a < b)
    assert -first + first == Money.zero("USD")
    assert bool(first) == (a != 0)


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(AssertionError):
        Money(1, "USD") + Money(1, "JPY")


def test_half_a_minor_unit_goes_away_from_zero() -> None:
    values = [Decimal(text) for text in ("0.5", "1.5", "2.5", "-0.5", "0.4999", "2.5000001")]
    assert [round_half_up(value) for value in values] == [1, 2, 3, -1, 0, 3]


@given(st.lists(st.tuples(rates, st.integers(0, 10**10)), max_size=12))
def test_tax_is_rounded_once_a_rate(lines: list[tuple[Decimal, int]]) -> None:
    taxes = tax_per_rate(lines)
    assert [tax.rate for tax in taxes] == sorted({rate for rate, _ in lines}, reverse=True)
    for tax in taxes:
        assert tax.base == sum(net for rate, net in lines if rate == tax.rate)
        assert abs(tax.tax - Fraction(tax.base) * Fraction(tax.rate)) <= Fraction(1, 2)


def test_ten_lines_of_one_rate_are_taxed_together() -> None:
    (tax,) = tax_per_rate([(Decimal("0.10"), 14)] * 5 + [(Decimal("0.1"), 14)] * 5)
    assert (tax.base, tax.tax) == (140, 14)


@pytest.mark.parametrize(
    ("bases", "tax"),
    [((1050,), 200), ((-1050,), -200), ((5000, -6050), -200), ((10**15, -(10**15) + 1), 0)],
)
def test_the_tax_of_a_rate_is_its_base_times_the_rate_also_below_zero(
    bases: tuple[int, ...], tax: int
) -> None:
    (rate,) = tax_per_rate((Decimal("0.19"), base) for base in bases)
    assert (rate.base, rate.tax) == (sum(bases), tax)


@pytest.mark.parametrize(
    ("price", "quantity", "currency", "minor"),
    [
        ("0.004567", "1000000", "USD", 456700),
        ("0.333333", "3", "USD", 100),
        ("0.005", "1", "USD", 1),
        ("-0.005", "1", "USD", -1),
        ("-0.004999", "1", "USD", 0),
        ("0.5", "1", "JPY", 1),
        ("0.0005", "1", "KWD", 1),
        ("9999999999.999999", "0.000000001", "USD", 1000),
        ("1234567890.123456", "1.123456789", "USD", 138698367764),
    ],
)
def test_a_price_times_a_quantity_is_exact_and_rounded_once(
    price: str, quantity: str, currency: str, minor: int
) -> None:
    assert product(Decimal(price), Decimal(quantity), currency) == minor


@given(st.integers(-MINOR_MAX * 100, MINOR_MAX * 100), st.sampled_from(sorted(EXPONENTS)))
def test_an_amount_is_the_same_as_text(minor: int, currency: str) -> None:
    assert text_in_major(minor, currency) == format(in_major(minor, currency), "f")


def test_an_amount_of_no_currency_is_no_text() -> None:
    with pytest.raises(CurrencyNotSupported):
        text_in_major(1, "XXX")
