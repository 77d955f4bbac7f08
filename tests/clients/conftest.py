"""A server that answers registered documents only, the clients' own origin, and a browser."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.browser.chromium import OPTIONS
from tests.support.browser.client_builds import CLIENTS, WHY, built
from tests.support.browser.client_pages import served
from tests.support.browser.network import TcpProxy, tcp_proxy
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.servers import SqliteDatabases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.browser.client_visitor import Visit, Visitor

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's own Chromium; CHROMIUM names another."""
    names = (os.environ.get("CHROMIUM", ""), *_CHROMIUM)
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        pytest.skip(f"{WHY}: there is no chromium on PATH")
    pytest.importorskip("playwright.sync_api", reason=f"{WHY}: there is no playwright")
    return found


@pytest.fixture(scope="module")
def origin(proxies: list[TcpProxy]) -> Iterator[str]:
    """Where the clients' pages are."""
    with served(
        lambda client: built(client) / "dist", lambda: f"http://127.0.0.1:{proxies[0].port}"
    ) as origin:
        yield origin


@pytest.fixture(scope="module")
def proxies() -> list[TcpProxy]:
    """The proxy before the server, once there is one."""
    return []


@pytest.fixture(scope="module")
def server(
    chromium: str, origin: str, proxies: list[TcpProxy], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    """A server that knows the clients' documents, and answers nothing else.

    On SQLite whatever is tested: browsers do not see the database.
    """
    assert chromium
    with ThreadPoolExecutor() as pool:
        folders = dict(zip(CLIENTS, pool.map(built, CLIENTS), strict=True))
    folder = tmp_path_factory.mktemp("clients")
    only = {"ALLOWED_ORIGINS": origin, "PERSISTED_DOCUMENTS": "only"}
    with (
        open_demo_server(folder, SqliteDatabases(folder), **only) as server,
        tcp_proxy(server.port) as own,
    ):
        proxies.append(own)
        for client, documents in CLIENTS.items():
            done = server.run("documents", "import", str(folders[client] / documents))
            assert done.returncode == 0, done.stderr
        # Signing up runs an event loop of this thread's, which a browser has in hand afterwards.
        server.new_client()
        yield server


@pytest.fixture(scope="module")
def browser(chromium: str, server: DemoServer) -> Iterator[Browser]:
    """Chromium, which ends before its server does."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where it is

    assert server.url
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, server: DemoServer, origin: str) -> Iterator[Visit]:
    """Opens one of the clients for somebody new; in the end its console has been told nothing."""
    from tests.support.browser.client_visitor import Visitor  # noqa: PLC0415 - as above

    opened: list[Visitor] = []

    def visit(client: str) -> Visitor:
        opened.append(Visitor.arrive(browser, server.new_client(), f"{origin}/{client}/"))
        return opened[-1]

    yield visit
    for visitor in opened:
        visitor.leave()
