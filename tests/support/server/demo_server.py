"""A provider's server as a user starts it: `account-credit serve --demo`, a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import httpx

from tests.support import servers
from tests.support.server.api_client import Portal
from tests.support.server.forked import Forked
from tests.support.server.people import findings, sign_ins, signed_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class DemoServer:
    """A server on a database. Several may share one."""

    folder: Path
    database_url: str
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=servers.free_port)
    connections: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)
    _strangers: dict[str, list[Portal]] = field(default_factory=dict)
    _process: Forked | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.port}.log"

    # ------------------------------------------------------------------------- the processes

    def start(self) -> None:
        """Serve, and return when it does."""
        with self.log.open("a") as log:
            self._process = Forked(
                self._command("serve", "--demo"), self.folder, self._environment(), log.fileno()
            )
        # It prints its addresses once it listens; whoever connects from then on is answered.
        assert self._process.stdout.readline(), self.log.read_text()
        ready = httpx.get(f"{self.url}/readyz", timeout=120)
        assert ready.status_code == 200, ready.text

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """End the server; what it exits with."""
        assert self._process is not None
        with self._process as process:
            process.send_signal(signal_number)
            return process.wait(30)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What `account-credit …` answers."""
        with (
            TemporaryFile("w+") as log,
            Forked(
                self._command(*command), self.folder, self._environment(), log.fileno()
            ) as process,
        ):
            said = process.stdout.read()
            code = process.wait(120)
            log.seek(0)
            return subprocess.CompletedProcess(list(command), code, said, log.read())

    def assert_nothing_broke(self) -> None:
        """No request has ended in a fault of ours."""
        lines = self.log.read_text().splitlines()
        broken = [line for line in lines if '"level":"error"' in line or "Traceback" in line]
        assert broken == []

    def _command(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "api", *command]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "DATABASE_URL": self.database_url,
            "PORT": str(self.port),
            "SECRET_KEY": SECRET,
            "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "LOG_FORMAT": "json",
            # Two more processes a server, at work after each payment: few tests look at documents.
            "PDF_AHEAD": "0",
            **self.environment,
        }

    # ------------------------------------------------------------------------- the people

    @cached_property
    def demo(self) -> dict[str, Any]:
        """Who can sign in, and with what: as `account-credit demo --json` tells."""
        return sign_ins(self.database_url, SECRET)

    @cached_property
    def staff(self) -> Portal:
        return self.portal(token=self.demo["staff"]["token"])

    @cached_property
    def partner(self) -> Portal:
        return self.portal(token=self.demo["partner"]["key"])

    def portal(self, headers: Mapping[str, str] | None = None, /, **who: str) -> Portal:
        """Somebody who asks, with cookies of their own; without `who`, nobody."""
        http = httpx.Client(transport=self.connections, headers=headers, timeout=30)
        return Portal(self.url, http, **who)

    def new_client(self, currency: str = "USD", credit: str = "0") -> Portal:
        """A client who has just signed up and signed in, with `credit` on the account."""
        waiting = self._strangers.setdefault(currency, [])
        if not waiting:
            people = signed_up(self.database_url, SECRET, currency)
            waiting += [self.portal(**person) for person in people]
        client = waiting.pop()
        if credit != "0":
            self.staff.do(
                "adjustCredit",
                "balance { version }",
                accountId=client.account_id,
                amount=client.money(credit),
                reason="Moved from the old portal",
            )
        return client

    def vouchers(self, amount: str = "10.00", currency: str = "USD", **how: object) -> list[str]:
        money = {"amount": amount, "currency": currency}
        codes: list[str] = self.staff.do("issueVouchers", "codes", amount=money, **how)["codes"]
        return codes


@contextmanager
def open_demo_server(
    folder: Path, databases: servers.Databases, **environment: str
) -> Iterator[DemoServer]:
    """A server on a filled database; in the end its books add up and nothing has broken."""
    server = DemoServer(folder, databases.filled(), environment)
    # Now: later a browser may have this thread's event loop in hand.
    assert server.demo
    server.start()
    try:
        yield server
        assert findings(server.database_url) == []
    finally:
        server.connections.close()
        server.stop()
    server.assert_nothing_broke()
    databases.drop(server.database_url)
