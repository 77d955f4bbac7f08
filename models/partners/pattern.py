"""Event patterns: which events an endpoint is told of, and which scope each kind needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from models.errors import Invalid
from models.journal.outbox import FactKind

ALL: Final = "*"
PATTERNS_MAX: Final = 50

_KINDS: Final = frozenset(kind.value for kind in FactKind)
_NOUNS: Final = frozenset(kind.partition(".")[0] for kind in _KINDS)


def checked_patterns(patterns: Sequence[str]) -> list[str]:
    """Patterns as they are kept, each once: `invoice.*`, `credit.changed`, `*`.

    Raises Invalid at `events` for none or too many, and at its number for what matches nothing.
    """
    if not patterns:
        raise Invalid("events", problem="none")
    if len(patterns) > PATTERNS_MAX:
        raise Invalid("events", problem="too_many_patterns")
    for number, pattern in enumerate(patterns):
        noun, _, verb = pattern.partition(".")
        is_family = verb == ALL and noun in _NOUNS
        if not (pattern == ALL or is_family or pattern in _KINDS):
            raise Invalid("events", str(number), problem="event_pattern")
    return list(dict.fromkeys(patterns))


def matches(kind: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is of this kind."""
    return any(
        pattern in {ALL, kind} or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))
        for pattern in patterns
    )


#: What an actor must be able to read to hear of an event, by its noun.
_SCOPES: Final = {
    "account": "accounts:read",
    "credit": "credit:read",
    "grant": "credit:read",
    "hold": "credit:read",
    "invoice": "invoices:read",
    "payment": "invoices:read",
    "voucher": "credit:read",
}


def scope_of(kind: str) -> str:
    """The scope that an event of this kind needs."""
    return _SCOPES[kind.partition(".")[0]]
