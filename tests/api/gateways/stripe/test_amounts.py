from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from api.gateways.stripe.amounts import DECIMALS, from_stripe, least, most, to_stripe
from api.gateways.stripe.requests import stripe_locale
from models.gateway import GatewayDeclined
from models.money import Money


@pytest.mark.parametrize(
    ("money", "units"),
    [
        (Money(2500, "USD"), 2500),
        (Money(2500, "JPY"), 2500),
        (Money(25, "ISK"), 2500),
        (Money(25, "UGX"), 2500),
        (Money(2500, "MGA"), 25),
        (Money(2500, "KWD"), 2500),
        (Money(5120, "JOD"), 5120),
        (Money(17500, "HUF"), 17500),
        (Money(100000, "TWD"), 100000),
    ],
)
def test_amounts_are_as_stripe_writes_them(money: Money, units: int) -> None:
    assert to_stripe(money) == units
    assert from_stripe(units, money.currency.lower()) == money


@pytest.mark.parametrize("money", [Money(2501, "KWD"), Money(5124, "BHD"), Money(2510, "MGA")])
def test_what_stripe_cannot_charge_exactly_is_declined(money: Money) -> None:
    with pytest.raises(GatewayDeclined, match="amount_not_supported"):
        to_stripe(money)


@pytest.mark.parametrize(("units", "currency"), [(2550, "isk"), (1, "ugx"), (100, "xxx")])
def test_what_no_currency_can_have_is_not_read(units: int, currency: str) -> None:
    with pytest.raises(ValueError, match=r"a currency|an amount"):
        from_stripe(units, currency)


@given(some.sampled_from(sorted(DECIMALS)), some.integers(1, 10**7))
def test_an_amount_comes_back_as_it_went(currency: str, tens: int) -> None:
    money = Money(tens * 100, currency)
    assert from_stripe(to_stripe(money), currency.lower()) == money


def test_limits_are_amounts_that_stripe_can_charge() -> None:
    for currency in DECIMALS:
        top = most(currency)
        assert to_stripe(top) <= (999_999_999_999 if currency == "IDR" else 99_999_999)
        bottom = least(currency)
        assert bottom is None or 0 < to_stripe(bottom) < to_stripe(top)
    assert least("USD") == Money(50, "USD")
    assert least("JPY") == Money(50, "JPY")
    assert most("USD") == Money(99_999_999, "USD")
    assert most("ISK") == Money(999_999, "ISK")


@pytest.mark.parametrize(
    ("locale", "page"),
    [
        ("en", "en"),
        ("en-GB", "en-GB"),
        ("en_US", "en"),
        ("ja-JP", "ja"),
        ("pt-BR", "pt-BR"),
        ("zh-Hant-TW", "zh-TW"),
        ("zh-Hant", "zh-TW"),
        ("zh-Hans-CN", "zh"),
        ("zh-Hant-HK", "zh-HK"),
        ("no", "nb"),
        ("nn-NO", "nb"),
        ("tlh", "auto"),
        ("", "auto"),
    ],
)
def test_the_page_speaks_the_clients_language_where_it_can(locale: str, page: str) -> None:
    assert stripe_locale(locale) == page
