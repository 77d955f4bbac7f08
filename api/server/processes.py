"""`serve --workers N`: a server of several processes, for all the cores of a machine.

They share one socket to listen on, one pool of PDF processes (in the parent, which serves nothing
itself), their metrics, and the background jobs, which one of them runs. One that ends is replaced.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import contextmanager
from multiprocessing import parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from api.observe import logs
from api.pdf.shared_pool import hosted
from api.server.serve import configured, prepared
from api.server.shared import Shared
from api.settings.settings import SettingsError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from api.pdf.pool import Pool
    from api.settings.settings import Settings

    MakeApp = Callable[[Settings, Shared], Starlette]

#: How long a process may take from its start until it serves.
_START_SECONDS: Final = 60.0


def serve_in_processes(
    make_app: MakeApp,
    settings: Settings,
    bound: socket.socket,
    pool: Pool,
    ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT in WEB_CONCURRENCY processes; `ready` is called when all do.

    `make_app` is called in each of them: a function of a module. SIGHUP replaces one after the
    other. What keeps the first ones from serving is to have been looked for before.
    """
    with TemporaryDirectory(prefix="account-credit-") as folder:
        shared = Shared(folder)
        Path(shared.metrics).mkdir()
        # prometheus_client looks for it when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared.metrics
        config = _Config(make_app, settings, shared)
        with logs.in_background(), _in_thread(pool, shared.pdf_socket):
            _Processes(config, bound, ready).run()


class _Config(uvicorn.Config):
    """Uvicorn's, with what a new process makes its application of."""

    def __init__(self, make_app: MakeApp, settings: Settings, shared: Shared) -> None:
        super().__init__("", **configured(settings), workers=settings.web_concurrency)
        self.timeout_worker_healthcheck = int(_START_SECONDS)
        self.make_app = make_app
        self.settings = settings
        self.shared = shared


class _Process(multiprocess.Process):
    """One process that serves. Uvicorn's own would open the application in its way: see serve."""

    config: _Config

    def start(self) -> None:
        """Start it, and keep no hold on its end of the pipe: one that ends while asked is gone."""
        super().start()
        self.child_conn.close()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """What it does, from its start to its end."""
        gc.disable()  # as `serve` in a single process
        Thread(target=_end_with_parent, daemon=True).start()
        logs.configure(self.config.settings)
        try:
            app = self.config.make_app(self.config.settings, self.config.shared)
            self._server = prepared(app, self.config, lambda: None)
            with logs.in_background():
                super().target(sockets)
        except SettingsError as problem:
            # Not above, where it would come before api.observe and bring rich along.
            import structlog  # noqa: PLC0415

            log = structlog.get_logger(__name__)
            log.error("cannot_serve", problem=str(problem))  # noqa: TRY400 - it is a sentence
            sys.exit(STARTUP_FAILURE)


class _Processes(multiprocess.Multiprocess):
    """Uvicorn's supervisor."""

    config: _Config

    def __init__(self, config: _Config, bound: socket.socket, ready: Callable[[], None]) -> None:
        # The only way to have it start processes of ours.
        multiprocess.Process = _Process  # type: ignore[misc]
        super().__init__(config, [bound])
        self._ready = ready
        self._pids: set[int] = set()

    def init_processes(self) -> None:
        """Start them all, and say so when they serve."""
        super().init_processes()
        started = [one.wait_until_ready(_START_SECONDS, self.should_exit) for one in self.processes]
        if all(started):
            self._ready()

    def keep_subprocess_alive(self) -> None:
        """Replace those that have ended; what they had open is not counted any more."""
        super().keep_subprocess_alive()
        pids = {one.pid for one in self.processes if one.pid is not None}
        for pid in self._pids - pids:
            mark_process_dead(pid, self.config.shared.metrics)  # type: ignore[no-untyped-call]
        self._pids = pids


def _end_with_parent() -> None:
    """Serve no longer than the parent, which may be killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _in_thread(pool: Pool, path: str) -> Iterator[None]:
    """Host the pool beside what this thread does."""
    open_, over = Event(), Event()

    async def host() -> None:
        async with hosted(pool, path):
            open_.set()
            await asyncio.to_thread(over.wait)

    thread = Thread(target=asyncio.run, args=[host()], name="pdf pool")
    thread.start()
    open_.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()
