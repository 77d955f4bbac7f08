"""PayPal's own OpenAPI document as the referee of every exchange with the fake.

The document is not in this repository: it is looked for beside it, or at PAYPAL_CONTRACT.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cache, partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTRACT: Final = Path(
    os.environ.get("PAYPAL_CONTRACT")
    or Path(__file__).parents[4] / "shared" / "data" / "paypal_merged.json"
)
#: The server that the document is of.
_HOST: Final = "https://api-m.sandbox.paypal.com"


@cache
def document() -> dict[str, Any] | None:
    """None where it is not there."""
    if not CONTRACT.exists():
        return None
    found: dict[str, Any] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    for operation in (one for path in found["paths"].values() for one in path.values()):
        if isinstance(operation, dict):
            operation.pop("security", None)  # openapi-core knows no OAuth 2; the fake looks itself
    for parameter in found["paths"]["/v1/customer/disputes"]["get"]["parameters"]:
        # Sentences such as "Current date and …", and no values.
        _followed(found, parameter)["schema"].pop("default", None)
    for field_ in found["components"]["schemas"]["w_event"]["properties"].values():
        field_.pop("readOnly", None)  # of an event; we send it back to have it verified
    return found


def _followed(found: dict[str, Any], place: Any) -> Any:
    while "$ref" in place:
        place = reduce(lambda inside, key: inside[key], place["$ref"].split("/")[1:], found)
    return place


@cache
def referee() -> OpenAPI | None:
    """None where the document is not there."""
    found = document()
    # The document has mistakes that the validator of documents would stop at.
    return OpenAPI.from_dict(found, config=Config(spec_validator_cls=None)) if found else None


@cache
def wording(operation: str, issue: str) -> str:
    """What PayPal says with an `issue`; the issue itself where that is not known."""
    schemas = (document() or {"components": {"schemas": {}}})["components"]["schemas"]
    # Operations have words of their own for the same issue.
    own = {"capture": "o_orders.capture-422", "refund": "p_captures.refund-422"}
    places = [schemas.get(own.get(operation)), schemas]
    return next((text for place in places for text in _described(place, issue)), issue)


def _described(place: Any, issue: str) -> Iterator[str]:
    if isinstance(place, list):
        place = dict(enumerate(place))
    if not isinstance(place, dict):
        return
    properties = place.get("properties")
    if isinstance(properties, dict) and _enum(properties, "issue") == [issue]:
        yield from _enum(properties, "description")
    for inside in place.values():
        yield from _described(inside, issue)


def _enum(properties: dict[str, Any], name: str) -> list[str]:
    found = properties.get(name)
    return list(found.get("enum", ())) if isinstance(found, dict) else []


@dataclass
class Asked:
    """A request, as openapi-core wants it."""

    method: str
    path: str
    body: bytes
    query: Mapping[str, str]
    headers: Mapping[str, str]
    host_url: str = _HOST
    parameters: RequestParameters = field(init=False)

    def __post_init__(self) -> None:
        self.method = self.method.lower()
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(self.query), header=Headers(dict(self.headers))
        )

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


@dataclass
class Answered:
    """An answer, as openapi-core wants it."""

    status_code: int
    data: bytes
    content_type: str = "application/json"

    @property
    def headers(self) -> Headers:
        return Headers({"content-type": self.content_type})


def faults(asked: Asked, answered: Answered) -> list[str]:
    """What the contract has against an exchange."""
    judge = referee()
    if judge is None:
        return []
    found = []
    checks = {
        "request": partial(judge.validate_request, asked),
        "answer": partial(judge.validate_response, asked, answered),
    }
    for side, check in checks.items():
        try:
            check()
        except OpenAPIError as error:
            why = [str(one)[:300] for one in getattr(error.__cause__, "schema_errors", ())]
            found.append(f"{side} of {asked.method} {asked.path}: {error!r} {why}")
    return found
