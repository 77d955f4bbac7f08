"""The one clock, set by tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def set_clock(patch: pytest.MonkeyPatch, moment: datetime | timedelta) -> None:
    """It is that moment, and the clock stands; or so much later than it is, and the clock goes."""

    def read() -> datetime:
        return datetime.now(UTC) + moment if isinstance(moment, timedelta) else moment

    patch.setattr("models.clock._read", read)
