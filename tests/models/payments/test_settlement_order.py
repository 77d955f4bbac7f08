"""Whatever order a gateway's messages come in, the end is the same."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.db import sql
from models.gateway import EventKind as Kind
from tests.support.factories import Client, a_client, event, now, tell

pytestmark = pytest.mark.usefixtures("provider")

few = settings(
    max_examples=int(os.environ.get("ORDERS_MAX", "12")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Case:
    """An invoice, how it is paid, and what its gateway says of it, in the natural order."""

    kind: str
    news: tuple[tuple[Kind, str, int], ...]
    gateway: str = "card"
    credit: int = 0
    ends: dict[str, Any] = field(default_factory=dict)


def _usual(minor: int) -> tuple[tuple[Kind, str, int], ...]:
    """Everything at once: tried, paid, and taken back for good after a dispute that was won."""
    return (
        (Kind.PROCESSING, "", 0),
        (Kind.FAILED, "", 0),
        (Kind.CAPTURED, "c", minor),
        (Kind.DISPUTED, "d", minor),
        (Kind.DISPUTE_WON, "d", minor),
        (Kind.REFUNDED, "r", minor),
    )


_KEPT: Final = {"payment": "SUCCEEDED", "frozen": False}
CASES: Final = {
    "a deposit": Case("FUNDS", _usual(2500), ends={"invoice": "REFUNDED", "available": 0}),
    "an order": Case("ORDER", _usual(2500), ends={"invoice": "UNPAID", "available": 0}),
    "a split": Case(
        "ORDER", _usual(1500), credit=1000, ends={"invoice": "UNPAID", "available": 0, "paid": 1000}
    ),
    "a deposit with a fee": Case("FUNDS", _usual(2530), "paid-card", ends={"available": 0}),
    "an overpaid deposit": Case(
        "FUNDS", _usual(4000), ends={"invoice": "REFUNDED", "available": 0}
    ),
    "an overpaid order": Case("ORDER", _usual(4000), ends={"invoice": "UNPAID", "available": 0}),
    "an underpaid order": Case("ORDER", _usual(900), ends={"invoice": "UNPAID", "paid": 0}),
    "a deposit that is kept": Case(
        "FUNDS", _usual(2500)[:5], ends={"invoice": "PAID", "available": 2500}
    ),
    "a split that is kept": Case(
        "ORDER", _usual(1500)[:5], credit=1000, ends={"invoice": "PAID", "paid": 2500}
    ),
    "an order refunded in parts": Case(
        "ORDER",
        ((Kind.CAPTURED, "c", 3000), (Kind.REFUNDED, "1", 700), (Kind.REFUNDED, "2", 300)),
        ends={"invoice": "UNPAID", "available": 0, "paid": 2000},
    ),
    "a deposit with a fee, refunded and disputed in parts": Case(
        "FUNDS",
        (
            (Kind.CAPTURED, "c", 2530),
            (Kind.REFUNDED, "r", 2000),
            (Kind.DISPUTED, "d", 520),
            (Kind.DISPUTE_LOST, "d", 520),
            (Kind.DISPUTED, "e", 400),
            (Kind.DISPUTE_WON, "e", 400),
        ),
        "paid-card",
        ends={"available": 0},
    ),
    "a dispute that is lost for less than was disputed": Case(
        "FUNDS",
        ((Kind.CAPTURED, "c", 2500), (Kind.DISPUTED, "d", 2500), (Kind.DISPUTE_LOST, "d", 800)),
        ends={"available": 1700},
    ),
    "two captures and a refund of a deposit": Case(
        "FUNDS",
        ((Kind.CAPTURED, "1", 1500), (Kind.CAPTURED, "2", 1000), (Kind.REFUNDED, "r", 500)),
        ends={"invoice": "REFUNDED", "available": 2000},
    ),
    "two captures and a dispute of an order": Case(
        "ORDER",
        (
            (Kind.CAPTURED, "1", 1500),
            (Kind.CAPTURED, "2", 1200),
            (Kind.DISPUTED, "d", 1200),
            (Kind.DISPUTE_WON, "d", 1200),
        ),
        ends={"invoice": "PAID", "available": 200},
    ),
    "a deposit taken back more than once": Case(
        "FUNDS",
        ((Kind.CAPTURED, "c", 2500), (Kind.REFUNDED, "r", 2500), (Kind.DISPUTED, "d", 2500)),
        ends={"available": 0, "debt": 0, "frozen": True},
    ),
    "a refund of a deposit that came back": Case(
        "FUNDS",
        (
            (Kind.CAPTURED, "c", 2500),
            (Kind.REFUNDED, "1", 1000),
            (Kind.REFUND_FAILED, "1", 1000),
            (Kind.REFUNDED, "2", 300),
            (Kind.DISPUTED, "d", 2200),
            (Kind.DISPUTE_WON, "d", 2200),
        ),
        ends={"available": 2200},
    ),
    "a refund of an order that came back": Case(
        "ORDER",
        (
            (Kind.CAPTURED, "c", 3000),
            (Kind.REFUNDED, "1", 1000),
            (Kind.REFUND_FAILED, "1", 1000),
        ),
        ends={"invoice": "PAID", "available": 500},
    ),
    "a deposit only tried": Case(
        "FUNDS",
        ((Kind.PROCESSING, "", 0), (Kind.FAILED, "", 0)),
        ends={"invoice": "UNPAID", "payment": "FAILED"},
    ),
}


_ends: dict[str, dict[str, Any]] = {}


@given(
    order=st.permutations(range(6)),
    again=st.lists(st.integers(0, 5), max_size=3),
)
@few
@pytest.mark.parametrize("name", CASES)
async def test_every_order_of_messages_ends_the_same(
    name: str, order: list[int], again: list[int]
) -> None:
    case = CASES[name]
    natural = _ends.get(name) or await _played(case, list(case.news))
    _ends[name] = natural
    expected = (_KEPT if any(kind is Kind.CAPTURED for kind, *_ in case.news) else {}) | case.ends
    assert {fact: natural[fact] for fact in expected} == expected
    shuffled = [case.news[n] for n in (*order, *again) if n < len(case.news)]
    assert await _played(case, shuffled) == natural


async def _played(case: Case, news: list[tuple[Kind, str, int]]) -> dict[str, Any]:
    """What an account of its own looks like at the end."""
    ada = await a_client()
    if case.credit:
        await ada.given(case.credit)
    bill = await (ada.funds() if case.kind == "FUNDS" else ada.order())
    begun = await ada.begin(bill, case.gateway, credit_limit=case.credit)
    await tell(
        begun,
        *(
            event(begun, kind, reference and f"{begun.public_id}:{reference}", minor)
            for kind, reference, minor in news
        ),
    )
    paid, ended = await now(bill), await now(begun)
    available, reserved, promotional, debt = await ada.amounts()
    return {
        "invoice": paid.status,
        "paid": paid.amount_paid,
        "credit applied": paid.credit_applied,
        "payment": ended.status,
        "parts": (ended.received, ended.fee_taken, ended.applied, ended.excess, ended.taken_back),
        "disputed": ended.disputed,
        "frozen": await ada.is_frozen(),
        "available": available,
        "others": (reserved, promotional),
        "debt": debt,
        "ledger": await _ledger(ada),
    }


async def _ledger(ada: Client) -> dict[str, int]:
    """What each kind of ledger account holds by this client's transfers alone."""
    rows = await sql.fetch(
        "SELECT l.kind, SUM(CASE WHEN t.to_id = l.id THEN t.amount ELSE -t.amount END) AS net"
        " FROM transfer t JOIN ledger_account l ON l.id IN (t.from_id, t.to_id)"
        " WHERE t.account_id = $1 GROUP BY l.kind",
        ada.id,
    )
    return {row["kind"]: int(row["net"]) for row in rows if row["net"]}


async def test_a_dispute_before_its_capture_does_not_stop_its_own_credit_part() -> None:
    case = CASES["a split that is kept"]
    processing, failed, captured, disputed, won = case.news
    natural = await _played(case, list(case.news))
    assert natural["credit applied"] == 1000
    assert await _played(case, [processing, failed, disputed, captured, won]) == natural
