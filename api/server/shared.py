"""What the processes of one server share: a folder that only its owner can read."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path

#: Its file descriptor stays open, and with it the lock, until the process ends, however it ends.
_held: list[object] = []


@dataclass(frozen=True, slots=True)
class Shared:
    """The folder of one server with several processes."""

    folder: str

    @property
    def pdf_socket(self) -> str:
        """Where the pool of PDF processes is asked."""
        return f"{self.folder}/pdf"

    @property
    def metrics(self) -> str:
        """Where each process leaves its metrics for the one that is asked for all."""
        return f"{self.folder}/metrics"

    def take_worker(self) -> bool:
        """Whether this is the process that runs the background jobs: the first that asks, and
        after its end the first that asks then.
        """
        lock = Path(self.folder, "worker").open("w")  # noqa: SIM115 - it stays open
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        _held.append(lock)
        return True
