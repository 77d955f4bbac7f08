"""What tests of people have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from models.access import password
from models.db import sql
from tests.support.identities import CHEAP_HASHER

if TYPE_CHECKING:
    from models.provider.provider import Provider


@pytest.fixture
async def people(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Hashes that cost next to nothing, and nobody who has signed in, tried or been written to."""
    for table in ("mail", "one_use_token", "session", "attempt"):
        await sql.execute(f"DELETE FROM {table}")
    monkeypatch.setattr(password, "hasher", CHEAP_HASHER)
    return provider
