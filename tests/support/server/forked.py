"""`account-credit …` in processes that begin with everything imported.

Importing takes one to two seconds of a processor, and a run of the tests starts hundreds of
processes. So one process imports, does nothing else, and forks those: each has an environment, a
folder, files and signals of its own and runs its module from the first line.

python -m tests.support.server.forked <descriptor of a socket>
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[3]
#: What commands import when they need it.
_IMPORTED: Final = (
    "aiosqlite",
    "asyncpg",
    "api.app",
    "api.cli.commands",
    "api.cli.main",
    "api.demo",
    "api.gateways.sandbox.gateway",
    "api.server.serve",
    "tortoise.backends.asyncpg.client",
    "tortoise.backends.sqlite.client",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)


class Forked:
    """A process that runs `python -m …`, as much like `subprocess.Popen` as its users need."""

    def __init__(self, command: list[str], cwd: Path, env: Mapping[str, str], stderr: int) -> None:
        """`stderr` stays the caller's; what it prints is read from `stdout`."""
        python, option, *self.args = command
        assert (python, option) == (sys.executable, "-m")
        self._socket, theirs = socket.socketpair()
        said, saying = os.pipe()
        with theirs, os.fdopen(saying, "wb"):
            socket.send_fds(_forks(), [b"f"], [theirs.fileno(), saying, stderr])
        task = {"args": self.args, "cwd": str(cwd), "env": dict(env)}
        self._socket.sendall(json.dumps(task).encode() + b"\n")
        self._told = self._socket.makefile("rb")
        self.stdout = os.fdopen(said)
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """What it has exited with."""
        if self.returncode is None and select.select([self._socket], [], [], 0)[0]:
            self.wait(None)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """What it exits with. Raises TimeoutExpired after as many seconds."""
        if self.returncode is None:
            if timeout is not None and not select.select([self._socket], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._socket.close()
        return self.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        self.stdout.close()


@cache
def _forks() -> socket.socket:
    """Where to ask for a process; its other end forks until this one ends."""
    ours, theirs = socket.socketpair()
    with theirs:
        forks = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        forks.wait()

    atexit.register(end)
    return ours


# ------------------------------------------------------------------------------- the one that forks


def _main(channel: socket.socket) -> None:
    for name in _IMPORTED:
        import_module(name)
    # What is there now is there for ever, and written to by nobody.
    gc.collect()
    gc.freeze()
    told = _Forks(channel).run()
    if told is not None:
        _become(told)


class _Forks:
    """Forks for whoever asks, and tells them how it ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: dict[int, socket.socket] = {}
        self._ended, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)

    def run(self) -> tuple[int, int, int] | None:
        """Return in each child, with its descriptors; and when nobody asks any more."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes)
        while True:
            ready, _, _ = select.select([self._channel.fileno(), self._ended], [], [])
            if self._ended in ready:
                os.read(self._ended, 1024)
                self._reap()
            if self._channel.fileno() in ready:
                asked, fds, _, _ = socket.recv_fds(self._channel, 1, 3)
                if not asked:
                    return None
                if (pid := os.fork()) == 0:
                    self._let_go()
                    return fds[0], fds[1], fds[2]
                self._born(pid, fds)

    def _born(self, pid: int, fds: list[int]) -> None:
        self._children[pid] = asker = socket.socket(fileno=fds[0])
        for fd in fds[1:]:
            os.close(fd)
        asker.sendall(b"%d\n" % pid)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._children.pop(pid) as asker:
                asker.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))

    def _let_go(self) -> None:
        """Nothing of the parent's is closed later, when its numbers are others' descriptors."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in (self._channel, *self._children.values()):
            one.detach()


def _become(fds: tuple[int, int, int]) -> None:
    """Run what is asked for, as a process that has just begun."""
    asker, out, err = fds
    with socket.socket(fileno=asker) as told:
        task = json.loads(told.makefile("rb").readline())
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(task["cwd"])
    os.environ.clear()
    os.environ.update(task["env"])
    time.tzset()
    module, *sys.argv[1:] = task["args"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
