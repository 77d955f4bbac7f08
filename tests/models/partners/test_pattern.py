"""Event patterns: what they mean, and which scope an event needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from models.access.identity import SCOPES
from models.journal.outbox import FactKind
from models.partners.pattern import checked_patterns, matches, scopes_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_patterns_are_kept_once() -> None:
    assert checked_patterns(["invoice.*", "*", "invoice.*"]) == ["invoice.*", "*"]


@pytest.mark.parametrize(
    ("patterns", "kind", "told"),
    [
        (["*"], "invoice.paid", True),
        (["invoice.*"], "invoice.paid", True),
        (["invoice.*"], "invoices.paid", False),
        (["invoice.paid"], "invoice.paid", True),
        (["invoice.paid"], "invoice.paid_late", False),
        (["credit.*", "invoice.paid"], "invoice.issued", False),
    ],
)
def test_a_pattern_is_a_type_a_group_or_all(
    patterns: Sequence[str], kind: str, *, told: bool
) -> None:
    assert matches(kind, patterns) is told


@pytest.mark.parametrize("kind", FactKind)
def test_every_event_needs_a_scope(kind: FactKind) -> None:
    assert set() < set(scopes_of(kind.value)) <= set(SCOPES)
    assert checked_patterns([kind.value]) == [kind.value]
