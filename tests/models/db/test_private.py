"""Database, secret and documents are files that only their owner reads, whatever the umask is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from api.pdf.store import DocumentStore
from api.settings.demo_secret import kept_secret
from models.accounts.account import Account
from models.db import connection, private, transactions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.once

NAME = "ab" * 32


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A shell that lets everybody read and write what is made."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Everything in there, with what is not as it should be."""
    found = {}
    for path in folder.rglob("*"):
        wanted = private.FOLDER if path.is_dir() else private.FILE
        if (mode := stat.S_IMODE(path.stat().st_mode)) != wanted:
            found[path.name] = mode
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def open_up(folder: Path) -> None:
    """As it was made before, or by somebody else's umask."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


async def test_a_database_and_what_is_beside_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/fresh.db"
    await connection.migrate(url)
    await connection.connect(url)
    try:
        await transactions.transaction(
            lambda: Account.create(name="Ada", email="ada@client.example", currency="EUR")
        )
        assert names(tmp_path) == {"fresh.db", "fresh.db-wal", "fresh.db-shm", "fresh.db.migrating"}
        assert modes(tmp_path) == {}
    finally:
        await connection.disconnect()
    assert modes(tmp_path) == {}


async def test_a_database_that_was_open_to_others_is_closed_with_a_word(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/old.db"
    await connection.migrate(url)
    open_up(tmp_path)
    with capture_logs() as logs:
        await connection.connect(url)
        await connection.disconnect()
    told = [log for log in logs if log["event"] == "was_open_to_others"]
    assert [(log["path"], log["mode"]) for log in told] == [(f"{tmp_path}/old.db", "644")]
    with capture_logs() as logs:
        await connection.migrate(url)
        await connection.connect(url)
        await connection.disconnect()
    assert [log["path"] for log in logs if log["event"] == "was_open_to_others"] == [
        f"{tmp_path}/old.db.migrating"
    ]
    assert modes(tmp_path) == {}


async def test_documents_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    store = DocumentStore(str(tmp_path / "some" / "documents"))
    async with store.alone(NAME, 1, lambda: False):
        await store.put(NAME, b"%PDF")
    await store.put(NAME, b"%PDF again")
    assert await store.get(NAME) == b"%PDF again"
    assert modes(tmp_path) == {}
    assert {name for name in names(tmp_path) if ".pdf" in name} == {f"{NAME}.pdf"}


async def test_documents_that_were_open_to_others_are_closed_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    await DocumentStore(str(folder)).put(NAME, b"%PDF")
    open_up(tmp_path)
    with capture_logs() as logs:
        store = DocumentStore(str(folder))
    assert {log["event"] for log in logs} == {"was_open_to_others"}
    assert modes(tmp_path) == {}
    assert await store.get(NAME) == b"%PDF"
    with capture_logs() as logs:
        DocumentStore(str(folder))
    assert logs == []


def test_a_secret_is_made_for_its_owner_alone_and_closed_where_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = kept_secret(path)
    assert modes(tmp_path) == {}
    path.chmod(0o640)
    assert kept_secret(path) == secret
    assert modes(tmp_path) == {}


def test_the_command_line_makes_nothing_that_others_read(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite://{tmp_path}/demo.db"}
    command = [sys.executable, "-m", "api", "demo", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | _python_path(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) >= {"demo.db"}
    assert modes(tmp_path) == {}


def _python_path() -> dict[str, str]:
    return {"PYTHONPATH": given} if (given := os.environ.get("PYTHONPATH")) else {}


def test_a_file_of_somebody_else_stays_and_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "theirs"
    path.touch(mode=0o644)

    def refused(_path: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(type(path), "chmod", refused)
    with capture_logs() as logs:
        assert private.close_to_others(path)
    assert [(log["event"], log["error"]) for log in logs] == [
        ("open_to_others", "Operation not permitted")
    ]
