"""How a field's value is had: an attribute, or a resolver that is called without detours."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from strawberry.types.field import StrawberryField

from schema.engine.arguments import Arguments, Converter
from schema.engine.reading import DEFINITION
from schema.engine.running import Place, Running

if TYPE_CHECKING:
    from strawberry import Schema

    from schema.engine.plan import Step

#: Finds a field's value in its parent, at that place.
Resolve: TypeAlias = Callable[[Running, Any, Place], Any]


def resolving(schema: Schema, step: Step) -> Resolve:
    """How that field is resolved."""
    if step.field_name == "__typename":
        return lambda _running, _source, _place: step.parent.name
    field = (step.definition.extensions or {}).get(DEFINITION)
    arguments = Arguments(step.definition, step.nodes[0])
    # The resolver of a subscription makes the stream; an event is resolved by the schema.
    if not isinstance(field, StrawberryField) or field.extensions or field.is_subscription:
        return _by_the_schema(step, arguments)
    if field.base_resolver is None:
        attribute = attrgetter(field.python_name)
        return lambda _running, source, _place: attribute(source)
    return _by_the_resolver(schema, step, field, arguments)


def _by_the_schema(step: Step, arguments: Arguments) -> Resolve:
    """By the function that graphql-core would call, whatever stands before the resolver."""
    resolve = step.definition.resolve
    assert resolve is not None

    def resolved(running: Running, source: Any, place: Place) -> Any:  # noqa: ANN401
        given = arguments.given(running)
        return resolve(source, running.raw_info(step, place), **given)

    return resolved


def _by_the_resolver(
    schema: Schema, step: Step, field: StrawberryField, arguments: Arguments
) -> Resolve:
    """By the resolver itself, with what Strawberry would hand it."""
    resolver = field.base_resolver
    assert resolver is not None
    converter = Converter(schema, field)
    parents = [one.name for one in (resolver.parent_parameter, resolver.root_parameter) if one]
    told = resolver.info_parameter.name if resolver.info_parameter else None
    has_arguments, takes_self = bool(step.definition.args), bool(resolver.self_parameter)

    def resolved(running: Running, source: Any, place: Place) -> Any:  # noqa: ANN401
        info = running.info(step, field, place) if told else None
        keywords = {}
        if has_arguments:
            keywords = converter.keywords(arguments.given(running), info)
        for name in parents:
            keywords[name] = source
        if told:
            keywords[told] = info
        return resolver(source, **keywords) if takes_self else resolver(**keywords)

    return resolved
