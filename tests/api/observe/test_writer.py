"""Lines that are written from a thread: all of them, in order, and nobody waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import pytest
from structlog.testing import capture_logs

from api.observe import writer as module
from api.observe.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.once


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Its reading end, and what writes to it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    with suppress(OSError):
        os.close(reading)


def test_all_lines_are_written_in_their_order_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as stream:
        writer = Writer(stream)
        writer.write("before\n")
        with writer.in_background():
            for number in range(10_000):
                writer.write(f"{number} é\n")
        writer.write("after\n")
        writer.flush()
    written = path.read_text(encoding="utf-8").splitlines()
    assert written == ["before", *(f"{number} é" for number in range(10_000)), "after"]


def test_a_line_is_written_although_no_other_follows(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    writer = Writer(stream)
    with writer.in_background():
        for line in (b"one\n", b"two\n"):
            writer.write(line.decode())
            assert os.read(reading, 100) == line


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as stream:
        writer = Writer(stream)

        def talk(name: str) -> None:
            for number in range(1_000):
                writer.write(f"{name} {number}\n")

        with writer.in_background():
            threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    lines = path.read_text().splitlines()
    for name in "abcd":
        own = [line for line in lines if line.startswith(name)]
        assert own == [f"{name} {number}" for number in range(1_000)]


def test_a_reader_that_takes_nothing_keeps_nobody_and_loses_the_newest(
    pipe: tuple[int, TextIO],
) -> None:
    reading, stream = pipe
    writer = Writer(stream, chars_max=1_000)
    with capture_logs() as logs:
        with writer.in_background():
            for number in range(100_000):  # more than a pipe holds
                writer.write(f"{number}\n")
            read: list[bytes] = []
            reader = threading.Thread(target=lambda: read.extend(_all_of(reading)))
            reader.start()
        stream.close()
        reader.join()
    assert {log["event"] for log in logs} == {"log_lines_lost"}
    lost = sum(log["lines"] for log in logs)
    kept = b"".join(read).split()
    assert lost > 0
    assert len(kept) + lost == 100_000
    assert kept == sorted(kept, key=int)


def _all_of(reading: int) -> Iterator[bytes]:
    while part := os.read(reading, 65_536):
        yield part


def test_the_end_waits_for_a_reader_that_takes_nothing_only_so_long(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, stream = pipe
    monkeypatch.setattr(module, "_GOODBYE_SECONDS", 0.01)
    writer = Writer(stream)
    with writer.in_background():
        writer.write("x" * 1_000_000)
    writer.write("nobody waits for this either\n")
    os.close(reading)  # its thread ends


def test_a_full_disk_ends_no_request_and_the_log_goes_on_after_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    told = _run(
        f"""
        with open({str(path)!r}, "w") as stream:
            writer = Writer(stream)
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))
            with writer.in_background():
                writer.write("lost\\n")
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            with writer.in_background():
                writer.write("kept\\n")
        """
    )
    assert path.read_text() == "kept\n"
    assert "log_lines_lost" in told.stdout
    assert "lines=1" in told.stdout


def test_what_was_logged_before_a_crash_is_written() -> None:
    told = _run(
        """
        with logs.in_background():
            structlog.get_logger().info("the last words")
            raise RuntimeError("crash")
        """
    )
    assert told.returncode == 1
    first, *rest = told.stderr.splitlines()
    assert json.loads(first)["event"] == "the last words"
    assert rest[-1] == "RuntimeError: crash"


def _run(program: str) -> subprocess.CompletedProcess[str]:
    """What a program of its own writes, with its log as a server has it."""
    lines = program.splitlines()
    body = "\n".join(line[8:] for line in lines)
    start = (
        "import resource, structlog\n"
        "from api.observe import logs\n"
        "from api.observe.writer import Writer\n"
        "from tests.support.application import demo_settings\n"
    )
    configured = "Writer(stream)" not in program
    setup = (
        'logs.configure(demo_settings("sqlite:////tmp/never-opened.db", log_format="json"))\n'
        if configured
        else ""
    )
    return subprocess.run(
        [sys.executable, "-c", start + setup + body],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
