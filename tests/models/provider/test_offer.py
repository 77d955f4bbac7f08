"""Which gateways can pay an amount, and which of them comes first."""

from __future__ import annotations

import pytest

from models.gateway import GatewayKind
from models.money import Money
from models.provider.offer import ranked
from tests.support.providers import Fake

pytestmark = pytest.mark.once


def codes(amount: Money, *gateways: Fake) -> list[str]:
    return [one.code for one in ranked(gateways, amount)]


def test_the_cheapest_comes_first_then_what_pays_at_once_then_the_providers_own_order() -> None:
    bank = Fake("bank", GatewayKind.BANK_TRANSFER)
    dear_bank = Fake("dear-bank", GatewayKind.BANK_TRANSFER, fee=20)
    dear, card, paypal = Fake("dear", fee=30), Fake("card"), Fake("paypal", GatewayKind.PAYPAL)
    usd = Money(2500, "USD")
    ranking = codes(usd, dear, dear_bank, bank, paypal, card)
    assert ranking == ["paypal", "card", "bank", "dear-bank", "dear"]
    assert codes(usd, card, paypal) == ["card", "paypal"]


@pytest.mark.parametrize(
    ("amount", "offered"),
    [
        (Money(500, "USD"), ["card"]),
        (Money(499, "USD"), []),
        (Money(1_000_000, "USD"), ["card"]),
        (Money(1_000_001, "USD"), []),
        (Money(2500, "EUR"), []),
        (Money(0, "USD"), []),
        (Money(-2500, "USD"), []),
    ],
)
def test_what_cannot_pay_the_amount_is_not_offered(amount: Money, offered: list[str]) -> None:
    assert codes(amount, Fake("card")) == offered


def test_nothing_is_offered_for_nothing_where_there_is_no_minimum() -> None:
    class Free(Fake):
        def minimum(self, currency: str) -> None:  # noqa: ARG002 - the port's
            return None

    free = Free("free")
    assert codes(Money(0, "USD"), free) == []
    assert codes(Money(1, "USD"), free) == ["free"]
