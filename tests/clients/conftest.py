"""A server that answers registered documents only, the clients' own origin, and a browser."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.clients.builds import CLIENTS, WHY, built
from tests.clients.pages import served
from tests.clients.wire import Wire, wire
from tests.journeys.shop import Shop, open_shop
from tests.servers import SqliteDatabases

pytest.register_assert_rewrite("tests.clients.visitor")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.clients.visitor import Visitor

    Visit = Callable[[str], Visitor]

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
def origin(wires: list[Wire]) -> Iterator[str]:
    """Where the clients' pages are."""
    with served(
        lambda client: built(client) / "dist", lambda: f"http://127.0.0.1:{wires[0].port}"
    ) as origin:
        yield origin


@pytest.fixture(scope="module")
def wires() -> list[Wire]:
    """The wire to the server, once there is one."""
    return []


@pytest.fixture(scope="module")
def shop(
    chromium: str, origin: str, wires: list[Wire], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A server that knows the clients' documents, and answers nothing else.

    On SQLite whatever is tested: browsers do not see the database.
    """
    assert chromium
    with ThreadPoolExecutor() as pool:
        folders = dict(zip(CLIENTS, pool.map(built, CLIENTS), strict=True))
    folder = tmp_path_factory.mktemp("clients")
    only = {"ALLOWED_ORIGINS": origin, "PERSISTED_DOCUMENTS": "only"}
    with open_shop(folder, SqliteDatabases(folder), **only) as shop, wire(shop.port) as own:
        wires.append(own)
        for client, documents in CLIENTS.items():
            done = shop.run("documents", "import", str(folders[client] / documents))
            assert done.returncode == 0, done.stderr
        # Signing up runs an event loop of this thread's, which a browser has in hand afterwards.
        shop.new_client()
        yield shop


@pytest.fixture(scope="module")
def browser(chromium: str, shop: Shop) -> Iterator[Browser]:
    """Chromium, which ends before its server does."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where it is

    assert shop.url
    # In a container root has no sandbox to give it.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, shop: Shop, origin: str) -> Iterator[Visit]:
    """Opens one of the clients for somebody new; in the end its console has been told nothing."""
    from tests.clients.visitor import Visitor  # noqa: PLC0415 - as above

    opened: list[Visitor] = []

    def visit(client: str) -> Visitor:
        opened.append(Visitor.arrive(browser, shop.new_client(), f"{origin}/{client}/"))
        return opened[-1]

    yield visit
    for visitor in opened:
        visitor.leave()
