"""Requests a second, and what a request costs the server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from tests.bench import operations, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.program import Server

CONNECTIONS: Final = 32
_WARM_SECONDS: Final = 1.0
#: More payments a second than any server here will make.
_PAYMENTS_PER_SECOND_MAX: Final = 1000

_OPERATIONS: Final = (
    ("balance", operations.balance, True),
    ("20 invoices x 3 lines", operations.invoices, True),
    ("payInvoice with credit", operations.pay_invoice, False),
)


def seeded(database_url: str, seconds: float) -> dict[str, Any]:
    """Fill a database with enough to pay for that long."""
    payments = int((seconds + _WARM_SECONDS) * _PAYMENTS_PER_SECOND_MAX)
    filled: dict[str, Any] = program.run(
        "tests.bench.seed", str(payments), env=program.environment(database_url)
    )
    return filled


def measured(server: Server, filled: dict[str, Any], seconds: float) -> Iterator[str]:
    """A line an operation."""
    for name, requests, repeat in _OPERATIONS:
        found = _load(server, requests(filled), seconds, repeat=repeat)
        yield f"{name:24}{_told(found)}"
        if found["failed"]:
            yield f"  {found['failed']} failed, such as: {found['failures'][0]}"


def _load(server: Server, requests: list[bytes], seconds: float, *, repeat: bool) -> dict[str, Any]:
    asked = {
        "port": server.port,
        "pid": server.pid,
        "requests": [request.decode() for request in requests],
        "repeat": repeat,
        "connections": CONNECTIONS,
        "warm_seconds": _WARM_SECONDS,
        "seconds": seconds,
    }
    found: dict[str, Any] = program.run("tests.bench.load", env=dict(os.environ), stdin=asked)
    return found


def _told(found: dict[str, Any]) -> str:
    answers = max(found["answers"], 1)
    return (
        f"{found['answers'] / found['seconds']:8.0f} requests/s"
        f"{found['cpu_seconds'] / answers * 1e6:9.0f} us CPU"
        f"{found['p50'] * 1e3:8.1f} ms p50{found['p99'] * 1e3:8.1f} ms p99"
    )
