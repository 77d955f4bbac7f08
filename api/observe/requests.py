"""What is logged and counted of each request, and of each operation in it.

A request over HTTP has one line, which names its operation; over a websocket, each operation has a
line of its own.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import structlog

from api.observe.logs import tell, without_tokens

if TYPE_CHECKING:
    from contextvars import Token

    from api.observe.metrics import Metrics

#: What the line of the request under way will say of its operation; None where none is under way.
_operation: Final[ContextVar[dict[str, Any] | None]] = ContextVar("operation", default=None)

log = structlog.get_logger("api.access")


class Observer:
    """Tells one application's metrics, and the log."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def operation(self, kind: str, name: str, seconds: float, ok: bool) -> None:  # noqa: FBT001 - the guard's hook
        """An operation is over. Its name is the client's own words, and so no label of a metric."""
        self.metrics.operation(kind, seconds, ok=ok)
        line = _operation.get()
        if line is None:
            log.info(
                "graphql_operation", kind=kind, operation=name, ok=ok, seconds=round(seconds, 6)
            )
        else:
            line.update(kind=kind, operation=without_tokens(name), ok=ok)

    def request(
        self,
        route: str,
        *,
        method: str,
        path: str,
        status: int,
        seconds: float,
        client: str,
        request_id: str,
    ) -> None:
        """A request has been answered; `route` is the pattern that its path matched."""
        self.metrics.request(route, method, status, seconds)
        tell(
            "request",
            method=method,
            path=without_tokens(path),
            status=status,
            seconds=round(seconds, 6),
            client=without_tokens(client),
            request_id=without_tokens(request_id),
            **(_operation.get() or {}),
        )


def begun() -> Token[dict[str, Any] | None]:
    """A request begins: an operation of this task is named in its log line, until `over`."""
    return _operation.set({})


def over(request: Token[dict[str, Any] | None]) -> None:
    """The request that has `begun` is over."""
    _operation.reset(request)
