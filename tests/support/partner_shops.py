"""The small partners of tests/clients, as programs that a test runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.support.javascript import made_once

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS: Final = Path(__file__).parents[1] / "clients"
SCHEMA: Final = CLIENTS.parents[1] / "schema" / "schema.graphql"
PYTHON: Final = CLIENTS / "partner-python"
PHP: Final = CLIENTS / "partner-php"


@dataclass
class Shop:
    """A partner's program, and where it keeps what it knows."""

    program: list[str]
    receiver: list[str]
    environment: dict[str, str]
    folder: Path
    port: int

    def do(self, command: str, *arguments: str) -> Any:
        """What a command prints; fails where it fails."""
        done = self._run(command, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def refused(self, command: str, *arguments: str) -> str:
        """What a command that is refused says."""
        done = self._run(command, *arguments)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.program, command, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Deliveries are taken meanwhile."""
        with subprocess.Popen(
            self.receiver,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                until(lambda: answers(self.url))
                yield
            finally:
                process.send_signal(signal.SIGTERM)

    def heard(self, how: str) -> list[str]:
        """The types of the events that came that way."""
        return [kind for _, _, kind, way in self.do("heard") if way == how]


def until(holds: Any, seconds: float = 30) -> None:
    """Wait until it does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never did"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=5)
    except httpx.HTTPError:
        return False
    return True


def python_shop() -> list[str]:
    """The shop in Python, with its packages and the client that is made from the schema."""
    files = [SCHEMA, *sorted(path for path in PYTHON.iterdir() if path.is_file())]
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("NOT TESTED with the partner in Python: there is no uv")

    def build(folder: Path) -> None:
        for file in files:
            shutil.copyfile(file, folder / file.name)
        run = partial(
            subprocess.run, cwd=folder, capture_output=True, text=True, check=False, timeout=240
        )
        run([uv, "venv", "--clear", ".venv"])
        install = [uv, "pip", "install", "--python", ".venv", "--require-hashes"]
        done = run([*install, "-r", "requirements.txt"])
        if done.returncode:
            pytest.skip(f"NOT TESTED with the partner in Python: {done.stderr.strip()[-200:]}")
        path = f"{folder}/.venv/bin:{os.environ['PATH']}"
        made = run([".venv/bin/ariadne-codegen"], env={**os.environ, "PATH": path})
        assert made.returncode == 0, made.stdout + made.stderr

    folder = made_once("partner-python", [f.name.encode() + f.read_bytes() for f in files], build)
    return [str(folder / ".venv" / "bin" / "python"), str(folder / "shop.py")]


def php_with_curl() -> str:
    php = shutil.which("php")
    if php is None:
        pytest.skip("NOT TESTED with the partner in PHP: there is no php on PATH")
    modules = subprocess.run([php, "-m"], capture_output=True, text=True, check=True)
    if "curl" not in modules.stdout.split():
        pytest.skip("NOT TESTED with the partner in PHP: it has no cURL")
    return php
