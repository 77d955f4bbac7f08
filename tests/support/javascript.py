"""What tests need of npm: packages that are installed once, and builds that are made once.

Both are kept in the user's cache folder by the hash of what they were made from. Where they cannot
be had (no network, no tool) a test skips and says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

INSTALL_SECONDS: Final = 240

_SETTINGS: Final = {
    "DENO_NO_UPDATE_CHECK": "1",
    "DENO_TLS_CA_STORE": "system,mozilla",
    "NO_COLOR": "1",
}


def made_once(name: str, of: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """A folder that `make` has filled, now or in an earlier run, of what these bytes say."""
    digest = hashlib.sha256()
    for part in of:
        digest.update(hashlib.sha256(part).digest())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "account-credit-tests" / f"{name}-{digest.hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers may come at once
        if not (folder / "made").exists():
            make(folder)
            (folder / "made").touch()
    return folder


def npm_packages(source: Path, why: str) -> Path:
    """Where `node_modules` is that npm has installed for the package.json in `source`.

    Skips with `why` where node, npm or the network is missing.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip(f"{why}: node and npm are not on PATH")
    manifest = (source / "package.json").read_bytes()
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]

    def install(folder: Path) -> None:
        (folder / "package.json").write_bytes(manifest)
        _install(command, folder, why)

    return made_once("npm", [manifest], install)


def deno_packages(source: Path, why: str) -> Path:
    """Where `node_modules` is that deno has installed for the package.json and deno.lock in
    `source`.

    Skips with `why` where deno or the network is missing.
    """
    command = [deno(why), "install", "--frozen", "--quiet"]
    names = ("package.json", "deno.json", "deno.lock")

    def install(folder: Path) -> None:
        for name in names:
            shutil.copyfile(source / name, folder / name)
        _install(command, folder, why)

    return made_once("deno", [(source / name).read_bytes() for name in names], install)


def deno(why: str) -> str:
    """The deno of this environment, or of PATH. Skips with `why` where there is none."""
    beside = Path(sys.executable).parent
    found = shutil.which("deno", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{why}: there is no deno")
    return found


def task(name: str, folder: Path, why: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a script of the package.json in `folder` says."""
    return _run([deno(why), "task", "--quiet", name], folder, environment)


def run(script: str, folder: Path, why: str) -> subprocess.CompletedProcess[str]:
    """What a script that needs no packages says."""
    return _run([deno(why), "run", "--no-lock", "--no-config", script], folder)


def _install(command: Sequence[str], folder: Path, why: str) -> None:
    done = _run(command, folder)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "rror" in line), command[0])
        pytest.skip(f"{why}: its packages can't be installed: {said}")


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **_SETTINGS, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )
