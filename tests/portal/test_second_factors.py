"""Two-step sign-in at the portal: an app, a passkey in Chromium's own authenticator, and recovery
codes, on phone and desktop, in English and Japanese.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from playwright.sync_api import expect

from models.clock import now
from tests.support.browser.authenticator import a_virtual_authenticator
from tests.support.browser.looks import serious, settle
from tests.support.server.people import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.browser.portal_visitor import Visit, Visitor
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
WAYS: dict[str, dict[str, Any]] = {
    "desktop-en": {},
    "phone-ja": {**PHONE, "locale": "ja-JP"},
}


def a_code(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).generate_otp(int(now().timestamp()) // 30 + steps)


def row(page: Page, number: int) -> Any:
    """What is said of the app (0), passkeys (1) and recovery codes (2)."""
    return page.locator("section[aria-labelledby=settings-factors] .people > li").nth(number)


def open_settings(visitor: Visitor) -> Page:
    visitor.page.goto("/settings")
    expect(row(visitor.page, 1)).to_be_visible()
    settle(visitor.page)
    assert serious(visitor.page) == []
    return visitor.page


def sign_in_again(visitor: Visitor) -> Page:
    """Signed out, and signed in as far as the password goes."""
    page = visitor.page
    visitor.context.clear_cookies()
    page.goto("/")
    page.locator("#email").fill(visitor.client.email)
    page.locator("#password").fill(PASSWORD)
    page.locator("form .button.primary").click()
    expect(page.locator(".ways")).to_be_visible()
    assert serious(page) == []
    return page


def is_in(page: Page) -> None:
    expect(page.locator(".link.live")).to_be_visible()


@pytest.mark.parametrize("way", WAYS)
def test_an_app_is_set_up_asked_for_and_removed(visit: Visit, way: str) -> None:
    visitor = visit(**WAYS[way])
    visitor.sign_in()
    page = open_settings(visitor)
    row(page, 0).get_by_role("button").click()
    secret = page.locator(".secret").inner_text()
    qr = page.locator(".factor img")
    expect(qr).to_be_visible()
    assert qr.evaluate("image => image.naturalWidth") > 100
    page.locator("#totp").fill("000000")
    page.locator(".factor .button.primary").click()
    expect(page.locator("#totp-error")).to_be_visible()
    assert serious(page) == []
    # The code of the step before, so that this one's is good for signing in.
    page.locator("#totp").fill(a_code(secret, -1))
    page.locator(".factor .button.primary").click()
    expect(page.locator(".codes li")).to_have_count(10)
    recovery = page.locator(".codes li").first.inner_text()
    assert serious(page) == []
    page.locator(".factor .button.primary").click()
    expect(page.locator(".codes")).to_have_count(0)

    page = sign_in_again(visitor)
    page.locator("#second").fill("000000")
    page.locator("form .button.primary").click()
    expect(page.locator("#second-error")).to_be_visible()
    page.locator("#second").fill(a_code(secret))
    page.locator("form .button.primary").click()
    is_in(page)

    page = sign_in_again(visitor)
    page.locator(".ways .button").first.click()
    page.locator("#second").fill(recovery.lower())
    page.locator("form .button.primary").click()
    is_in(page)

    page = open_settings(visitor)
    row(page, 0).locator(".button.quiet").click()
    page.locator("#factor-password").fill(PASSWORD)
    page.locator(".factor .button.danger").click()
    expect(row(page, 0).locator(".pill.calm")).to_be_visible()
    visitor.context.clear_cookies()
    page.goto("/")
    visitor.sign_in()


@pytest.mark.parametrize("way", WAYS)
def test_a_passkey_is_added_and_signs_in(visit: Visit, server: DemoServer, way: str) -> None:
    visitor = visit(**WAYS[way])
    page = visitor.page
    # An IP address can have no passkeys: the browser's own machine is localhost.
    home = server.url.replace("127.0.0.1", "localhost")
    a_virtual_authenticator(visitor)
    page.goto(f"{home}/")
    visitor.sign_in()
    page.goto(f"{home}/settings")
    row(page, 1).get_by_role("button").first.click()
    expect(page.locator(".codes li")).to_have_count(10)
    expect(row(page, 1).locator(".pill.good")).to_be_visible()
    assert serious(page) == []
    visitor.context.clear_cookies()
    page.goto(f"{home}/")
    page.locator("#email").fill(visitor.client.email)
    page.locator("#password").fill(PASSWORD)
    page.locator("form .button.primary").click()
    expect(page.locator(".ways")).to_be_visible()
    assert serious(page) == []
    page.locator("form .button.primary").click()
    is_in(page)
