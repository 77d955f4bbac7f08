"""What Stripe's API takes, by the SDK's own types: closed to unknown keys, strict about types."""

from __future__ import annotations

import re
import sys
import typing
from functools import cache
from typing import Any, Final

import stripe
import typing_extensions
from pydantic import ConfigDict, TypeAdapter
from stripe import params

_OPTIONS: Final = set(stripe.RequestOptions.__annotations__)
_NAME: Final = r"[^/]+"

#: Each request that we make, and the type of its parameters.
CONTRACTS: Final[dict[tuple[str, str], Any]] = {
    ("post", "/v1/checkout/sessions"): params.checkout.SessionCreateParams,
    ("get", f"/v1/checkout/sessions/{_NAME}"): params.checkout.SessionRetrieveParams,
    ("post", f"/v1/checkout/sessions/{_NAME}/expire"): params.checkout.SessionExpireParams,
    ("post", "/v1/payment_intents"): params.PaymentIntentCreateParams,
    ("get", f"/v1/payment_intents/{_NAME}"): params.PaymentIntentRetrieveParams,
    ("post", f"/v1/payment_intents/{_NAME}/cancel"): params.PaymentIntentCancelParams,
    ("post", "/v1/refunds"): params.RefundCreateParams,
    ("get", "/v1/refunds"): params.RefundListParams,
    ("get", "/v1/disputes"): params.DisputeListParams,
}


def check(method: str, path: str, given: object) -> None:
    """Raises ValidationError where Stripe has no such request or parameter."""
    for (allowed, pattern), typed in CONTRACTS.items():
        if allowed == method and re.fullmatch(pattern, path):
            adapter(typed).validate_python({} if given is None else given)
            return
    raise AssertionError(f"{method} {path} has no contract")


@cache
def adapter(typed: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_closed(typed, {}))


def _closed(typed: Any, known: dict[Any, Any]) -> Any:
    """The same TypedDict without request options, closed to unknown keys."""
    if typed in known:
        return known[typed]
    known[typed] = typed  # a type that holds itself
    names = {
        **vars(typing),
        **vars(typing_extensions),
        "stripe": stripe,
        "StripeContext": stripe.StripeContext,
        **vars(sys.modules[typed.__module__]),
    }
    hints = typing_extensions.get_type_hints(typed, names, names, include_extras=True)
    fields = {name: _hint(hint, known) for name, hint in hints.items() if name not in _OPTIONS}
    make: Any = typing_extensions.TypedDict
    closed = make(f"{typed.__name__}Closed", fields)
    closed.__pydantic_config__ = ConfigDict(
        extra="forbid", strict=True, arbitrary_types_allowed=True
    )
    known[typed] = closed
    return closed


def _hint(hint: Any, known: dict[Any, Any]) -> Any:
    if typing_extensions.is_typeddict(hint):
        return _closed(hint, known)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing_extensions.NotRequired, typing.NotRequired):
        return typing_extensions.NotRequired[_hint(inner[0], known)]
    if origin is list:
        return list[_hint(inner[0], known)]  # type: ignore[misc]
    if origin is dict:
        return dict[_hint(inner[0], known), _hint(inner[1], known)]  # type: ignore[misc]
    if origin is typing.Union:
        # Stripe widens its enumerations to `str`, for values of later versions.
        enumerated = any(typing.get_origin(one) is typing.Literal for one in inner)
        kept = [_hint(one, known) for one in inner if not (one is str and enumerated)]
        return typing.Union[tuple(kept)]  # noqa: UP007 - of a list
    return hint
