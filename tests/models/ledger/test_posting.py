"""What is posted, without a database."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from models.ledger.chart import LedgerKind, Ref, client, provider_account
from models.ledger.posting import Leg, debt_first

_ACCOUNT: Final = UUID(int=1)
DEPOSITED: Final = client(LedgerKind.DEPOSITED, _ACCOUNT, "USD")
OWED: Final = client(LedgerKind.DEBT, _ACCOUNT, "USD")
CLEARING: Final = provider_account(LedgerKind.CLEARING, "USD", "card")
ADJUSTMENTS: Final = provider_account(LedgerKind.ADJUSTMENTS, "USD")
SALES: Final = provider_account(LedgerKind.SALES, "USD")


def _split(debt: int, *legs: Leg) -> list[tuple[Ref, Ref, int]]:
    return [(leg.source, leg.target, leg.amount) for leg in debt_first(legs, debt, DEPOSITED, OWED)]


def test_a_deposit_repays_the_debt_first_and_the_rest_is_credit() -> None:
    assert _split(300, Leg(CLEARING, DEPOSITED, 1000)) == [
        (CLEARING, OWED, 300),
        (CLEARING, DEPOSITED, 700),
    ]


def test_a_deposit_below_the_debt_repays_as_much_as_it_is() -> None:
    assert _split(300, Leg(CLEARING, DEPOSITED, 300)) == [(CLEARING, OWED, 300)]
    assert _split(300, Leg(CLEARING, DEPOSITED, 200)) == [(CLEARING, OWED, 200)]


def test_a_debt_is_repaid_once_by_several_legs() -> None:
    legs = (Leg(CLEARING, DEPOSITED, 200), Leg(ADJUSTMENTS, DEPOSITED, 200))
    assert _split(300, *legs) == [
        (CLEARING, OWED, 200),
        (ADJUSTMENTS, OWED, 100),
        (ADJUSTMENTS, DEPOSITED, 100),
    ]


def test_what_deposits_nothing_repays_nothing() -> None:
    assert _split(300, Leg(DEPOSITED, SALES, 200)) == [(DEPOSITED, SALES, 200)]
    assert _split(0, Leg(CLEARING, DEPOSITED, 200)) == [(CLEARING, DEPOSITED, 200)]
