"""What schema tools of the JavaScript world say of the exported schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.clients.builds import lint_schema

if TYPE_CHECKING:
    from pathlib import Path


def test_the_recommended_and_the_relay_rules_of_graphql_eslint_find_nothing(tmp_path: Path) -> None:
    assert lint_schema(tmp_path) == ""
