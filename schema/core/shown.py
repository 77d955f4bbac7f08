"""Types that show a record: of it is read what an operation asks for, when it asks.

A page of invoices has hundreds of amounts and dates, and most operations ask for a few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from strawberry.types import get_object_definition

_texts: Final[dict[tuple[type, str], Callable[[Any], str]]] = {}


def shows(cls: type, *holds: str, **readings: Callable[[Any], object]) -> None:
    """Have the plain fields of a Strawberry type read from what its objects hold, the record first:
    by their `readings`, which are given the object, else as the record's attribute of that name.
    Its objects are made without `__init__`, and given what they hold.
    """
    definition = get_object_definition(cls, strict=True)
    plain = {field.python_name for field in definition.fields if field.is_basic_field}
    assert readings.keys() <= plain - {*holds}, "a reading is of a plain field"
    for name in plain - {*holds}:
        read = readings.get(name) or attrgetter(f"{holds[0]}.{name}")
        setattr(cls, name, property(read))


def writes(cls: type, **texts: Callable[[Any], str]) -> None:
    """Have fields of a Strawberry type written by these, which are given the object, where their
    values are only there to be written: a shorter way to the text that their scalar gives.
    """
    _texts.update({(cls, name): write for name, write in texts.items()})


def text_of(cls: type, name: str) -> Callable[[Any], str] | None:
    """What `writes` a field of a type; None where its scalar does."""
    return _texts.get((cls, name))


def at_hand(name: str) -> str:
    """The attribute that has a list which a resolver would find, where something else has found it
    already; None where not.
    """
    return f"{name}_at_hand"
