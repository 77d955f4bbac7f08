"""The reference clients, built: checked against the schema, type-checked, bundled."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tests.support.javascript import deno_packages, made_once, task

SOURCES: Final = Path(__file__).parents[2] / "clients"
SCHEMA: Final = SOURCES.parents[1] / "schema" / "schema.graphql"
#: Each client, and where its tools write the documents that the server must know.
CLIENTS: Final = {
    "react-apollo": "src/gql/persisted-documents.json",
    "react-relay": "persisted.json",
    "vue-urql": "src/gql/persisted-documents.json",
}
WHY: Final = "NOT TESTED with Apollo Client, Relay and urql"

_NOT_SOURCES: Final = ("node_modules", "dist", "gql", "__generated__", "persisted.json", "*.py*")


def built(client: str) -> Path:
    """The folder of a client, with `dist` and its documents in it. Fails where it does not build,
    and skips where its tools cannot be had.
    """
    packages = deno_packages(SOURCES, WHY)
    parts = [SOURCES / client, SOURCES / "shared"]
    files = [file for part in parts for file in sorted(part.rglob("*")) if file.is_file()]
    files += [
        SCHEMA,
        Path(__file__),
        *(SOURCES / name for name in ("package.json", "deno.lock", "tsconfig.json")),
    ]

    def build(folder: Path) -> None:
        workspace = _workspace(folder, packages)
        # Libraries warn of wrong use in development alone; the tests want to hear of it.
        done = task(client, workspace, WHY, NODE_ENV="development")
        assert done.returncode == 0, done.stdout + done.stderr

    folder = made_once(client, [file.name.encode() + file.read_bytes() for file in files], build)
    return folder / "tests" / "clients" / client


def lint_schema(folder: Path) -> str:
    """What @graphql-eslint finds in the schema; nothing where it is well made."""
    done = task("lint-schema", _workspace(folder, deno_packages(SOURCES, WHY)), WHY)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def _workspace(folder: Path, packages: Path) -> Path:
    """The sources as they lie in this project, with the packages beside them."""
    workspace = folder / "tests" / "clients"
    shutil.rmtree(folder / "tests", ignore_errors=True)
    shutil.copytree(SOURCES, workspace, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
    (workspace / "node_modules").symlink_to(packages / "node_modules")
    (folder / "schema").mkdir(exist_ok=True)
    shutil.copyfile(SCHEMA, folder / "schema" / SCHEMA.name)
    return workspace
