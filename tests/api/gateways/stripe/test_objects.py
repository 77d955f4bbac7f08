"""What the tests say in Stripe's name is what Stripe's own package describes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

from models.money import Money
from tests.support.gateways.contract import order
from tests.support.stripe import bodies, objects

#: Stripe's own examples are not in this repository: where they lie beside it, they are read, too.
FIXTURES: Final = Path(
    os.environ.get("STRIPE_FIXTURES")
    or Path(__file__).parents[5] / "shared" / "data" / "stripe_fixtures3.json"
)
#: Where the examples and the package are of different versions, or contradict each other.
KNOWN: Final = {
    "checkout.session.currency_conversion.fx_rate",
    "dispute.evidence_details lacks submission_method",
}
ASKED: Final = order(Money(2500, "USD"))


@pytest.mark.parametrize("kind", sorted(objects.CLASSES))
def test_an_example_is_what_the_package_describes(kind: str) -> None:
    assert objects.faults(kind, objects.example(kind)) == []


@pytest.mark.parametrize(
    "told",
    [
        bodies.message("checkout.session.completed", bodies.session(ASKED)),
        bodies.message("payment_intent.succeeded", bodies.intent(ASKED)),
        bodies.message("refund.updated", bodies.refund()),
        bodies.message("charge.dispute.created", bodies.dispute()),
    ],
    ids=lambda told: told["type"],
)
def test_a_message_is_what_the_package_describes(told: dict[str, Any]) -> None:
    about = told["data"]["object"]
    assert objects.faults("event", told) == objects.faults(about["object"], about) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"object": "charge"}, "refund.object is 'charge'"),
        ({"amount": "100"}, "refund.amount is '100'"),
        ({"amount": True}, "refund.amount is True"),
        ({"amount": None}, "refund.amount is None"),
        ({"metadata": "ours"}, "refund.metadata is 'ours'"),
        ({"invented": 1}, "refund has no invented"),
    ],
)
def test_what_the_package_does_not_describe_is_found(change: dict[str, Any], fault: str) -> None:
    [found] = objects.faults("refund", objects.example("refund") | change)
    assert found.startswith(fault)


def test_what_is_missing_is_found() -> None:
    refund = objects.example("refund")
    del refund["id"]
    assert objects.faults("refund", refund) == ["refund lacks id"]


def test_stripes_own_examples_are_what_its_package_describes() -> None:
    if not FIXTURES.exists():
        pytest.skip(f"Stripe's own examples ({FIXTURES.name}) are not beside the repository")
    theirs = json.loads(FIXTURES.read_text(encoding="utf-8"))["resources"]
    found = [fault for kind in objects.CLASSES for fault in objects.faults(kind, theirs[kind])]
    assert [fault for fault in found if not fault.startswith(tuple(KNOWN))] == []
