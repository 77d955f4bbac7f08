"""The circuit of a gateway: a time limit, bounded retries, and a pause while it is down.

Every call to a gateway goes through `call`, so none is ever made inside a transaction. A retry is
safe because each request carries its payment's or refund's id as the gateway's idempotency key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from circuitbreaker import CircuitBreaker

from models.db.transactions import in_transaction
from models.gateway import Gateway, GatewayUnreachable

T = TypeVar("T")

TRIES_MAX: Final = 3
#: How long one call may take with its repeats; adapters have shorter limits of their own.
SECONDS_MAX: Final = 25.0
#: The circuit opens after this many calls in a row that found the gateway down …
FAILURES_MAX: Final = 5
#: … and lets calls try again after this.
OPEN_SECONDS: Final = 30

_circuits: dict[str, CircuitBreaker] = {}


def is_down(code: str) -> bool:
    """Whether the gateway with this code is not being asked, because it was down a moment ago."""
    return bool(_circuit(code).opened)


async def call(gateway: Gateway, work: Callable[[], Awaitable[T]]) -> T:
    """What `work`, which asks `gateway`, answers.

    Raises what it raises; GatewayUnreachable where it takes too long, and at once while the circuit
    is open.
    """
    assert not in_transaction(), "no gateway is called inside a transaction"
    circuit = _circuit(gateway.code)
    if circuit.opened:
        raise GatewayUnreachable("it was out of order a moment ago")
    with circuit:
        return await _repeated(work)
    raise AssertionError("unreachable")


async def _repeated(work: Callable[[], Awaitable[T]]) -> T:
    import stamina  # noqa: PLC0415 - only callers of a gateway need it

    attempts = stamina.retry_context(
        on=GatewayUnreachable, attempts=TRIES_MAX, timeout=SECONDS_MAX / 2, wait_initial=0.2
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            async for attempt in attempts:
                with attempt:
                    return await work()
    except TimeoutError:
        raise GatewayUnreachable("it took too long") from None
    raise AssertionError("unreachable")


def _circuit(code: str) -> CircuitBreaker:
    return _circuits.setdefault(
        code, CircuitBreaker(FAILURES_MAX, OPEN_SECONDS, GatewayUnreachable, name=code)
    )
