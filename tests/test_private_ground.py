"""What we lean on that a library does not promise: where it is, why, and what it is worth.

A library may change it in any release, so it stands in few places, the libraries are pinned to a
minor release, and what is worth less than twice the speed and needed for nothing else is not there
(`python -m tests.bench.private_ground` measures it).
A name is private where it begins with an underscore, where it goes into an object's `__dict__`, and
where it overrides what a library's class does without being asked to: GROUND lists all of those,
and the sources are searched for them. What looks public, but is documented nowhere or as internal,
is in UNMARKED: no search can find such names, only whether they are still used.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.once

ROOT: Final = Path(__file__).parent.parent
OURS: Final = ("api", "models", "schema")
FOLDERS: Final = ("api/server/", "api/pdf/shared_pool.py", "models/db/", "schema/engine/")
#: Modules of a library, and the requirement that pins it.
LIBRARIES: Final = {
    "aiosqlite": "aiosqlite",
    "asyncpg": "asyncpg",
    "graphql": "graphql-core",
    "strawberry": "strawberry-graphql",
    "tortoise": "tortoise-orm",
    "uvicorn": "uvicorn",
}
#: Classes that are there to be derived from.
MADE_FOR_IT: Final = {
    "strawberry.extensions.base_extension.SchemaExtension",
    "tortoise.migrations.migration.Migration",
    "tortoise.migrations.operations.Operation",
    "tortoise.migrations.operations.RemoveField",
    "tortoise.migrations.operations.TortoiseOperation",
    "tortoise.models.Model",
}
#: Of named tuples and dataclasses: https://docs.python.org/3/library/collections.html.
DOCUMENTED: Final = {"_asdict", "_fields", "_make", "_replace"}


@dataclass(frozen=True)
class Leans:
    """A reason, and the names that are used for it."""

    file: str
    package: str
    names: str
    why: str
    #: How many times as fast, as measured; or what would be wrong without.
    worth: str


GROUND: Final = (
    Leans(
        "api/server/connection.py",
        "uvicorn",
        "connection_made connection_lost data_received on_message_begin on_headers_complete"
        " on_response_complete on_message_complete timeout_keep_alive_handler"
        " handle_websocket_upgrade",
        "A head and a body come within seconds and KiB, an answer is taken within seconds, and"
        " connections beyond the most are told so.",
        "Without: uvicorn waits for slow peers for ever (tests/hostile/test_slow_peers.py).",
    ),
    Leans(
        "api/server/connection.py",
        "uvicorn",
        "handle_ping keepalive_timeout",
        "A websocket whose peer takes nothing is cut off, whatever it pings.",
        "Without: uvicorn keeps what it is to answer for ever (tests/hostile/test_slow_peers.py).",
    ),
    Leans(
        "api/server/connection.py",
        "uvicorn",
        "pause_writing resume_writing start_keepalive stop_keepalive handle_pong",
        "A websocket on which nothing happens keeps little of what its handshake needed, and one"
        " timer pings all of them.",
        "11 instead of 20 KiB for each of 1,500 (RSS). Without: ten thousand have a timer each.",
    ),
    Leans(
        "api/server/serve.py",
        "uvicorn",
        "shutdown serve",
        "Event streams end when the server is told to stop; what the app uses is opened before it"
        " serves, and a wrong setting is a sentence.",
        "Without: streams keep it for all its time (tests/hostile/test_stopping.py), and"
        " a wrong setting is a traceback (tests/api/cli/test_main.py).",
    ),
    Leans(
        "api/server/processes.py",
        "uvicorn",
        "target _server init_processes keep_subprocess_alive start",
        "Each process of several opens its application as a single one does, readiness is reported"
        " when all serve, one that ends is replaced at once, and its metrics are dropped.",
        "Without: a wrong setting is a traceback in each process, and one killed while it is asked"
        " whether it lives is missed for a minute (tests/api/server/test_processes.py).",
    ),
    Leans(
        "api/pdf/shared_pool.py",
        "uvicorn",
        "capture_signals",
        "The server of the shared pool leaves signals to the server that it is a part of.",
        "Without: it cannot run in a thread, where signals can't be handled"
        " (tests/api/server/test_processes.py).",
    ),
    Leans(
        "models/db/sql.py",
        "tortoise",
        "__dict__ _await_when_save _custom_generated_pk _partial _saved_in_db",
        "A row becomes a record without a call for each of its columns.",
        "2.5 to 2.9 times as fast as Tortoise's own way for invoices, 4 to 5 times for their lines"
        " (CPU; 100 and 300 rows).",
    ),
    Leans(
        "models/db/sql.py",
        "tortoise",
        "_meta",
        "Statements of our own take tables and columns from the models.",
        "Without: each table's columns would be written twice.",
    ),
    Leans(
        "models/db/sqlite_thread.py",
        "aiosqlite",
        "_conn _execute",
        "What is written together, and all of a batch of the lane, is one visit to the connection's"
        " thread; BEGIN is asked for again there until the lock comes.",
        "2.7 to 2.9 times as fast for five INSERTs (CPU).",
    ),
    Leans(
        "models/db/sqlite_engine.py",
        "tortoise",
        "acquire_connection _in_transaction _connection",
        "Transactions begin IMMEDIATE, in fair turns; one that is canceled, or whose COMMIT fails,"
        " is rolled back. A read-only transaction has a connection of its own.",
        "Without: `database is locked`, and a COMMIT that failed is applied by the next"
        " transaction (tests/models/db/test_transactions.py).",
    ),
    Leans(
        "models/db/sqlite_engine.py",
        "tortoise",
        "execute_query execute_query_dict execute_insert execute_many close",
        "What reads goes to connections of its own, what changes something into a transaction.",
        "Without: a read waits for whoever writes (tests/hostile/test_fairness.py).",
    ),
    Leans(
        "models/db/sqlite_engine.py",
        "tortoise",
        "create_connection",
        "A connection that was given up while it opened is dropped, with its thread.",
        "Without: it is used with a part of its settings, or keeps the process from ending"
        " (tests/models/db/test_transactions.py).",
    ),
    Leans(
        "models/db/postgres_engine.py",
        "tortoise",
        "acquire_connection _in_transaction _connection _translate_exceptions",
        "Connections in fair turns; a lock that does not come, and a transaction that PostgreSQL"
        " has ended, are TryAgain.",
        "Without: one caller takes all connections, and what is only busy is an internal error"
        " (tests/hostile/test_fairness.py, tests/models/db/test_transactions.py).",
    ),
    Leans(
        "models/db/postgres_engine.py",
        "tortoise",
        "execute_query execute_query_dict close",
        "What reads goes to connections of its own.",
        "Without: a read waits for whoever writes (tests/hostile/test_fairness.py).",
    ),
    Leans(
        "schema/engine/execution.py",
        "graphql",
        "execute_operation build_resolve_info",
        "An operation is executed by its plan, and resolvers are told what Strawberry tells them.",
        "2.3 to 2.6 times as fast for a page of 100 invoices with their lines, database included"
        " (CPU).",
    ),
    Leans(
        "schema/engine/execution.py",
        "graphql",
        "execute_fields build_per_event_executor handle_field_error",
        "An operation that is past its time or its number of objects ends, and not field by field;"
        " each event of a subscription has bounds of its own.",
        "Without: a query that never waits runs for ever (tests/hostile/test_query_limits.py).",
    ),
    Leans(
        "schema/engine/running.py",
        "strawberry",
        "_field _raw_info",
        "A plan calls resolvers itself, with the `info` that Strawberry would hand them.",
        "As `execute_operation`.",
    ),
    Leans(
        "schema/engine/guard.py",
        "strawberry",
        "_schema",
        "graphql-core's schema: documents are measured and validated against it, and it is given"
        " its descriptions.",
        "Without: Strawberry would validate before anything has been measured"
        " (tests/schema/engine/test_limits.py).",
    ),
    Leans(
        "schema/engine/guard.py",
        "strawberry",
        "execute",
        "An operation is measured before it is validated, has its plan beside its document, and is"
        " told of once.",
        "Without: no limits (tests/hostile/test_query_limits.py), and Strawberry parses each time.",
    ),
)

#: What is used of a library's insides although nothing in its name says so.
UNMARKED: Final = (
    Leans(
        "schema/engine/plan.py",
        "graphql",
        "collect_fields collect_subfields",
        "A plan selects the fields of an operation by graphql-core's own rules, which it marks as"
        " for internal use only.",
        "As `execute_operation`. Without: the rules of fragments, @skip and @include twice.",
    ),
    Leans(
        "schema/engine/plan.py",
        "graphql",
        "invalid_return_type_error ensure_valid_runtime_type complete_leaf_value",
        "A plan completes values, and reports those that cannot be, as graphql-core does.",
        "As `execute_operation`. Without: other errors than graphql-core's"
        " (tests/schema/engine/test_plans.py).",
    ),
    Leans(
        "schema/engine/resolving.py",
        "strawberry",
        "base_resolver info_parameter",
        "A plan calls a field's resolver itself, and hands it `info` only where it asks for it.",
        "As `execute_operation`.",
    ),
    Leans(
        "schema/engine/describe.py",
        "strawberry",
        "base_resolver",
        "A field's description is its resolver's docstring, read when somebody introspects.",
        "Without: each field's text stands twice, or is parsed at every start.",
    ),
    Leans(
        "schema/engine/arguments.py",
        "strawberry",
        "schema_converter",
        "Arguments are converted once for each plan, with the scalars that Strawberry knows.",
        "As `execute_operation`.",
    ),
)


# ------------------------------------------------------------------------------- what is used


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def private_names(tree: ast.AST) -> set[str]:
    """The private names of others that a module uses: those that it does not define itself."""
    nodes = list(ast.walk(tree))
    return {name for name in _used(nodes) if name == "__dict__" or is_private(name)} - _own(nodes)


def _used(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr="__dict__"):
                pass
            case ast.Attribute(attr=name):
                yield name
            case ast.keyword(arg=str(name)):
                yield name
            case ast.ImportFrom(module=str(module), names=names):
                yield from (*module.split("."), *(alias.name for alias in names))
            case ast.Import(names=names):
                yield from (part for alias in names for part in alias.name.split("."))
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"),
                args=[_, ast.Constant(value=str(name)), *_],
            ):
                yield name


def _own(nodes: Iterable[ast.AST]) -> set[str]:
    found = set()
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                found.add(name)
    return found


def of_its_bases(cls: type, body: ast.ClassDef) -> set[str]:
    """What a class of ours overrides or uses of a library's classes that it is derived from."""
    bases = [base for base in cls.__mro__ if _library(base) and _full_name(base) not in MADE_FOR_IT]
    if not bases:
        return set()
    names = _defined(body)
    found = {name for name in names if any(name in vars(base) for base in bases)}
    theirs = {name for base in bases for name in _private_in(base)}
    used = {name for name in (*_used(ast.walk(body)), *names) if is_private(name)}
    return found | (used & theirs)


