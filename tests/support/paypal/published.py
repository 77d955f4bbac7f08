"""PayPal's own package, `paypal-server-sdk`, as a contract: what its models say of each exchange.

A model names its fields and says which may be missing; their types are in its docstring, and a
class without fields is an enumeration. It is read, not imported: the package asks for older
releases of what this project runs on. It knows orders, captures, refunds and tokens. Disputes and
webhooks it does not; PayPal's OpenAPI document, where that is there, has them (`referee.py`).
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.standins.environments import python_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.paypal.referee import Answered, Asked

PACKAGE: Final = "paypal-server-sdk==2.4.0"
#: The models of what is asked and answered, by method and path; None where nothing is sent.
OPERATIONS: Final[dict[tuple[str, str], tuple[str | None, str]]] = {
    ("post", "/v1/oauth2/token"): (None, "OAuthToken"),
    ("post", "/v2/checkout/orders"): ("OrderRequest", "Order"),
    ("get", "/v2/checkout/orders/[^/]+"): (None, "Order"),
    ("post", "/v2/checkout/orders/[^/]+/capture"): ("OrderCaptureRequest", "Order"),
    ("get", "/v2/payments/captures/[^/]+"): (None, "CapturedPayment"),
    ("post", "/v2/payments/captures/[^/]+/refund"): ("RefundRequest", "Refund"),
    ("get", "/v2/payments/refunds/[^/]+"): (None, "Refund"),
}
#: A line of a docstring's attributes: `purchase_units (List[PurchaseUnit]): An array of …`.
_ATTRIBUTE: Final = re.compile(r"^ *(\w+) \(([\w\[\]]+)\): ", re.MULTILINE)
_PLAIN: Final[dict[str, type]] = {"str": str, "int": int, "bool": bool, "float": float}


@dataclass(frozen=True)
class Model:
    """A model's fields and their types, or an enumeration's values."""

    fields: dict[str, str]
    optional: frozenset[str]
    values: frozenset[str]


Models = dict[str, Model]


@cache
def models() -> Models | None:
    """The models by name; None where the package cannot be had."""
    try:
        folder = python_of("paypal-server-sdk", ["--no-deps", PACKAGE]).parents[1]
    except pytest.skip.Exception:
        return None
    files = folder.glob("lib/*/site-packages/paypalserversdk/models/*.py")
    return dict(each for each in map(_model, files) if each is not None)


def _model(path: Path) -> tuple[str, Model] | None:
    written = ast.parse(path.read_text(encoding="utf-8")).body
    found = next((one for one in written if isinstance(one, ast.ClassDef)), None)
    if found is None:
        return None
    given: dict[str, Any] = {}
    for line in found.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            given[line.targets[0].id] = ast.literal_eval(line.value)
    names = given.get("_names", {})
    types = dict(_ATTRIBUTE.findall(ast.get_docstring(found) or ""))
    return found.name, Model(
        {said: types[name] for name, said in names.items()},
        frozenset(names[name] for name in given.get("_optionals", ())),
        frozenset(value for name, value in given.items() if not name.startswith("_")),
    )


def faults(asked: Asked, answered: Answered) -> list[str] | None:
    """What the package has against an exchange; None where it says nothing of such a one."""
    known = models()
    operation = next((one for one in OPERATIONS if _is(one, asked)), None)
    if known is None or operation is None:
        return None
    request, answer = OPERATIONS[operation]
    found: list[str] = []
    if request is not None:
        found += _faults(known, request, json.loads(asked.body or b"{}"), f"request: {request}")
    if answered.status_code < 300:
        found += _faults(known, answer, json.loads(answered.data), f"answer: {answer}")
    return found


def _is(operation: tuple[str, str], asked: Asked) -> bool:
    method, path = operation
    return method == asked.method and re.fullmatch(path, asked.path) is not None


def _faults(known: Models, type: str, told: Any, place: str) -> Iterator[str]:
    if inner := re.fullmatch(r"List\[(.*)\]", type):
        yield from _faults_of_list(known, inner[1], told, place)
    elif type in _PLAIN:
        if told.__class__ is not _PLAIN[type]:
            yield f"{place} is {told!r}, not {type}"
    elif type in known and known[type].values:
        if told not in known[type].values:
            yield f"{place} is {told!r}, not one of {sorted(known[type].values)}"
    elif type in known:
        yield from _faults_of_object(known, known[type], told, place)


def _faults_of_list(known: Models, type: str, told: Any, place: str) -> Iterator[str]:
    if not isinstance(told, list):
        yield f"{place} is {told!r}, not a list"
        return
    for number, one in enumerate(told):
        yield from _faults(known, type, one, f"{place}[{number}]")


def _faults_of_object(known: Models, model: Model, told: Any, place: str) -> Iterator[str]:
    if not isinstance(told, dict):
        yield f"{place} is {told!r}, not an object"
        return
    yield from (f"{place} has no {name}" for name in told if name not in model.fields)
    needed = model.fields.keys() - model.optional
    yield from (f"{place} lacks {name}" for name in sorted(needed - told.keys()))
    for name in model.fields.keys() & told.keys():
        yield from _faults(known, model.fields[name], told[name], f"{place}.{name}")
