"""Two small partners, in Python and PHP: from opening an account to catching up on events."""

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

from tests.support import servers
from tests.support.javascript import made_once
from tests.support.server.api_client import at_sandbox
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Databases

pytestmark = pytest.mark.once

SCHEMA: Final = Path(__file__).parents[2] / "schema" / "schema.graphql"
PYTHON: Final = Path(__file__).parent / "partner-python"
PHP: Final = Path(__file__).parent / "partner-php"
#: What of a journey a shop may do with its key.
SCOPES: Final = (
    "accounts:write",
    "funds:write",
    "invoices:write",
    "credit:read",
    "credit:hold",
    "webhooks:manage",
)


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    with open_demo_server(tmp_path_factory.mktemp("server"), databases) as server:
        yield server


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


@pytest.fixture(params=["python", "php"])
def shop(request: pytest.FixtureRequest, server: DemoServer, tmp_path: Path) -> Shop:
    """A shop with a key of its own, that nobody has used yet."""
    port = servers.free_port()
    if request.param == "python":
        program = python_shop()
        receiver = [*program, "listen", str(port)]
    else:
        php = php_with_curl()
        program = [php, str(PHP / "shop.php")]
        receiver = [php, "-S", f"127.0.0.1:{port}", str(PHP / "webhook.php")]
    key = server.staff.do(
        "createApiKey", "token", partner=f"Shop in {request.param}", name="shop", scopes=SCOPES
    )
    environment = {
        "PATH": os.environ["PATH"],
        "API": server.url,
        "API_KEY": key["token"],
        "SHOP": str(tmp_path / "shop"),
    }
    return Shop(program, receiver, environment, tmp_path, port)


def test_a_shop_opens_an_account_funds_it_bills_reserves_hears_and_catches_up(
    shop: Shop, server: DemoServer
) -> None:
    client = str(shop.port)
    with shop.listening():
        shop.do("connect", shop.url)
        ada = ("open_account", client, "Ada Turing", f"ada-{client}@client.example")
        account = shop.do(*ada)
        assert shop.do(*ada) == account, "the same call again is the same account"
        page = shop.do("add_funds", client, "50.00", f"F-{client}")
        at_sandbox({"nextAction": {"url": page}}, "approve")
        until(lambda: "credit.changed" in shop.heard("webhook"))
        assert shop.do("bill", client, "12.00", f"A-{client}") == "PAID"
        assert shop.do("reserve", client, "20.00", f"B-{client}") == "OPEN"
        assert shop.do("bill_reserved", f"B-{client}", "15.50") == "PAID"
        until(lambda: "hold.captured" in shop.heard("webhook"))
        assert shop.refused("bill_reserved", f"B-{client}", "1.00")
    # It is away: what happens meanwhile it reads afterwards, and nothing of it twice.
    assert shop.do("bill", client, "1.00", f"C-{client}") == "PAID"
    until(lambda: shop.do("catch_up") and "invoice.paid" in shop.heard("feed"))
    numbers = [number for _, number, _, _ in shop.do("heard")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {*shop.heard("webhook"), *shop.heard("feed")} >= {
        "account.created",
        "invoice.issued",
        "invoice.paid",
        "payment.begun",
        "payment.succeeded",
        "credit.changed",
        "hold.reserved",
        "hold.captured",
    }
    told = server.staff.ask(
        "query ($id: ID!) { account(id: $id) { balance { ...Left } } }"
        " fragment Left on Balance { available { amount } reserved { amount } }",
        id=account,
    )
    assert told["account"]["balance"] == {
        "available": {"amount": "21.50"},
        "reserved": {"amount": "0.00"},
    }


def test_a_delivery_that_is_not_signed_with_the_secret_is_not_believed(shop: Shop) -> None:
    with shop.listening():
        shop.do("connect", shop.url)
        event = {"id": "evt_1", "type": "invoice.paid", "sequence": 1, "externalId": "1"}
        forged = httpx.post(
            shop.url,
            json=event,
            headers={
                "webhook-id": "evt_1",
                "webhook-timestamp": str(int(time.time())),
                "webhook-signature": "v1,Zm9yZ2Vk",
            },
        )
        assert forged.status_code == 401
        assert shop.do("heard") == []
