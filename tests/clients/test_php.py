"""The add-on for WHMCS: PHP takes it, and a browser gets its own client's token and no more."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from graphql import build_schema, parse, validate

from tests.support import servers
from tests.support.server.api_client import nodes
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = Path(__file__).parents[2] / "schema" / "schema.graphql"
FOLDER = Path(__file__).parent / "php"
ADD_ON = FOLDER / "account_credit.php"
#: What WHMCS does before it calls the add-on: it knows who is signed in, and the settings.
WHMCS = """<?php
define('WHMCS', true);
$_SESSION = ['uid' => {client}];
require {add_on!r};
account_credit_clientarea(['ApiUrl' => {api!r}, 'ApiKey' => {key!r}]);
"""


@pytest.fixture
def php() -> str:
    found = shutil.which("php")
    if found is None:
        pytest.skip("NOT TESTED with PHP: there is no php on PATH")
    modules = subprocess.run([found, "-m"], capture_output=True, text=True, check=True)
    if "curl" not in modules.stdout.split():
        pytest.skip("NOT TESTED with PHP: it has no cURL")
    return found


class Backend(BaseHTTPRequestHandler):
    """The API as far as the add-on asks it; `answer` is what it says."""

    asked: list[tuple[str, dict[str, Any]]]
    answer: dict[str, Any]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((self.headers["authorization"], body))
        content = json.dumps(self.answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def backend() -> Iterator[tuple[str, type[Backend]]]:
    class Own(Backend):
        asked = []  # noqa: RUF012 - one a test
        answer = {  # noqa: RUF012 - as above
            "data": {"createClientSession": {"token": "a-token", "userErrors": []}}
        }

    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", Own
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def whmcs(
    php: str, folder: Path, api: str, client: int, key: str = "key-of-the-partner"
) -> Iterator[str]:
    """The address of the add-on's page, for the client who is signed in; 0 is nobody."""
    page, port = folder / "index.php", servers.free_port()
    page.write_text(WHMCS.format(client=client, add_on=str(ADD_ON), api=api, key=key))
    with subprocess.Popen([php, "-S", f"127.0.0.1:{port}", page], stderr=subprocess.DEVNULL) as run:
        try:
            url = f"http://127.0.0.1:{port}/index.php?m=account_credit"
            for _ in range(100):
                try:
                    httpx.get(url)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield url
        finally:
            run.terminate()


def test_php_takes_it(php: str) -> None:
    done = subprocess.run([php, "-l", ADD_ON], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_gets_a_token_for_the_client_who_is_signed_in(
    php: str, tmp_path: Path, backend: tuple[str, type[Backend]]
) -> None:
    api, own = backend
    with whmcs(php, tmp_path, api, client=42) as page:
        first, second = (httpx.post(f"{page}&action=token") for _ in range(2))
    assert (first.status_code, first.text) == (second.status_code, second.text) == (200, "a-token")
    assert first.headers["cache-control"] == "no-store"
    (key, body), (_, again) = own.asked
    assert key == "Bearer key-of-the-partner"
    given = body["variables"]["input"]
    assert (given["externalId"], given["expiresInSeconds"]) == ("42", 300)
    assert given["idempotencyKey"] != again["variables"]["input"]["idempotencyKey"]


def test_nobody_and_no_link_gets_one(
    php: str, tmp_path: Path, backend: tuple[str, type[Backend]]
) -> None:
    api, own = backend
    with whmcs(php, tmp_path, api, client=0) as page:
        assert httpx.post(f"{page}&action=token").status_code == 401
        assert httpx.get(f"{page}&action=portal").status_code == 401
    with whmcs(php, tmp_path, api, client=42) as page:
        assert httpx.get(f"{page}&action=token").status_code == 405
    assert own.asked == []


def test_what_the_api_says_is_not_told_to_the_browser(
    php: str, tmp_path: Path, backend: tuple[str, type[Backend]]
) -> None:
    api, own = backend
    refusal = {"code": "NOT_FOUND", "message": "There is no such account.", "field": ["externalId"]}
    answers: list[dict[str, Any]] = [
        {"data": {"createClientSession": {"token": None, "userErrors": [refusal]}}},
        {"errors": [{"message": "Sign in first.", "extensions": {"code": "UNAUTHENTICATED"}}]},
        {},
    ]
    with whmcs(php, tmp_path, api, client=42) as page:
        for own.answer in answers:
            answer = httpx.post(f"{page}&action=token")
            assert (answer.status_code, answer.text) == (502, "")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DemoServer]:
    with open_demo_server(tmp_path, servers.SqliteDatabases(tmp_path)) as server:
        yield server


