"""Signing in with an identity provider, in a browser, at one that somebody else wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser.looks import serious, settle
from tests.support.browser.portal_visitor import Visitor
from tests.support.factors import code_of
from tests.support.oidc_provider import mock_provider, setting
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.servers import Databases

pytestmark = pytest.mark.once

MINA = {"sub": "mina", "email": "mina@client.example", "email_verified": True}
JONAS = {"sub": "jonas", "email": "jonas@client.example", "email_verified": True}
STRANGER = {"sub": "stranger", "email": "stranger@nowhere.example", "email_verified": True}
#: The provider's own pages load what is elsewhere.
THEIRS = ["Failed to load resource"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@pytest.fixture(scope="module")
def at_provider(
    chromium: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    """A server with an identity provider beside it."""
    assert chromium
    folder = tmp_path_factory.mktemp("with-provider")
    with (
        mock_provider(MINA, JONAS, STRANGER) as issuer,
        open_demo_server(folder, databases, OIDC_PROVIDERS=setting(issuer)) as server,
    ):
        yield server


@pytest.mark.parametrize(
    ("how", "button"),
    [
        ({}, "Sign in with Example ID"),
        ({**PHONE, "locale": "ja-JP"}, "Example IDでログイン"),
    ],
    ids=["desktop, English", "phone, Japanese"],
)
def test_the_button_leads_there_and_back_to_the_screen_that_was_asked_for(
    at_provider: DemoServer, browser: Browser, how: dict[str, object], button: str
) -> None:
    visitor = Visitor.arrive(browser, at_provider, "0", "USD", how)
    visitor.expected += THEIRS
    visitor.page.goto("/billing/transactions")
    expect(visitor.page.get_by_role("link", name=button)).to_be_visible()
    settle(visitor.page)
    assert serious(visitor.page) == []
    visitor.page.get_by_role("link", name=button).click()
    visitor.page.locator("button[name=sub][value=mina]").click()
    expect(visitor.page).to_have_url(f"{at_provider.url}/billing/transactions")
    # In her account's language, whatever the browser's is.
    expect(visitor.page.get_by_text("Available Credit").first).to_be_visible()
    visitor.leave()


@pytest.mark.parametrize(
    "how", [{}, {**PHONE, "locale": "ja-JP"}], ids=["desktop, English", "phone, Japanese"]
)
def test_a_second_factor_is_asked_for_and_then_the_screen_is_there(
    at_provider: DemoServer, browser: Browser, how: dict[str, object]
) -> None:
    visitor = Visitor.arrive(browser, at_provider, "0", "USD", how)
    visitor.expected += THEIRS
    page = visitor.page
    jonas = at_provider.portal(email="jonas@client.example")
    password = at_provider.demo["clients"][0]["password"]
    secret = jonas.set_up_app(password)
    told: list[str] = []
    page.on("request", lambda request: told.append(f"{request.url} {request.all_headers()}"))
    page.goto("/billing/transactions")
    page.locator(".providers a").click()
    page.locator("button[name=sub][value=jonas]").click()
    expect(page.locator("#second")).to_be_visible()
    assert page.url == f"{at_provider.url}/billing/transactions"
    assert not any("token=" in one for one in told)
    settle(page)
    assert serious(page) == []
    page.locator("#second").fill("000000")
    page.locator("form .button.primary").click()
    expect(page.locator("#second-error")).to_be_visible()
    page.locator("#second").fill(code_of(secret))
    page.locator("form .button.primary").click()
    expect(page.locator(".link.live")).to_be_visible()
    assert page.url == f"{at_provider.url}/billing/transactions"
    page.go_back()
    assert "token" not in page.url
    jonas.do("removeSecondFactor", "viewer { role }", factor="TOTP", password=password)
    visitor.leave()


def test_somebody_who_is_nobody_here_is_told_so(at_provider: DemoServer, browser: Browser) -> None:
    visitor = Visitor.arrive(browser, at_provider, "0", "USD", {})
    visitor.expected += THEIRS
    visitor.page.get_by_role("link", name="Sign in with Example ID").click()
    visitor.page.locator("button[name=sub][value=stranger]").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("There is no account here")
    settle(visitor.page)
    assert serious(visitor.page) == []
    visitor.leave()
