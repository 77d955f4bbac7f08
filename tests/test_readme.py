"""The README is true: what it names exists. Its tour is run in tests/journeys/test_tour.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType, build_schema

from api.cli.main import app
from models.access.identity import SCOPES
from schema.engine.limits import Limits

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CHANGELOG.md", "SECURITY.md", "api/gateways/README.md")


def test_the_commands_that_it_names_are_the_commands() -> None:
    named = set(re.findall(r"account-credit ([a-z][a-z-]+)", README))
    callbacks = [command.callback for command in app.registered_commands]
    there = {callback.__name__.replace("_", "-") for callback in callbacks if callback}
    there |= {group.name for group in app.registered_groups if group.name}
    assert named == there


def test_every_make_command_is_told() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in set(targets) - {"help"}:
        assert f"`make {target}`" in README


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    files = [(one or other).partition("#")[0] for one, other in linked if "://" not in one]
    folder = (ROOT / page).parent
    assert [name for name in files if not (folder / name).exists()] == []


def test_every_scope_is_told() -> None:
    assert set(re.findall(r"^\| `([a-z]+:[a-z]+)` \|", README, re.MULTILINE)) == set(SCOPES)


def test_the_possible_types_are_those_of_the_schema() -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    abstract = {
        name: sorted(one.name for one in schema.get_possible_types(type_))
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType)
    }
    told = re.search(r"^```json possibleTypes\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert json.loads(told[1]) == abstract


def test_the_value_types_are_what_has_no_id() -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    # Caches know these by their names already.
    known = re.compile(r"__.*|Query|Mutation|Subscription|PageInfo|.*(Payload|Connection|Edge)")
    values = [
        name
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLObjectType) and "id" not in type_.fields
    ]
    told = re.search(r"^```json valueTypes\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert json.loads(told[1]) == sorted(name for name in values if not known.fullmatch(name))


def test_the_reference_clients_know_the_same_types() -> None:
    source = (ROOT / "tests" / "clients" / "shared" / "types.ts").read_text(encoding="utf-8")
    told = re.findall(
        r"^```json (?:possibleTypes|valueTypes)\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    )
    names = [set(re.findall(r'"(\w+)"', block)) for block in told]
    keys = set(re.findall(r"^  (\w+):", source, re.MULTILINE))
    assert set(re.findall(r'"(\w+)"', source)) | keys == set().union(*names)


def test_the_limits_are_those_that_hold() -> None:
    limits = Limits()
    told = " ".join(README.split())
    assert f"at most {limits.depth} levels, {limits.aliases} aliases" in told
    assert f"a cost of {limits.cost:,}" in told
    assert f"at most {limits.page_max} rows" in told


def test_the_picture_is_small() -> None:
    assert (ROOT / "pdf_templates" / "invoice.png").stat().st_size < 150_000
