"""Steps that follow one by one: what fails for one is left to the next time, and stops no other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models.journal.command import Step, perform


async def perform_each(steps: Iterable[Step[Any, Any]]) -> int:
    """Do all of them, each by itself; how many. Raises what failed first when all have been tried,
    so that the worker tells of it and waits before the next time.
    """
    count = 0
    failed: Exception | None = None
    for step in steps:
        count += 1
        try:
            await perform(step)
        except Exception as problem:  # noqa: BLE001 - raised below
            failed = failed or problem
    if failed is not None:
        raise failed
    return count
