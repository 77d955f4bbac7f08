"""A server, a browser for each file, and visitors who must meet no error."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from api.html.portal import STATIC
from tests.support.browser.portal_visitor import Visitor, browsing
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.browser.portal_visitor import Visit
    from tests.support.servers import Databases

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's own Chromium; CHROMIUM names another."""
    names = (os.environ.get("CHROMIUM", ""), *_NAMES)
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        pytest.skip("NOT TESTED in a browser: there is no chromium on PATH")
    if not (STATIC / "manifest.json").exists():
        pytest.skip("NOT TESTED in a browser: api/static has not been built (make setup)")
    return found


@pytest.fixture(scope="session")
def server(
    chromium: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    """The server of this worker; every visitor is a client of their own."""
    assert chromium
    with open_demo_server(tmp_path_factory.mktemp("portal-server"), databases) as server:
        yield server


@pytest.fixture(scope="module")
def browser(chromium: str, server: DemoServer) -> Iterator[Browser]:
    """Chromium, which ends before its server does."""
    assert server.url
    with browsing(chromium) as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, server: DemoServer) -> Iterator[Visit]:
    """Opens the portal for a client in a browser of their own; in the end nothing was logged."""
    opened: list[Visitor] = []

    def visit(credit: str = "0", currency: str = "USD", **how: object) -> Visitor:
        opened.append(Visitor.arrive(browser, server, credit, currency, how))
        return opened[-1]

    yield visit
    for visitor in opened:
        visitor.leave()
