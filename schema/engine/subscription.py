"""Subscriptions: opened behind the guard, and executed event by event.

What stays here of an open one is what its events are executed with: the document and its plan,
which those who sent the same text share, its operation and its variables.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any, cast

from graphql import ExecutionResult
from graphql.execution import create_source_event_stream, map_source_to_response_event

from schema.core.watch import Source
from schema.engine.guard import (
    STREAMED,
    OperationRefused,
    OperationReport,
    OperationRequest,
    Schema,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from schema.engine.execution import Executor

Variables = dict[str, Any]


class PreparedSubscription:
    """An open subscription."""

    __slots__ = ("_prepared", "_report", "_schema", "_variables")

    def __init__(self, schema: Schema, request: OperationRequest) -> None:
        """Parses, measures and validates it; `close` it in the end. Raises OperationRefused."""
        self._schema = schema
        self._variables = request.variables
        self._report = OperationReport(schema.guard)
        try:
            self._prepared = schema.admitted(request, self._report, STREAMED)
        except BaseException:
            self._report.tell()
            raise

    @property
    def identity(self) -> tuple[int, int, Variables]:
        """What distinguishes it from others. The first two identify the document and its operation
        for as long as they are kept.
        """
        return id(self._prepared.document), id(self._report.operation), self._variables

    async def source(self, context: object) -> Source | AsyncGenerator[ExecutionResult, None]:
        """What its resolver returns if that is a Source of ours; otherwise the responses to its
        events. Raises OperationRefused.
        """
        executor = self._executor(context)
        source: Any = create_source_event_stream(executor)
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            raise OperationRefused(source.errors or [])
        if isinstance(source, Source):
            return source
        responses: Any = map_source_to_response_event(executor, source)
        return cast("AsyncGenerator[ExecutionResult, None]", responses)

    async def execute(self, event: object, context: object) -> ExecutionResult:
        """The response to one event."""
        return await self._executor(context).build_per_event_executor(event).answer()

    def _executor(self, context: object) -> Executor:
        request = OperationRequest("", self._variables, context, None)
        return self._schema.executor(request, self._prepared, self._report.admitted)

    def close(self, *, ok: bool = True) -> None:
        """It is over: it is logged and counted."""
        self._report.ok = ok
        self._report.tell()
