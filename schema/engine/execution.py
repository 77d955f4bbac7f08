"""Execution of one operation: by its plan, or by graphql-core where there is none.

graphql-core counts with the same bounds as a plan does.
"""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from math import inf
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    OperationType,
)
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental

from schema.engine.bounds import Bounds, Exhausted
from schema.engine.running import Running

if TYPE_CHECKING:
    from schema.engine.plan import Plans

#: Objects of the introspection count as so many: no other limit bounds them.
_SCHEMA_OBJECT: Final = 5

# graphql-core's own types of these are private. `_Details`: the nodes that ask for one field.
_Details: TypeAlias = Any
_Fields: TypeAlias = dict[str, _Details]
_Path: TypeAlias = Any
_Position: TypeAlias = Any


class Executor(ExecutorThrowingOnIncremental):
    """Executes one operation; see the module."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - graphql-core's
        plans: Plans,
        objects_max: int,
        seconds_max: float,
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> None:
        super().__init__(*args, **kwargs)
        self.plans = plans
        # No mutation is stopped by the clock.
        mutates = self.operation.operation is OperationType.MUTATION
        self.bounds = Bounds(objects_max, inf if mutates else seconds_max)

    def build_per_event_executor(self, payload: Any) -> Self:  # noqa: ANN401 - graphql-core's
        """Each event has bounds of its own."""
        executor: Self = super().build_per_event_executor(payload)  # type: ignore[assignment]
        executor.bounds = self.bounds.again()
        return executor

    async def answer(self) -> ExecutionResult:
        """Execute the operation."""
        result = self.execute_operation()
        return await result if isawaitable(result) else result

    def execute_operation(
        self,
        serially: bool | None = None,  # noqa: FBT001 - graphql-core's
    ) -> Awaitable[ExecutionResult] | ExecutionResult:
        """By its plan, where it has one."""
        plan = self.plans.of(self)
        if plan is not None:
            return Running(self).answer(plan)
        return super().execute_operation(serially)  # type: ignore[return-value]

    def build_resolve_info(
        self,
        field_def: GraphQLField,
        field_nodes: list[FieldNode],
        parent_type: GraphQLObjectType,
        path: _Path,
    ) -> GraphQLResolveInfo[Any]:
        """A resolver's `info`, with variables as a plain dictionary, as Strawberry has it."""
        return GraphQLResolveInfo(
            field_nodes[0].name.value,
            field_nodes,
            field_def.type,
            parent_type,
            path,
            self.schema,
            self.fragment_definitions,
            self.root_value,
            self.operation,
            self.variable_values.coerced,  # type: ignore[arg-type]
            self.context_value,
            self.is_awaitable,
            self.abort_signal,
            self.async_helpers,
        )

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: GraphQLOutputType,
        field_details_list: _Details,
        path: _Path,
    ) -> None:
        """A field that fails is null, and the others go on; unless the operation is at its end."""
        if isinstance(raw_error, Exhausted):
            raise raw_error
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,  # noqa: ANN401 - what a resolver has returned
        path: _Path,
        grouped_field_set: _Fields,
        position_context: _Position,
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """An object's fields."""
        self.bounds.count(_SCHEMA_OBJECT if parent_type.name.startswith("__") else 1)
        return super().execute_fields(
            parent_type, source_value, path, grouped_field_set, position_context
        )
