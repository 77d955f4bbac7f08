"""`account-credit …` that kills itself, as a power cut would, at a point that is named first.

python -m tests.hostile.dying after-the-gateway serve --demo
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

from api.cli import main
from models.bank import take_in
from models.db import transactions
from models.edge import sandbox_charge
from models.journal import idempotency
from models.payments import calls, inbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def die(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


async def die_in_the_transaction(work: Callable[[], Awaitable[Any]]) -> Any:
    async def to_the_end() -> None:
        await work()
        die()

    return await transactions.transaction(to_the_end)


async def die_after_the_transaction(work: Callable[[], Awaitable[Any]]) -> Any:
    await transactions.transaction(work)
    die()


POINTS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "before the gateway": (sandbox_charge, "open_charge", die),
    "after the gateway": (calls, "_started", die),
    "before the commit": (idempotency, "transaction", die_in_the_transaction),
    "after the commit": (idempotency, "transaction", die_after_the_transaction),
    "in a statement": (take_in, "transaction", die_after_the_transaction),
    "before the receipt": (inbox, "_store", die),
    "after the receipt": (inbox, "process", die),
}

if __name__ == "__main__":
    place, name, death = POINTS[sys.argv.pop(1)]
    with patch.object(place, name, death):
        main.main()
