"""The variables of an operation, read without working out anew what each may be.

What is not as its type says is left to graphql-core, which tells what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
    is_non_null_type,
    is_required_input_field,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.utilities.coerce_input_value import coerce_default_value

from schema.engine.reading import Irregular

_ERRORS_MAX: Final = 50
_NONE: Final = VariableValues({}, {})

#: Reads a value of one type. Raises Irregular, or anything else, where it is none.
_Read: TypeAlias = Callable[[Any], Any]


class Variables:
    """Of one operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        signatures = [get_variable_signature(schema, one) for one in self._definitions]
        self._known = [
            (one, _reader(one.type, ()))
            for one in signatures
            if isinstance(one, GraphQLVariableSignature)
        ]
        self._is_known = len(self._known) == len(signatures)

    def read(self, given: dict[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values of what was given, or what is wrong with it."""
        if not self._definitions:
            return _NONE
        if self._is_known:
            try:
                return self._values(given)
            except Exception:  # noqa: BLE001, S110 - graphql-core meets it again, and tells of it
                pass
        return get_variable_values(self._schema, self._definitions, given, max_errors=_ERRORS_MAX)

    def _values(self, given: dict[str, Any]) -> VariableValues:
        sources, coerced = {}, {}
        for signature, read in self._known:
            name = signature.name
            value = given.get(name, Undefined)
            if value is not Undefined:
                coerced[name] = read(value)
            elif signature.default is not None or is_non_null_type(signature.type):
                raise Irregular
            sources[name] = VariableValueSource(signature, value)
        return VariableValues(sources, coerced)


def _reader(type_: GraphQLInputType, within: tuple[GraphQLInputType, ...]) -> _Read:
    if isinstance(type_, GraphQLNonNull):
        return _not_null(_reader(type_.of_type, within))
    return _or_null(_reader_of_values(type_, within))


def _not_null(read: _Read) -> _Read:
    def not_null(value: Any) -> Any:  # noqa: ANN401 - any value
        if value is None:
            raise Irregular
        return read(value)

    return not_null


def _or_null(read: _Read) -> _Read:
    return lambda value: None if value is None else read(value)


def _reader_of_values(type_: GraphQLInputType, within: tuple[GraphQLInputType, ...]) -> _Read:
    if isinstance(type_, GraphQLList):
        return _list(_reader(type_.of_type, within))
    if isinstance(type_, GraphQLInputObjectType):
        # How deep an input of its own kind goes, graphql-core bounds.
        return _irregular if type_.is_one_of or type_ in within else _object(type_, within)
    assert isinstance(type_, GraphQLScalarType | GraphQLEnumType)
    return _leaf(type_)


def _irregular(_value: object) -> None:
    raise Irregular


def _list(read: _Read) -> _Read:
    def items(value: Any) -> list[Any]:  # noqa: ANN401 - as above
        if type(value) is not list:
            raise Irregular
        return [read(item) for item in value]

    return items


class _Field(NamedTuple):
    name: str
    out_name: str
    read: _Read
    is_required: bool
    default: Any


def _object(type_: GraphQLInputObjectType, within: tuple[GraphQLInputType, ...]) -> _Read:
    fields = [_field(name, one, (*within, type_)) for name, one in type_.fields.items()]
    made_of = type_.out_type

    def members(value: Any) -> Any:  # noqa: ANN401 - as above
        if type(value) is not dict:
            raise Irregular
        found, known = {}, 0
        for name, out_name, read, is_required, default in fields:
            member = value.get(name, Undefined)
            if member is not Undefined:
                known += 1
                found[out_name] = read(member)
            elif is_required:
                raise Irregular
            elif default is not Undefined:
                found[out_name] = default
        if known < len(value):
            raise Irregular
        return made_of(found)

    return members


def _field(name: str, field: GraphQLInputField, within: tuple[GraphQLInputType, ...]) -> _Field:
    return _Field(
        name,
        field.out_name or name,
        _reader(field.type, within),
        is_required_input_field(field),
        coerce_default_value(field),
    )


def _leaf(type_: GraphQLLeafType) -> _Read:
    read = type_.coerce_input_value
    if type_ in {GraphQLString, GraphQLID}:
        return lambda value: value if type(value) is str else read(value)
    return read
