"""Settings that ask once more who it is (STEP_UP_REQUIRED), and then do what was asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.browser.authenticator import a_virtual_authenticator
from tests.support.browser.looks import serious, settle
from tests.support.factors import code_of
from tests.support.providers import key
from tests.support.server.people import PASSWORD, sessions_grow_old

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.support.browser.portal_visitor import Visit, Visitor

pytestmark = pytest.mark.once

WAYS: dict[str, dict[str, Any]] = {
    "desktop-en": {},
    "phone-ja": {"viewport": {"width": 360, "height": 740}, "locale": "ja-JP"},
}


def at_settings(visitor: Visitor) -> Page:
    visitor.sign_in().page.goto("/settings")
    expect(visitor.page.locator("#new-email")).to_be_visible()
    return visitor.page


def grow_old(visitor: Visitor) -> None:
    """Ten minutes go by."""
    with ThreadPoolExecutor(1) as elsewhere:  # this thread's event loop is the browser's
        elsewhere.submit(
            sessions_grow_old, visitor.server.database_url, visitor.client.email
        ).result()


def asked(page: Page) -> Locator:
    form = page.locator("form.confirm")
    expect(form).to_be_visible()
    settle(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return form


def prove(page: Page, answer: str = PASSWORD) -> None:
    form = asked(page)
    form.locator("input").fill(answer)
    form.locator(".button.primary").click()
    expect(form).to_have_count(0)


def prove_by_recovery_code(page: Page, code: str) -> None:
    asked(page).locator(".ways .button").first.click()
    prove(page, code.lower())


def members(visitor: Visitor) -> list[dict[str, Any]]:
    """As they are stored."""
    shown = visitor.client.ask("{ viewer { account { members { email role } } } }")
    found: list[dict[str, Any]] = shown["viewer"]["account"]["members"]
    return found[1:]


@pytest.mark.parametrize("way", WAYS)
def test_members_are_invited_changed_and_removed_once_it_is_proved(visit: Visit, way: str) -> None:
    visitor, email = visit(**WAYS[way]), f"{key()}@member.example"
    page = at_settings(visitor)
    secret = visitor.client.set_up_app(PASSWORD)
    renewed = visitor.client.ask("mutation { renewRecoveryCodes { recoveryCodes } }")
    codes = renewed["renewRecoveryCodes"]["recoveryCodes"]
    page.reload()
    grow_old(visitor)
    page.locator("#invite-email").fill(email)
    page.locator("form", has=page.locator("#invite-email")).locator(".button.primary").click()
    form = asked(page)
    # Their password is no proof any more, and isn't asked for.
    expect(form.locator("input[type=password]")).to_have_count(0)
    form.locator("input").fill(PASSWORD)
    form.locator(".button.primary").click()
    expect(form.locator("[aria-invalid]")).to_be_focused()
    assert members(visitor) == []
    prove(page, code_of(secret))
    row = page.locator("li", has_text=email)
    expect(row).to_be_visible()
    assert members(visitor) == [{"email": email, "role": "VIEWER"}]

    grow_old(visitor)
    row.locator("select").select_option("BILLING")
    asked(page).locator(".button.quiet").last.click()
    expect(page.locator("form.confirm")).to_have_count(0)
    expect(row.locator("select")).to_have_value("VIEWER")
    assert members(visitor) == [{"email": email, "role": "VIEWER"}]
    row.locator("select").select_option("BILLING")
    prove_by_recovery_code(page, codes[0])
    expect(row.locator("select")).to_have_value("BILLING")
    assert members(visitor) == [{"email": email, "role": "BILLING"}]

    grow_old(visitor)
    row.locator(".button.quiet").click()
    row.locator(".button.danger").click()
    prove_by_recovery_code(page, codes[1])
    expect(row).to_have_count(0)
    assert members(visitor) == []


@pytest.mark.parametrize("way", WAYS)
def test_an_address_is_changed_once_it_is_proved(visit: Visit, way: str) -> None:
    visitor, email = visit(**WAYS[way]), f"{key()}@new.example"
    page = at_settings(visitor)
    grow_old(visitor)
    page.locator("#new-email").fill(email)
    page.locator("#email-password").fill(PASSWORD)
    page.locator("form", has=page.locator("#new-email")).locator(".button.primary").click()
    prove(page)
    expect(page.locator(".notice.good")).to_contain_text(email)
    page.goto(visitor.link_in_mail(email, "confirm-email"))
    page.locator("form .button.primary").click()
    expect(page.locator(".available")).to_be_visible()
    assert visitor.client.ask("{ viewer { email } }") == {"viewer": {"email": email}}


def test_recovery_codes_are_renewed_once_it_is_proved(visit: Visit) -> None:
    visitor = visit()
    page = at_settings(visitor)
    secret = visitor.client.set_up_app(PASSWORD)
    page.reload()
    grow_old(visitor)
    page.get_by_role("button", name="New recovery codes").click()
    prove(page, code_of(secret))
    expect(page.locator(".codes li")).to_have_count(10)


@pytest.mark.parametrize("way", WAYS)
def test_a_passkey_proves_it_and_one_that_is_declined_changes_nothing(
    visit: Visit, way: str
) -> None:
    visitor = visit(**WAYS[way])
    page = visitor.page
    # An IP address can have no passkeys: the browser's own machine is localhost.
    home = visitor.server.url.replace("127.0.0.1", "localhost")
    device = a_virtual_authenticator(visitor)
    page.goto(f"{home}/")
    visitor.sign_in()
    page.goto(f"{home}/settings")
    factors = page.locator("section[aria-labelledby=settings-factors]")
    passkeys = factors.locator(".people > li").nth(1)
    passkeys.get_by_role("button").first.click()
    expect(page.locator(".codes li")).to_have_count(10)
    page.reload()
    expect(passkeys.locator(".pill.good")).to_be_visible()

    grow_old(visitor)
    passkeys.locator(".button.quiet").click()
    page.locator("#factor-password").fill(PASSWORD)
    page.locator(".factor .button.danger").click()
    form = asked(page)
    expect(form.locator("input")).to_have_count(0)
    device.verifies(verified=False)
    form.locator(".button.primary").click()
    expect(form.locator(".notice.warn")).to_be_visible()
    expect(passkeys.locator(".pill.good")).to_be_visible()
    device.verifies(verified=True)
    form.locator(".button.primary").click()
    expect(passkeys.locator(".pill.calm")).to_be_visible()
    expect(form).to_have_count(0)
