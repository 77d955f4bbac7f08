"""Staff who must set up a second step are led to it by the portal's sign-in page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from api.demo import PASSWORD, STAFF_EMAIL
from tests.support.browser.looks import serious, settle
from tests.support.browser.portal_visitor import Visitor
from tests.support.factors import code_of
from tests.support.server.demo_server import open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.server.demo_server import DemoServer
    from tests.support.servers import Databases

pytestmark = pytest.mark.once

WAYS: dict[str, dict[str, Any]] = {
    "desktop-en": {},
    "phone-ja": {"viewport": {"width": 360, "height": 740}, "locale": "ja-JP"},
}


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """A server whose staff must have a second factor."""
    folder = tmp_path_factory.mktemp("strict-server")
    with open_demo_server(folder, databases, STAFF_SECOND_FACTOR="required") as server:
        yield server


def enter(page: Page) -> None:
    page.goto("/")
    page.locator("#email").fill(STAFF_EMAIL)
    page.locator("#password").fill(PASSWORD)
    page.locator("form .button.primary").click()


def looks_right(page: Page) -> None:
    settle(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("way", WAYS)
def test_staff_set_up_what_they_must_and_sign_in_with_it(
    browser: Browser, server: DemoServer, way: str
) -> None:
    visitor = Visitor.open(browser, server, server.portal(), {"base_url": server.url, **WAYS[way]})
    page, staff = visitor.page, server.portal()
    enter(page)
    expect(page.locator(".notice.warn")).to_be_visible()
    looks_right(page)
    page.locator(".people > li").first.get_by_role("button").click()
    secret = page.locator(".secret").inner_text()
    page.locator("#totp").fill(code_of(secret, -1))
    page.locator(".factor .button.primary").click()
    expect(page.locator(".codes li")).to_have_count(10)
    expect(page.locator(".notice.good")).to_be_visible()
    looks_right(page)
    # They may do what staff may, now.
    asked = "fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'},"
    asked += " body: JSON.stringify({query: '{ accounts(first: 1) { edges { node { id } } } }'})})"
    answer = page.evaluate(f"{asked}.then((response) => response.json())")
    assert len(answer["data"]["accounts"]["edges"]) == 1
    page.locator(".factor .button.primary").click()
    page.locator(".settings > .button").click()
    expect(page.locator("#email")).to_be_visible()
    enter(page)
    page.locator("#second").fill(code_of(secret))
    page.locator("form .button.primary").click()
    expect(page.locator(".notice.good")).to_be_visible()
    expect(page.locator(".people > li")).to_have_count(3)
    assert staff.error("{ accounts(first: 1) { totalCount } }") == "UNAUTHENTICATED"
    page.locator(".people > li").first.locator(".button.quiet").click()
    page.locator("#factor-password").fill(PASSWORD)
    page.locator(".factor .button.danger").click()
    expect(page.locator(".notice.warn")).to_be_visible()
    visitor.leave()
