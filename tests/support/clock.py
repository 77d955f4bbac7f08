"""The one clock, set by tests: the fixture `at`."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from models import clock

if TYPE_CHECKING:
    import pytest


class At:
    """Sets the clock, until the test is over or the block that it is given."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, moment: datetime | timedelta) -> ExitStack:
        """It is that moment, and the clock stands; or so much later than it is, and it goes."""

        def read() -> datetime:
            return datetime.now(UTC) + moment if isinstance(moment, timedelta) else moment

        block = ExitStack()
        block.callback(self._patch.setattr, clock, "_read", clock._read)
        self._patch.setattr(clock, "_read", read)
        return block
