"""Stripe's objects, by the SDK's own classes: an example of each, and what is wrong with one.

The classes name every field of an object with its type; Stripe sends no others.
"""

from __future__ import annotations

import builtins
import inspect
import sys
import types
import typing
from collections import UserDict
from copy import deepcopy
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import stripe
import typing_extensions
from stripe import ListObject, StripeObject

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

CLASSES: Final[dict[str, Any]] = {
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "payment_intent": stripe.PaymentIntent,
    "refund": stripe.Refund,
}
_PLAIN: Final = {str: "text", int: 0, bool: False, float: 0.0}
_CREATED: Final = {"id": "obj_1", "created": 1_234_567_890, "currency": "usd"}
#: What an object is before anything has happened to it, where null or zero would not do.
_ORDINARY: Final[dict[str, Object]] = {
    "charge": _CREATED
    | {
        "status": "succeeded",
        "paid": True,
        "refunds": {"object": "list", "data": [], "has_more": False, "url": "/v1/charges"},
    },
    "checkout.session": _CREATED | {"status": "open", "payment_status": "unpaid"},
    "dispute": _CREATED | {"amount": 1000, "status": "warning_needs_response"},
    "payment_intent": _CREATED | {"amount": 1099, "status": "requires_payment_method"},
    "refund": _CREATED | {"amount": 100, "status": "succeeded"},
}


def example(kind: str) -> Object:
    """An object of that kind: what may be null is null, but for the little that is ordinary."""
    made: Object = _example(CLASSES[kind]) | deepcopy(_ORDINARY.get(kind, {}))
    return made


def faults(kind: str, told: object) -> list[str]:
    """What Stripe's classes have against an object of ours."""
    return list(_faults(CLASSES[kind], told, kind))


def _example(hint: Any) -> Any:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in inside else _example(inside[0])
    if origin is typing.Literal:
        return inside[0]
    if origin is list:
        return []
    if origin is ListObject:
        return {"object": "list", "data": [], "has_more": False, "url": "/v1"}
    if origin is not None or not _is_ours(hint):
        return _PLAIN.get(hint, {})
    return {name: _example(inner) for name, inner in _fields(hint).items()}


def _faults(hint: Any, told: Any, place: str) -> Iterator[str]:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        # Enumerations are widened to `str`, for values of later versions.
        listed = any(typing.get_origin(one) is typing.Literal for one in inside)
        found = [list(_faults(one, told, place)) for one in inside if not (listed and one is str)]
        yield from min(found, key=len)
    elif origin is typing.Literal:
        if told not in inside:
            yield f"{place} is {told!r}, not one of {inside}"
    elif origin in (list, ListObject):
        yield from _faults_of_list(origin, inside[0], told, place)
    elif origin is None and _is_ours(hint):
        yield from _faults_of_object(hint, told, place)
    elif hint is Decimal:
        yield from _faults(str, told, place)  # as text in JSON
    elif hint in (*_PLAIN, type(None)):
        if type(told) is not hint:
            yield f"{place} is {told!r}, not {hint.__name__}"
    elif not isinstance(told, dict):  # metadata and the like, whose keys are the caller's
        yield f"{place} is {told!r}, not an object"


def _faults_of_list(origin: Any, inner: Any, told: Any, place: str) -> Iterator[str]:
    data = told.get("data") if origin is ListObject and isinstance(told, dict) else told
    if not isinstance(data, list):
        yield f"{place} is {told!r}, not a list"
        return
    for number, one in enumerate(data):
        yield from _faults(inner, one, f"{place}[{number}]")


def _faults_of_object(hint: Any, told: Any, place: str) -> Iterator[str]:
    if not isinstance(told, dict):
        yield f"{place} is {told!r}, not an object"
        return
    fields = _fields(hint)
    yield from (f"{place} has no {name}" for name in told if name not in fields)
    for name, inner in fields.items():
        if name in told:
            yield from _faults(inner, told[name], f"{place}.{name}")
        elif _is_needed(inner):
            yield f"{place} lacks {name}"


def _is_needed(hint: Any) -> bool:
    """Stripe leaves out no text, number or list that cannot be null."""
    return type(None) not in typing.get_args(hint) and typing.get_origin(hint) is not ListObject


def _is_ours(hint: Any) -> bool:
    """Whether it is a class with fields; one without has the caller's."""
    if not inspect.isclass(hint) or StripeObject not in hint.__mro__:
        return False
    known: Any = hint  # mypy takes classes for no keys of a cache
    return bool(_fields(known))


class _Names(UserDict[str, Any]):
    """What a module of the SDK knows, and what it imports for type checkers alone."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        return getattr(stripe, name, Any)  # a few, such as CardResource, have no public name


@cache
def _fields(found: Any) -> dict[str, Any]:
    """The fields of a class, with their types."""
    names = _Names({**vars(typing), **vars(sys.modules[found.__module__])})
    hints = typing_extensions.get_type_hints(found, localns=names)
    return {
        name: hint
        for name, hint in hints.items()
        if name != "OBJECT_NAME" and not name.startswith("_")
    }
