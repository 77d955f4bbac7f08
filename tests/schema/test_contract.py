"""The API is the contract, and what we have added to it."""

from __future__ import annotations

import importlib
import py_compile
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    is_specified_scalar_type,
    print_ast,
)

import schema
from schema import make_schema, sdl
from schema.engine.describe import SourceMissing, describe
from schema.engine.guard import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS: Final = Path(__file__).parent.parent
CONTRACT: Final = (TESTS / "contract.graphql").read_text(encoding="utf-8")
SNAPSHOT: Final = TESTS.parent / "schema" / "schema.graphql"


@pytest.fixture(scope="module")
def contract() -> GraphQLSchema:
    return build_schema(CONTRACT)


@pytest.fixture(scope="module")
def export() -> GraphQLSchema:
    return build_schema(sdl(make_schema()))


def inputs(schema: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """Every argument and input field, by its place."""
    for type_ in schema.type_map.values():
        if type_.name.startswith("__"):
            continue
        for name, field in getattr(type_, "fields", {}).items():
            place = f"{type_.name}.{name}"
            if hasattr(field, "args"):
                yield from ((f"{place}({given})", arg) for given, arg in field.args.items())
            else:
                yield place, field


def defaults(schema: GraphQLSchema) -> dict[str, str | None]:
    """What each input is when it is left out, as the schema writes it."""
    return {
        place: print_ast(given.default.literal) if given.default else None
        for place, given in inputs(schema)
    }


def described(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Everything that a stranger may want explained, with its description."""
    for type_ in schema.type_map.values():
        if type_.name.startswith("__") or is_specified_scalar_type(type_):
            continue
        yield type_.name, type_.description
        members = (
            type_.values if isinstance(type_, GraphQLEnumType) else getattr(type_, "fields", {})
        )
        for name, member in members.items():
            yield f"{type_.name}.{name}", member.description
    for place, given in inputs(schema):
        yield place, given.description


def test_the_snapshot_is_what_is_exported() -> None:
    assert SNAPSHOT.read_text(encoding="utf-8") == sdl(make_schema()), (
        "write it anew: account-credit schema > schema/schema.graphql"
    )


def test_nothing_of_the_contract_is_renamed_or_weakened(
    contract: GraphQLSchema, export: GraphQLSchema
) -> None:
    assert find_breaking_changes(contract, export) == []


def test_what_is_left_out_means_what_the_contract_says(
    contract: GraphQLSchema, export: GraphQLSchema
) -> None:
    ours = defaults(export)
    assert {place: ours[place] for place in defaults(contract)} == defaults(contract)


def test_no_input_of_ours_shows_a_null_default(export: GraphQLSchema) -> None:
    assert "null" not in defaults(export).values()


def test_scalars_name_the_specifications_that_the_contract_names(
    contract: GraphQLSchema, export: GraphQLSchema
) -> None:
    for name, scalar in contract.type_map.items():
        if isinstance(scalar, GraphQLScalarType):
            ours = export.type_map[name]
            assert isinstance(ours, GraphQLScalarType)
            assert ours.specified_by_url == scalar.specified_by_url


def test_everything_is_described(export: GraphQLSchema) -> None:
    assert [place for place, text in described(export) if not text] == []


def test_an_api_without_its_sources_says_so_and_is_not_one_without_descriptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "sourceless.py"
    source.write_text("import strawberry\n@strawberry.type\nclass Query:\n    a: int\n")
    py_compile.compile(str(source), cfile=str(tmp_path / "sourceless.pyc"))
    source.unlink()
    monkeypatch.setattr(schema, "__path__", [*schema.__path__, str(tmp_path)])
    made = Schema(query=importlib.import_module("schema.sourceless").Query)
    with pytest.raises(SourceMissing, match=r"schema\.sourceless"):
        describe(made.core)


def test_a_description_is_a_sentence_for_strangers(
    contract: GraphQLSchema, export: GraphQLSchema
) -> None:
    terse = re.compile(r"(?!([A-Z`+]|\d).*\s.*\s.*[.`]$)", re.DOTALL)
    theirs = dict(described(contract))
    texts = [(place, text or "") for place, text in described(export)]
    ours = [(place, text) for place, text in texts if theirs.get(place) != text]
    assert [place for place, text in ours if terse.match(text)] == []


def test_what_is_deprecated_says_what_to_use_instead() -> None:
    directive = r'@deprecated(?!\(reason: "[^"]*`[^"]+`[^"]*"\))'
    assert re.findall(directive, sdl(make_schema())) == []
