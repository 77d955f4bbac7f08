"""Commands within this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from api.settings.settings import Settings
from models.access import password
from tests.support.identities import CHEAP_HASHER

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def quiet_commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands within this process log nothing, and hash at no cost."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("api.observe.logs.configure", lambda _settings: None)
    monkeypatch.setattr(password, "hasher", CHEAP_HASHER)
    with capture_logs():
        yield
