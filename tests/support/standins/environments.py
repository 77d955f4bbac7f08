"""Pretended providers that others wrote, each in a virtual environment of its own.

An environment is made once and kept in `.cache/standins`; its name is what is in it. Where it
cannot be made (no network, no such package), the tests that need it are skipped and say why.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).parents[3]
CACHE: Final = ROOT / ".cache" / "standins"
_START_SECONDS: Final = 120
_LOOK_SECONDS: Final = 0.2
_INSTALL_SECONDS: Final = 240


def python_of(name: str, *installs: Sequence[str]) -> Path:
    """The Python of an environment in which `uv pip install` has run with each of `installs`.

    Skips the test where it cannot be made.
    """
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip(f"{name}: there is no uv to make its environment with")
    what = hashlib.sha256(repr((sys.version_info[:2], installs)).encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{what}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other workers of this run want it as well
        if not (folder / "made").exists():
            _make(name, uv, folder, installs)
    return folder / "bin" / "python"


def _make(name: str, uv: str, folder: Path, installs: Sequence[Sequence[str]]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    environment = {**os.environ, "VIRTUAL_ENV": str(folder)}
    commands = [
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        *([uv, "pip", "install", "--quiet", *install] for install in installs),
    ]
    for command in commands:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS,
        )
        if done.returncode:
            pytest.skip(f"{name} cannot be installed: {done.stderr.strip()[-300:]}")
    (folder / "made").touch()


@contextmanager
def running(
    name: str, command: Sequence[str | Path], url: str, log: Path, environment: Mapping[str, str]
) -> Iterator[None]:
    """A stand-in that runs, once `url` answers anything at all."""
    with (
        log.open("a") as out,
        subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=out, stderr=out, cwd=log.parent
        ) as process,
    ):
        try:
            _wait_for(name, process, url, log)
            yield
        finally:
            process.terminate()


def _wait_for(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = monotonic() + _START_SECONDS
    while not _answers(url):
        if _has_ended(process) or monotonic() > until:
            pytest.fail(f"{name} does not start:\n{log.read_text()}")


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=_START_SECONDS)
    except httpx.TransportError:
        return False
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ends while we look."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LOOK_SECONDS)
    return process.returncode is not None