def _defined(body: ast.ClassDef) -> set[str]:
    found = set()
    for node in body.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return {name for name in found if not name.startswith("__")}


@cache
def _private_in(base: type) -> set[str]:
    try:
        body = ast.parse(inspect.getsource(sys.modules[base.__module__]))
    except (OSError, TypeError):  # it is no Python
        return {name for name in vars(base) if is_private(name)}
    classes = (node for node in ast.walk(body) if isinstance(node, ast.ClassDef))
    source = next((node for node in classes if node.name == base.__name__), body)
    return {name for name in (*_own(ast.walk(source)), *vars(base)) if is_private(name)}


def _library(cls: type) -> str | None:
    name = cls.__module__.partition(".")[0]
    return name if name in LIBRARIES else None


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def modules() -> Iterator[ModuleType]:
    for top in OURS:
        package = importlib.import_module(top)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{top}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def used_in(module: ModuleType) -> set[str]:
    tree = ast.parse(inspect.getsource(module))
    found = private_names(tree)
    for body in ast.walk(tree):
        cls = getattr(module, body.name, None) if isinstance(body, ast.ClassDef) else None
        if isinstance(body, ast.ClassDef) and isinstance(cls, type):
            found |= of_its_bases(cls, body)
    return found


@cache
def used() -> frozenset[tuple[str, str]]:
    """(file, name) of all that is used."""
    return frozenset(
        (str(Path(module.__file__ or "").relative_to(ROOT)), name)
        for module in modules()
        for name in used_in(module)
    )


