"""Arguments of fields: constants are worked out once, variables are put in.

What is neither one nor the other, or cannot be taken as it is, goes graphql-core's own way, errors
included.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.values import get_argument_values
from strawberry.types.arguments import StrawberryArgument, convert_argument

if TYPE_CHECKING:
    from strawberry import Info, Schema
    from strawberry.types.field import StrawberryField

    from schema.engine.running import Running


class _Variable(NamedTuple):
    """An argument whose value is a variable."""

    argument: str
    variable: str
    #: Null is refused.
    is_required: bool
    #: Without a value for its variable it is left out.
    may_be_left_out: bool


class Arguments:
    """Of one field, in one place of a document."""

    def __init__(self, definition: GraphQLField, node: FieldNode) -> None:
        self._definition = definition
        self._node = node
        given = {one.name.value: one.value for one in node.arguments or ()}
        variables = {name: value for name, value in given.items() if _has_variable(value)}
        self._variables = [
            _variable(name, definition.args[name], value)
            for name, value in variables.items()
            if isinstance(value, VariableNode)
        ]
        others = {name: one for name, one in definition.args.items() if name not in variables}
        self._constants = _constants(others, node)
        self._is_known = self._constants is not None and len(self._variables) == len(variables)

    def given(self, running: Running) -> dict[str, Any]:
        """The values that have been given, by the names that the schema has for them. Raises
        GraphQLError.
        """
        if not self._is_known:
            return self._as_graphql_core(running)
        assert self._constants is not None
        values, coerced = self._constants.copy(), running.variables
        for argument, variable, is_required, may_be_left_out in self._variables:
            value = coerced.get(variable, Undefined)
            if value is Undefined and may_be_left_out:
                continue
            if value is Undefined or (value is None and is_required):
                return self._as_graphql_core(running)
            values[argument] = value
        return values

    def _as_graphql_core(self, running: Running) -> dict[str, Any]:
        asks = running.executor
        return get_argument_values(
            self._definition, self._node, asks.variable_values, None, asks.hide_suggestions
        )


class Converter:
    """Makes of arguments what a Strawberry resolver takes: keywords, inputs as objects."""

    def __init__(self, schema: Schema, definition: GraphQLField, field: StrawberryField) -> None:
        self._schema = schema
        names = schema.config.name_converter
        self._arguments = {
            name: (argument.python_name, None if _is_taken_as_it_is(definition, name) else argument)
            for argument in field.arguments
            for name in [names.from_argument(argument)]
        }

    def keywords(self, given: dict[str, Any], info: Info[Any, Any] | None) -> dict[str, Any]:
        """The resolver's arguments."""
        keywords = {}
        for name, value in given.items():
            python_name, argument = self._arguments[name]
            keywords[python_name] = (
                value if argument is None else self._converted(name, value, argument, info)
            )
        return keywords

    def _converted(
        self, name: str, value: object, argument: StrawberryArgument, info: Info[Any, Any] | None
    ) -> object:
        return convert_argument(
            value,
            argument.type,
            self._schema.schema_converter.scalar_registry,
            self._schema.config,
            info,
            path=(name,),
        )


def _variable(name: str, argument: GraphQLArgument, value: VariableNode) -> _Variable:
    is_required = is_non_null_type(argument.type)
    has_default = argument.default is not None or argument.default_value is not Undefined
    return _Variable(name, value.name.value, is_required, not is_required and not has_default)


def _constants(arguments: dict[str, GraphQLArgument], node: FieldNode) -> dict[str, Any] | None:
    """The values that are always the same; None where one of them is an error each time."""
    try:
        return get_argument_values(SimpleNamespace(args=arguments), node)  # type: ignore[arg-type]
    except GraphQLError:
        return None


def _has_variable(value: ValueNode) -> bool:
    return any(isinstance(one, VariableNode) for one in _all_of(value))


def _all_of(value: ValueNode) -> Iterator[ValueNode]:
    yield value
    if isinstance(value, ListValueNode):
        for one in value.values:
            yield from _all_of(one)
    elif isinstance(value, ObjectValueNode):
        for member in value.fields:
            yield from _all_of(member.value)


def _is_taken_as_it_is(definition: GraphQLField, name: str) -> bool:
    """Whether Strawberry hands the value on as graphql-core has read it."""
    return is_leaf_type(get_nullable_type(definition.args[name].type))
