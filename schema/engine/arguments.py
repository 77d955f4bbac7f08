"""Arguments of fields: constants are worked out once, variables are put in.

What is neither one nor the other, or cannot be taken as it is, goes graphql-core's own way, errors
included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

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
    is_non_null_type,
)
from graphql.execution.values import get_argument_values
from strawberry import UNSET
from strawberry.relay.types import GlobalID
from strawberry.scalars import is_scalar
from strawberry.types.arguments import convert_argument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryOptional,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition

if TYPE_CHECKING:
    from strawberry import Info, Schema
    from strawberry.types.base import StrawberryObjectDefinition, StrawberryType
    from strawberry.types.field import StrawberryField

    from schema.engine.running import Running

_Path: TypeAlias = tuple[str | int, ...]
#: Makes of a value, in a call with that info and at that path of the arguments, a resolver's.
_Convert: TypeAlias = Callable[[Any, "Info[Any, Any] | None", _Path], Any]


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
    """Makes of arguments what a Strawberry resolver takes: keywords, inputs as objects.

    As Strawberry's `convert_argument`, which works out anew for each value what its type is made
    of, and is called for the types that are unlike ours.
    """

    def __init__(self, schema: Schema, field: StrawberryField) -> None:
        self._schema = schema
        self._scalars = schema.schema_converter.scalar_registry
        self._name_of = schema.config.name_converter
        self._arguments = {
            self._name_of.from_argument(argument): (
                argument.python_name,
                self._converting(argument.type),
            )
            for argument in field.arguments
        }

    def keywords(self, given: dict[str, Any], info: Info[Any, Any] | None) -> dict[str, Any]:
        """The resolver's arguments."""
        keywords = {}
        for name, value in given.items():
            python_name, convert = self._arguments[name]
            keywords[python_name] = convert(value, info, (name,))
        return keywords

    def _converting(self, type_: StrawberryType | type) -> _Convert:
        """What makes values of that type, and None of null."""
        if isinstance(type_, StrawberryOptional) and not isinstance(type_, StrawberryMaybe):
            return self._converting(type_.of_type)
        if isinstance(type_, StrawberryEnumDefinition) or has_enum_definition(type_):
            return _as_it_is
        if isinstance(type_, StrawberryList):
            return _each(self._converting(type_.of_type))
        if is_scalar(type_, self._scalars) and type_ is not GlobalID:
            return _as_it_is
        if has_object_definition(type_) and type_.__strawberry_definition__.from_input is None:
            return self._input(type_, type_.__strawberry_definition__)
        return partial(self._by_strawberry, type_)

    def _input(self, cls: type, definition: StrawberryObjectDefinition) -> _Convert:
        fields: list[tuple[str, str, _Convert]] | None = None
        nulls = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        }

        def made(value: Any, info: Info[Any, Any] | None, path: _Path) -> Any:  # noqa: ANN401
            nonlocal fields
            if value is None or value is UNSET:
                return value
            if fields is None:  # not before: an input may be made of its own kind
                fields = [self._field(field, definition) for field in definition.fields]
            keywords: dict[str, Any] = nulls.copy()
            for name, python_name, convert in fields:
                if name in value:
                    keywords[python_name] = convert(value[name], info, (*path, name))
            return cls(**keywords)

        return made

    def _field(
        self, field: StrawberryField, definition: StrawberryObjectDefinition
    ) -> tuple[str, str, _Convert]:
        convert = self._converting(field.resolve_type(type_definition=definition))
        return self._name_of.from_field(field), field.python_name, convert

    def _by_strawberry(
        self, type_: StrawberryType | type, value: object, info: Info[Any, Any] | None, path: _Path
    ) -> object:
        return convert_argument(value, type_, self._scalars, self._schema.config, info, path=path)


def _as_it_is(value: object, _info: Info[Any, Any] | None, _path: _Path) -> object:
    return value


def _each(convert: _Convert) -> _Convert:
    def converted(value: Any, info: Info[Any, Any] | None, path: _Path) -> Any:  # noqa: ANN401
        if value is None or value is UNSET:
            return value
        # A copy in any case: a default is the same list each time.
        return [convert(one, info, (*path, index)) for index, one in enumerate(value)]

    return converted


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
