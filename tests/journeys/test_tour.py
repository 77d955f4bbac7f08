"""The tour of schema/README.md runs as it is written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest
from graphql import build_schema, parse, validate

from api.settings.settings import load_settings
from tests.support.server.api_client import at_sandbox, plain
from tests.support.server.demo_server import ROOT
from tests.support.server.live import streaming

if TYPE_CHECKING:
    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once

_FENCE = re.compile(r"^ *```(?P<info>[^\n]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass
class Step:
    """One document of the tour, with what is sent along and what comes back."""

    document: str
    by_partner: bool
    variables: str = "{}"
    answer: str = "{}"


def blocks() -> list[tuple[str, str]]:
    return [
        (found["info"], found["text"])
        for found in _FENCE.finditer((ROOT / "schema" / "README.md").read_text(encoding="utf-8"))
    ]


def tour() -> list[Step]:
    steps: list[Step] = []
    for info, text in blocks():
        if info in {"graphql", "graphql partner"}:
            steps.append(Step(text, by_partner="partner" in info))
        elif info == "json":
            steps[-1].variables = text
        elif info == "json answer":
            steps[-1].answer = text
    return steps


def test_examples_beside_the_tour_are_of_this_schema_and_its_settings() -> None:
    told = blocks()
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    examples = [text for info, text in told if info == "graphql example"]
    assert examples
    for text in examples:
        assert validate(schema, parse(text)) == []
    [issuers] = [text for info, text in told if info == "json setting"]
    given: dict[str, Any] = {"account_credit_demo": True, "secret_key": "s" * 32}
    assert load_settings(trusted_issuers=json.loads(issuers), **given).trusted_issuers


def test_the_tour_runs_as_it_is_written(server: DemoServer) -> None:
    known: dict[str, Any] = {"voucher": server.demo["vouchersByCurrency"]["USD"][0]}
    visitor, steps = server.portal(), tour()
    assert len(steps) >= 10
    for step in steps:
        asking = server.partner if step.by_partner else visitor
        known |= walked(server, asking, step, known)
        visitor.token = known["signIn"]["token"]


def walked(server: DemoServer, asking: Portal, step: Step, known: dict[str, Any]) -> dict[str, Any]:
    """The data that a step answers; where it sends the payer to the sandbox, they pay there."""
    variables = filled(json.loads(step.variables), known)
    if step.document.startswith("subscription"):
        with streaming(asking, step.document, **variables) as pushed:
            [expected] = json.loads(step.answer).values()
            assert_has(pushed(), plain(expected))
            return {}
    answer = asking.post(step.document, variables).json()
    assert "errors" not in answer, (step.document, answer)
    data = answer["data"]
    for payload in data.values():
        assert not isinstance(payload, dict) or not payload.get("userErrors"), payload
    assert_has(data, json.loads(step.answer))
    payment = data.get("payInvoice", {}).get("payment")
    if payment is not None:
        assert payment["nextAction"]["url"].startswith(server.url)
        at_sandbox(payment, "approve")
    return data  # type: ignore[no-any-return]


def filled(value: Any, known: dict[str, Any]) -> Any:
    """`$signIn.token` replaced by what an answer said there."""
    if isinstance(value, dict):
        return {name: filled(item, known) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    if isinstance(value, str) and value.startswith("$"):
        return reduce(lambda at, name: at[name], value[1:].split("."), known)
    return value


def assert_has(found: Any, expected: Any) -> None:
    """Whether all that is expected is there; there may be more."""
    if not isinstance(expected, dict):
        assert found == expected
        return
    for name, value in expected.items():
        assert_has(found[name], value)
