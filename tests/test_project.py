"""The project's own files keep their promises."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
#: Each folder mirrors a package of the program.
PACKAGES = ("api", "models", "schema")
#: What pytest reads: the tests, and the fixtures beside them.
TESTS = [
    path
    for pattern in ("test_*.py", "conftest.py")
    for path in sorted((ROOT / "tests").rglob(pattern))
]
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")
FOLDERS = {".ci", "api", "models", "pdf_templates", "schema", "tests"}
FILES = {
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
    *LOCKS,
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, set[str]]:
    """The versions that a lock pins: {"starlette": {"1.10.0"}}; several where platforms differ."""
    found: dict[str, set[str]] = {}
    pin = re.compile(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
    for name, version in pin.findall(read(lock)):
        found.setdefault(name, set()).add(version)
    return found


def names(requirements: list[Any]) -> set[str]:
    """The packages that requirements ask for, without extras, versions and markers."""
    lines = [line for line in requirements if isinstance(line, str)]
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in lines}


def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_no_option_and_no_path(lock: str) -> None:
    for line in read(lock).splitlines():
        assert re.fullmatch(r"#.*|[a-z0-9-]+==.*|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
        assert "://" not in line
        assert " @ " not in line


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_in_a_lock_has_a_hash(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", read(lock), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_what_pyproject_asks_for_is_locked() -> None:
    groups = project()["dependency-groups"]
    runtime = names(project()["project"]["dependencies"])
    assert runtime - pins("requirements.txt").keys() == set()
    assert (runtime | names(groups["dev"])) - pins("requirements-dev.txt").keys() == set()
    assert names(groups["build"]) - pins("requirements-build.txt").keys() == set()


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-build.txt"])
def test_the_tests_run_on_the_versions_that_run(lock: str) -> None:
    tested = pins("requirements-dev.txt")
    assert {name: tested.get(name) for name in pins(lock)} == pins(lock)


def test_what_builds_the_project_is_locked() -> None:
    assert names(project()["build-system"]["requires"]) <= pins("requirements-build.txt").keys()


def test_there_is_no_lock_that_names_hosts() -> None:
    assert not (ROOT / "uv.lock").exists()


def test_the_top_level_holds_only_what_the_design_names() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("only git knows what belongs to the project, and this is no clone")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [Path(line) for line in listed.stdout.splitlines()]
    assert {path.parts[0] for path in paths if len(path.parts) > 1} <= FOLDERS
    assert {path.name for path in paths if len(path.parts) == 1} <= FILES


def test_the_make_commands_that_the_pages_name_exist() -> None:
    pages = "\n".join(read(path.name) for path in ROOT.glob("*.md"))
    named = set(re.findall(r"(?:^|[`$] ?)make ([a-z]+)", pages, re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert named <= targets


def test_every_ignored_rule_has_its_reason_beside_it() -> None:
    rule = re.compile(r'^    "[A-Z]+[0-9]*",(?P<rest>.*)$', re.MULTILINE)
    rules = rule.findall(read("pyproject.toml"))
    assert rules
    assert [rest for rest in rules if not re.match(r'\s+# [\w"`]', rest)] == []


def test_migrations_follow_each_other_in_the_order_of_their_numbers() -> None:
    found = (ROOT / "models" / "migrations").rglob("0*.py")
    files = sorted(found, key=lambda path: path.name)
    assert [path.name[:4] for path in files] == [f"{n:04d}" for n in range(1, len(files) + 1)]
    for before, path in pairwise(files):
        text = path.read_text(encoding="utf-8")
        assert f'dependencies = [("models", "{before.stem}")]' in text, path.name


def test_no_test_imports_out_of_a_test_module() -> None:
    tests = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in TESTS}
    assert len(tests) > 100
    taken = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in (ROOT / "tests").rglob("*.py")
        for module in sorted(imported(path) & tests)
    ]
    assert taken == [], "what several tests need is in tests/support"


def test_helpers_are_in_support() -> None:
    folders = {"bench", "support"}
    beside = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("*.py")
        if path not in TESTS
        and path.relative_to(ROOT).parts[1] not in folders
        and path.parent.name != "partner-python"  # a program to start from
    ]
    assert beside == []


def test_the_tests_of_a_package_are_in_a_folder_of_its_name() -> None:
    packages = {path.parent for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")}
    # Each has tests under its own name; what crosses packages is tested one folder up.
    folders = {path.parent for path in TESTS if path.relative_to(ROOT).parts[1] in PACKAGES}
    assert {folder.relative_to(ROOT / "tests") for folder in folders} <= {
        package.relative_to(ROOT) for package in packages
    }


def imported(path: Path) -> set[str]:
    """The modules that a file imports, or imports from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


# ------------------------------------------------------------------------------- the code

_SQL = re.compile(
    r"\s*(SELECT\b.*\bFROM\b|SELECT \S+( AS \w+)?$|INSERT INTO\b|UPDATE\b.*\bSET\b|DELETE FROM\b"
    r"|WITH\b.*\bAS\b)",
    re.DOTALL,
)
#: Longest functions of the domain, in lines with signature and docstring.
LINES_MAX = 30


def modules(*folders: str) -> list[tuple[str, ast.Module]]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    named = [(path.relative_to(ROOT).as_posix(), path) for path in paths]
    return [(name, ast.parse(path.read_text(encoding="utf-8"))) for name, path in named]


def is_sql(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _SQL.match(node.value) is not None
    )


def test_what_is_sql_is_told_from_prose() -> None:
    for text in (
        "SELECT 1 AS one",
        "SELECT id\n FROM event",
        " INSERT INTO event (id)",
        "UPDATE payment SET x = 1",
        "DELETE FROM event",
        "WITH a AS (SELECT 1)",
    ):
        assert is_sql(ast.Constant(text)), text
    for text in ("Select a gateway from the list.", "UPDATED", "With care.", "SELECTED FROM"):
        assert not is_sql(ast.Constant(text)), text


def test_no_sql_stands_outside_the_domain() -> None:
    found = [
        f"{name}:{getattr(node, 'lineno', 0)}"
        for name, module in modules("api", "schema")
        for node in ast.walk(module)
        if is_sql(node)
    ]
    assert found == []


def test_functions_of_the_domain_are_under_thirty_lines() -> None:
    longer: dict[str, set[str]] = {}
    for name, module in modules("models"):
        for node in ast.walk(module):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno + 1 >= LINES_MAX and "/migrations/" not in name:
                longer.setdefault(name, set()).add(node.name)
    assert longer == {}
