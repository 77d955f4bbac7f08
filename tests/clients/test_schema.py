"""What schema tools of the JavaScript world say of the exported schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.browser.client_builds import CLIENTS, built, lint_schema

if TYPE_CHECKING:
    from pathlib import Path


def test_the_recommended_and_the_relay_rules_of_graphql_eslint_find_nothing(tmp_path: Path) -> None:
    assert lint_schema(tmp_path) == ""


@pytest.mark.parametrize("client", CLIENTS)
def test_documents_are_typed_with_strict_scalars_and_persisted(client: str) -> None:
    folder = built(client)
    assert (folder / "dist" / "index.html").exists()
    documents = json.loads((folder / CLIENTS[client]).read_text(encoding="utf-8"))
    mark = "" if client == "react-relay" else "sha256:"
    assert len(documents) >= 7
    assert all(identifier.startswith(mark) for identifier in documents)
