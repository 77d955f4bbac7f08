"""What an idempotency key does when its answer is kept no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.journal import idempotency

pytestmark = pytest.mark.once

MODELS = Path(__file__).parents[3] / "models"


def test_of_every_mutation_it_is_said() -> None:
    said = set(re.findall(r"\b[a-z]+[A-Z]\w+", idempotency.__doc__ or ""))
    assert "payInvoice" in said
    for path in MODELS.rglob("*.py"):
        named = re.findall(r'mutation: ClassVar\[str\] = "(\w+)"', path.read_text(encoding="utf-8"))
        assert set(named) <= said, path
