"""Event patterns: which events an endpoint is told of, and which scope each kind needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from models.errors import Invalid
from models.journal import feed

ALL: Final = "*"
PATTERNS_MAX: Final = feed.PATTERNS_MAX


def checked_patterns(patterns: Sequence[str]) -> list[str]:
    """Patterns as they are kept, each once: `invoice.*`, `credit.changed`, `*`.

    Raises Invalid at `events` for none or too many, and at its number for what matches nothing.
    """
    if not patterns:
        raise Invalid("events", problem="none")
    feed.kinds_of(patterns, "events")
    return list(dict.fromkeys(patterns))


def matches(kind: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is of this kind, which there need not have been before."""
    return any(
        pattern in {ALL, kind} or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))
        for pattern in patterns
    )


def scopes_of(kind: str) -> tuple[str, ...]:
    """The scopes of which an event of this kind needs one."""
    return feed.SCOPES_OF[kind.partition(".")[0]]
