"""The READMEs are true: what they name exists. The tour is run in tests/journeys/test_tour.py."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import groupby
from pathlib import Path

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType, build_schema

from api.cli.main import app
from models.access.identity import SCOPES
from models.audit.ledger import POSTINGS
from models.ledger.chart import LedgerKind
from models.ledger.credit_transaction import StatementLineKind
from schema.engine.limits import Limits

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "api/README.md",
    "api/gateways/README.md",
    "models/README.md",
    "pdf_templates/README.md",
    "schema/README.md",
)


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


README, API, SCHEMA, DOMAIN = (
    read(page) for page in ("README.md", "api/README.md", "schema/README.md", "models/README.md")
)


def test_the_commands_that_it_names_are_the_commands() -> None:
    named = set(re.findall(r"^\| `account-credit ([a-z][a-z-]+)", API, re.MULTILINE))
    callbacks = [command.callback for command in app.registered_commands]
    there = {callback.__name__.replace("_", "-") for callback in callbacks if callback}
    there |= {group.name for group in app.registered_groups if group.name}
    assert named == there
    everywhere = {
        name
        for page in PAGES
        for name in re.findall(r"\baccount-credit ([a-z]+(?:-[a-z]+)*)", read(page))
    }
    assert everywhere - there == set()


def test_every_make_command_is_told() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in set(targets) - {"help"}:
        assert f"`make {target}`" in README


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    text = read(page)
    linked = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    named = [one or other for one, other in linked]
    files = [name.partition("#")[0] for name in named if "://" not in name]
    folder = (ROOT / page).parent
    assert [name for name in files if not (folder / name).exists()] == []


def test_every_scope_is_told() -> None:
    assert set(re.findall(r"^\| `([a-z]+:[a-z]+)` \|", SCHEMA, re.MULTILINE)) == set(SCOPES)


def test_the_possible_types_are_those_of_the_schema() -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    abstract = {
        name: sorted(one.name for one in schema.get_possible_types(type_))
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType)
    }
    told = re.search(r"^```json possibleTypes\n(.*?)^```", SCHEMA, re.MULTILINE | re.DOTALL)
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
    told = re.search(r"^```json valueTypes\n(.*?)^```", SCHEMA, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert json.loads(told[1]) == sorted(name for name in values if not known.fullmatch(name))


def test_the_reference_clients_know_the_same_types() -> None:
    source = (ROOT / "tests" / "clients" / "shared" / "types.ts").read_text(encoding="utf-8")
    told = re.findall(
        r"^```json (?:possibleTypes|valueTypes)\n(.*?)^```", SCHEMA, re.MULTILINE | re.DOTALL
    )
    names = [set(re.findall(r'"(\w+)"', block)) for block in told]
    keys = set(re.findall(r"^  (\w+):", source, re.MULTILINE))
    assert set(re.findall(r'"(\w+)"', source)) | keys == set().union(*names)


def test_the_limits_are_those_that_hold() -> None:
    limits = Limits()
    told = " ".join(SCHEMA.split())
    assert f"at most {limits.depth} levels, {limits.aliases} aliases" in told
    assert f"a cost of {limits.cost:,}" in told
    assert f"at most {limits.page_max} rows" in told


def test_the_picture_is_small() -> None:
    assert (ROOT / "pdf_templates" / "invoice.png").stat().st_size < 150_000


def test_the_readme_is_read_to_its_end() -> None:
    assert len(README.splitlines()) <= 180


# ------------------------------------------------------------------------------- the domain

_WORD = re.compile(r"^\| ([^|]+?) \| \[[^]]+\]\(([a-z_/]+\.py)\) \| ", re.MULTILINE)


def test_every_word_has_one_file_and_every_file_one_word() -> None:
    words = _WORD.findall(DOMAIN)
    assert len({word for word, _ in words}) == len(words)
    files = sorted(file for _, file in words)
    folder = ROOT / "models"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    there -= {file for file in there if file.startswith("migrations/")}
    there -= {file for file in there if file.endswith("__init__.py")}
    assert files == sorted({"audit/__init__.py", *there})


def _floor(room: str) -> int:
    """How far below the top of the domain's tower a room is, as the linter keeps it."""
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [tower] = [one for one in contracts if one.get("containers") == ["models"]]
    [floor] = [n for n, layer in enumerate(tower["layers"]) if room in layer.split(" | ")]
    return floor


def test_the_words_are_in_the_order_of_the_tower() -> None:
    rooms = [file.partition("/")[0].removesuffix(".py") for _, file in _WORD.findall(DOMAIN)]
    assert len(list(groupby(rooms))) == len(set(rooms)), "a room's words stand together"
    floors = [_floor(room) for room in rooms]
    assert floors == sorted(floors)


def test_the_readme_draws_the_tower_that_the_linter_keeps() -> None:
    drawn = re.search(r"^```text tower\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert drawn is not None
    lines = [re.split(r"  +", line)[0].split(", ") for line in drawn[1].splitlines()]
    rooms = [room for line in lines for room in line if room != "…"]
    floors = [_floor(room) for room in rooms]
    assert floors == sorted(floors)
    folders = {path.parent.name for path in (ROOT / "models").glob("*/__init__.py")}
    assert folders - {"migrations"} <= set(rooms)


def test_what_books_what_has_every_kind_of_ledger_account_and_statement_line() -> None:
    chart = set(re.findall(r"^\| `([A-Z_]+)` \|", DOMAIN, re.MULTILINE))
    assert chart == {kind.value for kind in LedgerKind}
    booked = DOMAIN.partition("## What each event books")[2]
    told = set(re.findall(r"\b[A-Z_]{6,}\b", booked))
    assert {kind for kind in POSTINGS if kind in set(StatementLineKind)} <= told
