"""A test that is skipped without a known reason fails the run, whoever ran it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKIPPED = """import pytest

def test_one() -> None:
    pytest.skip({reason!r})

def test_two() -> None:
    pass
"""


@pytest.mark.parametrize(
    ("reason", "workers", "status"),
    [
        ("it is too slow", "0", 1),
        ("not wanted, so NOT TESTED", "2", 1),
        ("NOT TESTED in a browser: there is no chromium on PATH", "2", 0),
    ],
)
def test_only_a_known_reason_may_skip(
    tmp_path: Path, reason: str, workers: str, status: int
) -> None:
    written = tmp_path / "test_skipped.py"
    written.write_text(SKIPPED.format(reason=reason))
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "--rootdir", tmp_path, "--confcutdir", tmp_path, written],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("does not say why" in done.stdout) == bool(status)