# ------------------------------------------------------------------------------- and listed


def listed() -> set[tuple[str, str]]:
    return {(one.file, name) for one in GROUND for name in one.names.split()}


def test_every_private_name_that_is_used_is_listed_with_what_it_is_for() -> None:
    assert sorted(used() - listed()) == []


def test_what_is_listed_is_still_used() -> None:
    assert sorted(listed() - used()) == []


def test_it_stands_in_the_folders_that_say_so() -> None:
    files = [file for file, _ in used()] + [one.file for one in UNMARKED]
    assert [file for file in files if not file.startswith(FOLDERS)] == []


@pytest.mark.parametrize("one", UNMARKED, ids=lambda one: f"{one.file}: {one.names}")
def test_what_looks_public_is_still_used_where_it_is_listed(one: Leans) -> None:
    words = set(re.findall(r"\w+", (ROOT / one.file).read_text(encoding="utf-8")))
    assert set(one.names.split()) <= words


def test_every_test_that_is_cited_exists() -> None:
    cited = {
        path for one in (*GROUND, *UNMARKED) for path in re.findall(r"tests/[\w/]+\.py", one.worth)
    }
    assert cited
    assert sorted(path for path in cited if not (ROOT / path).is_file()) == []


@pytest.mark.parametrize("library", sorted({one.package for one in (*GROUND, *UNMARKED)}))
def test_a_library_whose_insides_are_used_is_pinned_to_a_minor_release(library: str) -> None:
    name = LIBRARIES[library]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pin = re.compile(rf"{name}(?:\[\w+\])?>=(\d+)\.(\d+)(?:\.\d+)?,<(\d+)\.(\d+)")
    pins = [found for line in project["dependencies"] if (found := pin.fullmatch(line))]
    assert len(pins) == 1
    major, minor, next_major, next_minor = map(int, pins[0].groups())
    assert (next_major, next_minor) == (major, minor + 1)


# ------------------------------------------------------------------------------- the finder


@pytest.mark.parametrize(
    "source",
    [
        "thing._name",
        "thing.other._name = 1",
        "self._name.x()",
        "thing(_name=1)",
        "getattr(thing, '_name')",
        "setattr(thing, '_name', 1)",
        "from library import _name",
        "from library._name import thing",
        "import library._name",
        "@library._name\ndef f(): pass",
        "class C(library._name): pass",
    ],
)
def test_a_private_name_is_found_however_it_is_used(source: str) -> None:
    assert private_names(ast.parse(source)) == {"_name"}
    assert private_names(ast.parse(source.replace("_name", "name"))) == set()


@pytest.mark.parametrize("source", ["vars.__dict__['x'] = 1", "a.b.__dict__.update(x=1)"])
def test_what_is_put_into_another_objects_dictionary_is_found(source: str) -> None:
    assert private_names(ast.parse(source)) == {"__dict__"}


def test_what_a_module_defines_itself_is_its_own() -> None:
    source = "class C:\n def f(self):\n  self._name = self.__dict__\n  return self._name"
    assert private_names(ast.parse(source)) == set()


def test_what_is_taken_from_a_base_class_of_a_library_is_found() -> None:
    from tortoise.backends.sqlite.client import SqliteClient  # noqa: PLC0415

    source = (
        "class Ours(SqliteClient):\n"
        "    async def close(self):\n"
        "        self._lock = self._mine = None\n"
        "    def ours(self): ...\n"
    )
    scope = {"SqliteClient": SqliteClient}
    exec(source, scope)  # noqa: S102 - our own text
    [body] = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    assert of_its_bases(scope["Ours"], body) == {"close", "_lock"}