def viewer(browser: httpx.Client, server: DemoServer, token: str = "") -> Any:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    asked = {"query": "{ viewer { role account { externalId } } }"}
    answer = browser.post(f"{server.url}/graphql", json=asked, headers=headers)
    return answer.json()["data"]["viewer"] if answer.status_code == 200 else answer.status_code


def test_a_real_server_lets_in_whom_it_hands_over_until_its_key_is_revoked(
    php: str, tmp_path: Path, server: DemoServer
) -> None:
    given = {"name": "Ada", "email": "ada@whmcs.example", "currency": "USD", "externalId": "42"}
    server.partner.do("createAccount", "account { id }", **given)
    key = server.demo["partner"]["key"]
    ada = {"role": "CLIENT", "account": {"externalId": "42"}}
    with whmcs(php, tmp_path, server.url, 42, key) as page, httpx.Client() as browser:
        token = browser.post(f"{page}&action=token").text
        assert viewer(browser, server, token) == ada
        assert viewer(browser, server) is None
        sent = browser.get(f"{page}&action=portal")
        assert (sent.status_code, sent.headers["cache-control"]) == (303, "no-store")
        link = sent.headers["location"]
        arrived = browser.get(link)
        assert (arrived.status_code, arrived.headers["location"]) == (303, f"{server.url}/")
        assert viewer(browser, server) == ada
        assert httpx.get(link).status_code == 410
        keys = server.staff.ask("{ apiKeys(first: 50) { edges { node { id prefix } } } }")
        [mine] = [one["id"] for one in nodes(keys["apiKeys"]) if one["prefix"] in key]
        server.staff.do("revokeApiKey", "apiKey { revokedAt }", apiKeyId=mine)
        assert viewer(browser, server) is None
        assert viewer(browser, server, token) == 401
        assert browser.post(f"{page}&action=token").status_code == 502
        assert browser.get(f"{page}&action=portal").status_code == 502
    other = tmp_path / "other"
    other.mkdir()
    with whmcs(php, other, server.url, 43, key) as page:
        assert httpx.get(f"{page}&action=portal").status_code == 502


def test_what_it_asks_is_in_the_schema() -> None:
    [document] = re.findall(r"<<<'GRAPHQL'\n(.*?)\nGRAPHQL;", ADD_ON.read_text(), re.DOTALL)
    schema = build_schema(SCHEMA.read_text(encoding="utf-8"))
    assert validate(schema, parse(document)) == []
    given = re.search(r"'input' => \[(.*?)\]", ADD_ON.read_text(), re.DOTALL)
    assert given is not None
    fields = schema.type_map["CreateClientSessionInput"].fields  # type: ignore[attr-defined]
    assert set(re.findall(r"'(\w+)' =>", given[1])) <= fields.keys()


def test_the_key_stays_on_the_server() -> None:
    for file in [*FOLDER.glob("*.js"), *FOLDER.rglob("*.tpl")]:
        assert "ApiKey" not in file.read_text(encoding="utf-8")
    [shown] = re.findall(r"'vars' => \[(.*?)\]", ADD_ON.read_text(encoding="utf-8"), re.DOTALL)
    assert "ApiKey" not in shown


def test_the_page_asks_where_the_add_on_answers() -> None:
    page = (FOLDER / "account_credit.js").read_text(encoding="utf-8")
    [action] = re.findall(r"action=(\w+)", page)
    assert f"($_GET['action'] ?? '') === '{action}'" in ADD_ON.read_text(encoding="utf-8")
    assert 'method: "POST"' in page
