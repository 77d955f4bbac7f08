"""Variables and arguments are read as graphql-core and Strawberry read them, whatever was sent."""

from __future__ import annotations

from typing import Any, Final

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    OperationDefinitionNode,
    parse,
)
from graphql.execution.values import VariableValues, get_variable_values
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema import make_schema
from schema.engine.arguments import Converter
from schema.engine.reading import DEFINITION
from schema.engine.variables import Variables
from tests.support.fake_values import SENT

pytestmark = pytest.mark.once

SCHEMA: Final = make_schema()
CORE: Final = SCHEMA.core
JUNK: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [None, 0, -1, 2**40, 1.5, "", "x", "\ud800", True, [], [[]], ["x"], {}, {"x": 1}, {"": None}]
)


def arguments() -> list[tuple[GraphQLField, str, GraphQLArgument]]:
    """Of all root fields, those that are no plain scalars."""
    roots = (CORE.query_type, CORE.mutation_type, CORE.subscription_type)
    return [
        (field, name, argument)
        for root in roots
        if root is not None
        for field in root.fields.values()
        for name, argument in field.args.items()
    ]


def values(type_: GraphQLInputType, junk: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What may be sent as a value of that type; with `junk` here and there."""
    if isinstance(type_, GraphQLNonNull):
        return values(type_.of_type, junk)
    good: st.SearchStrategy[Any]
    if isinstance(type_, GraphQLList):
        good = st.lists(values(type_.of_type, junk), max_size=2)
    elif isinstance(type_, GraphQLInputObjectType):
        fields = {name: values(one.type, junk) for name, one in type_.fields.items()}
        needed = {
            name: made
            for name, made in fields.items()
            if isinstance(type_.fields[name].type, GraphQLNonNull)
        }
        others = {name: made for name, made in fields.items() if name not in needed}
        good = st.fixed_dictionaries(needed, optional=others)
    elif isinstance(type_, GraphQLEnumType):
        good = st.sampled_from(list(type_.values))
    else:
        good = st.just(SENT[type_.name])
    return st.one_of(good, good, good, good, junk)


def sent(*, junk: bool) -> st.SearchStrategy[tuple[GraphQLField, str, GraphQLArgument, Any]]:
    bad = JUNK if junk else st.nothing()

    def one(
        what: tuple[GraphQLField, str, GraphQLArgument],
    ) -> st.SearchStrategy[tuple[GraphQLField, str, GraphQLArgument, Any]]:
        field, name, argument = what
        made = values(argument.type, bad)
        return made.map(lambda value: (field, name, argument, value))

    return st.sampled_from(arguments()).flatmap(one)


def operation(type_: GraphQLInputType, default: str = "") -> OperationDefinitionNode:
    document = parse(f"query ($v: {type_}{default}) {{ __typename }}")
    found = document.definitions[0]
    assert isinstance(found, OperationDefinitionNode)
    return found


def told(found: VariableValues | list[Any]) -> object:
    if isinstance(found, list):
        return [str(error) for error in found]
    sources = {name: (one.signature.name, one.value) for name, one in found.sources.items()}
    return found.coerced, sources


@settings(max_examples=400, deadline=None)
@given(sent(junk=True), st.sampled_from(["v", "w"]))
def test_variables_are_read_as_graphql_core_reads_them(asked: Any, name: str) -> None:
    *_, argument, value = asked
    asks = operation(argument.type)
    variables = {name: value}
    expected = get_variable_values(CORE, asks.variable_definitions or (), variables, max_errors=50)
    assert told(Variables(CORE, asks).read(variables)) == told(expected)


@pytest.mark.parametrize("given", [{}, {"v": None}, {"v": 7}, {"v": "x"}])
def test_a_default_of_a_document_holds(given: dict[str, Any]) -> None:
    asks = operation(CORE.type_map["Int"], " = 3")  # type: ignore[arg-type]
    expected = get_variable_values(CORE, asks.variable_definitions or (), given, max_errors=50)
    assert told(Variables(CORE, asks).read(given)) == told(expected)


@settings(max_examples=300, deadline=None)
@given(sent(junk=False))
def test_inputs_become_the_objects_that_strawberry_makes_of_them(asked: Any) -> None:
    field, name, argument, value = asked
    read = Variables(CORE, operation(argument.type)).read({"v": value})
    if isinstance(read, list):
        return  # what was sent is refused before
    definition = field.extensions[DEFINITION]
    assert isinstance(definition, StrawberryField)
    given = {name: read.coerced["v"]}
    expected = convert_arguments(
        given, definition.arguments, SCHEMA.schema_converter.scalar_registry, SCHEMA.config
    )
    found = Converter(SCHEMA, definition).keywords(given, None)
    assert found == expected
    assert [type(one) for one in found.values()] == [type(one) for one in expected.values()]
