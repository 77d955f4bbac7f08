"""Descriptions of the API, taken from where they are written: the docstrings.

A type is described by its docstring, a field, input or enum value by the string below it, and a
resolver by its own docstring. Arguments carry theirs (`strawberry.argument`). The sources are read
when somebody asks for descriptions first, and not at every start.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    get_named_type,
)
from strawberry.types.field import StrawberryField

from schema.engine.reading import DEFINITION

#: Where types are written: the domain's enums are the API's.
_DESCRIBED = {"models", "schema"}
_DONE = "described"


class SourceMissing(Exception):
    """No source text is there: the API would silently lack its descriptions."""


def describe(schema: GraphQLSchema) -> None:
    """Give everything in the schema its description, once. Raises SourceMissing."""
    if _DONE in schema.extensions:
        return
    for type_ in schema.type_map.values():
        definition = (type_.extensions or {}).get(DEFINITION)
        definition = getattr(definition, "concrete_of", None) or definition  # Connection[Account]
        cls = getattr(definition, "origin", None) or getattr(definition, "wrapped_cls", None)
        if isinstance(cls, type):
            _describe_type(type_, cls)
    schema.extensions[_DONE] = True


def hide_null_defaults(schema: GraphQLSchema) -> None:
    """An optional input that is left out is the same as null here, so no `= null` is shown."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field in type_.fields.values():
                _hide_null_defaults(field.args.values())
        elif isinstance(type_, GraphQLInputObjectType):
            _hide_null_defaults(type_.fields.values())


def _describe_type(type_: GraphQLNamedType, cls: type) -> None:
    type_.description = type_.description or _docstring(cls)
    if isinstance(type_, GraphQLEnumType):
        for name, value in type_.values.items():
            value.description = value.description or _attribute_docstring(cls, name)
    elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        for field in type_.fields.values():
            _describe_field(field, cls)
            _describe_arguments(field)
    elif isinstance(type_, GraphQLInputObjectType):
        for input_ in type_.fields.values():
            _describe_field(input_, cls)


def _describe_field(field: Any, cls: type) -> None:  # noqa: ANN401 - a field or an input
    definition: StrawberryField = field.extensions[DEFINITION]
    if field.description is None and definition.base_resolver is not None:
        field.description = inspect.getdoc(definition.base_resolver.wrapped_func)
    elif field.description is None:
        field.description = _attribute_docstring(cls, definition.python_name)


def _describe_arguments(field: Any) -> None:  # noqa: ANN401 - of an object or interface
    """An argument that says nothing of itself is an input object, whose type says it."""
    for argument in field.args.values():
        if argument.description is None:
            definition = (get_named_type(argument.type).extensions or {}).get(DEFINITION)
            cls = getattr(definition, "origin", None)
            argument.description = _docstring(cls) if isinstance(cls, type) else None


def _hide_null_defaults(inputs: Any) -> None:  # noqa: ANN401 - arguments or input fields
    for input_ in inputs:
        if input_.default_value is None:
            input_.default_value = Undefined


def _docstring(cls: type) -> str | None:
    return _docstrings(cls.__module__).get(cls.__qualname__)


def _attribute_docstring(cls: type, name: str) -> str | None:
    """The string below an attribute, of the class or of one that it inherits from."""
    found = (
        _docstrings(base.__module__).get(f"{base.__qualname__}.{name}") for base in cls.__mro__
    )
    return next((text for text in found if text), None)


@lru_cache(maxsize=256)
def _docstrings(module: str) -> dict[str, str]:
    """Docstrings of a module's classes (`Money`) and of their attributes (`Money.amount`)."""
    if module.partition(".")[0] not in _DESCRIBED:
        return {}
    try:
        source = inspect.getsource(sys.modules[module])
    except OSError:
        raise SourceMissing(
            f"The API's descriptions are in the source of {module}, which is not installed: install"
            " the .py files, not only what they compile to."
        ) from None
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = ast.get_docstring(node) or ""
            found.update(_below_attributes(node))
    return found


def _below_attributes(cls: ast.ClassDef) -> dict[str, str]:
    found = {}
    for node, below in zip(cls.body, cls.body[1:], strict=False):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case _:
                continue
        match below:
            case ast.Expr(value=ast.Constant(value=str(text))):
                found[f"{cls.name}.{name}"] = inspect.cleandoc(text)
    return found
