"""`account-credit …` that kills itself, as a power cut would, at a point that is named first.

python -m tests.support.server.killed after-the-gateway serve --demo
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

from api.cli import main
from api.gateways.sandbox import charges
from models.bank import import_statement
from models.journal import command, lane
from models.payments import inbox, start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def die(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def die_after(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def done(*args: Any, **named: Any) -> Any:
        await work(*args, **named)
        die()

    return done


Place = tuple[object, str, "Callable[..., Any]"]

#: Commands are done together, or each by itself.
POINTS: dict[str, list[Place]] = {
    "before the gateway": [(charges, "open_charge", die)],
    "after the gateway": [(start, "perform", die)],
    "before the commit": [
        (lane, "work_together", die_after(lane.work_together)),
        (command, "_work", die_after(command._work)),
    ],
    "after the commit": [(command, "_answered", die_after(command._answered))],
    "in a statement": [(import_statement, "perform", die_after(command.perform))],
    "before the receipt": [(inbox, "_store", die)],
    "after the receipt": [(inbox, "process", die)],
}

if __name__ == "__main__":
    with ExitStack() as stack:
        for place, name, death in POINTS[sys.argv.pop(1)]:
            stack.enter_context(patch.object(place, name, death))
        main.main()
