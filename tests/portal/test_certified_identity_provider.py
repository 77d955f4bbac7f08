"""Signing in with a certified identity provider, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser.portal_visitor import Visitor
from tests.support.oidc_provider import certified_provider, free_port, setting
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.servers import Databases

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def at_certified(
    chromium: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    """A server with a certified provider beside it."""
    assert chromium
    port, folder = free_port(), tmp_path_factory.mktemp("with-certified-provider")
    issuer = f"http://127.0.0.1:{port}"
    with (
        open_demo_server(folder, databases, OIDC_PROVIDERS=setting(issuer)) as server,
        certified_provider(port, f"{server.url}/oidc/id/callback"),
    ):
        yield server


def test_a_certified_provider_is_understood(at_certified: DemoServer, browser: Browser) -> None:
    """It keeps the address out of the ID token, and names itself in its answer (RFC 9207)."""
    visitor = Visitor.arrive(browser, at_certified, "0", "USD", {})
    visitor.expected += ["Failed to load resource"]  # on its own pages
    visitor.page.get_by_role("link", name="Sign in with Example ID").click()
    visitor.page.locator("input[name=login]").fill("mina")
    visitor.page.locator("input[name=password]").fill("whatever")
    visitor.page.get_by_role("button", name="Sign-in").click()
    visitor.page.get_by_role("button", name="Continue").click()
    expect(visitor.page.get_by_text("Available Credit").first).to_be_visible()
    visitor.leave()
