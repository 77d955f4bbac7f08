"""Where log lines go: to a stream, and while a server runs from a thread of its own.

Then nobody who logs waits for a terminal, a pipe or a disk. Lines keep their order, are written
soon and many at a time, and all of them before the thread ends. Whoever reads them may be so slow
that too many wait: the newest are left out, and the log says how many.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

#: How long a line waits for others, to be written together with them.
_LINGER_SECONDS: Final = 0.02
#: How many characters may wait.
_CHARS_MAX: Final = 8 * 2**20
#: How long the end waits for a reader that takes nothing.
_GOODBYE_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


class Writer:
    """Takes whole lines, as a stream of `logging` and structlog: `write` and `flush`."""

    def __init__(self, stream: TextIO, *, chars_max: int = _CHARS_MAX) -> None:
        self._stream = stream
        self._chars_max = chars_max
        self._lines: list[str] = []
        self._chars = 0
        self._lost = 0
        # A line may be logged while another is put down: by a signal's handler, or a finalizer.
        self._lock = RLock()
        self._waiting = Event()
        self._ending = Event()
        self._thread: Thread | None = None

    def write(self, text: str) -> None:
        """Put lines down, to be written soon; at once where no thread does it."""
        if self._thread is None:
            self._stream.write(text)
            return
        with self._lock:
            if self._chars + len(text) > self._chars_max:
                self._lost += 1
                return
            self._lines.append(text)
            self._chars += len(text)
        if not self._waiting.is_set():
            self._waiting.set()

    def flush(self) -> None:
        """Nobody waits for the thread."""
        if self._thread is None:
            self._stream.flush()

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Write from a thread in here, to the stream's file; in the end all has been written."""
        self._stream.flush()
        self._ending.clear()
        # Its own: the stream may be closed while a reader keeps the thread.
        file = os.dup(self._stream.fileno())
        self._thread = Thread(target=self._run, args=(file,), name="log", daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._waiting.set()
            self._thread.join(_GOODBYE_SECONDS)
            if not self._thread.is_alive():  # else its reader would now keep whoever logs
                self._thread = None

    def _run(self, file: int) -> None:
        while not self._ending.is_set():
            self._waiting.wait()
            self._ending.wait(_LINGER_SECONDS)
            self._write_waiting(file)
        self._write_waiting(file)
        os.close(file)

    def _write_waiting(self, file: int) -> None:
        with self._lock:
            self._waiting.clear()
            lines, self._lines, self._chars = self._lines, [], 0
        try:
            _put(file, "".join(lines).encode(errors="backslashreplace"))
        except OSError:  # the disk is full, or the reader gone
            with self._lock:
                self._lost += len(lines)
            return
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            log.warning("log_lines_lost", lines=lost)


def _put(file: int, data: bytes) -> None:
    # Past Python's own buffer: its lock, held by a thread that waits, would end the process in an
    # error.
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
