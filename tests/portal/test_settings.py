"""Settings: who invoices go to, where one is signed in, and who else uses the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.browser.looks import serious, settle
from tests.support.server.actions import order

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.browser.portal_visitor import Visit, Visitor
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}
DEVICES = pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
#: Each device and each language once: a visit takes ten seconds.
PLACES = pytest.mark.parametrize(
    ("viewport", "locale"),
    [(PHONE, "ja-JP"), (DESKTOP, "en-US")],
    ids=["phone in Japanese", "desktop in English"],
)

WORDS = {
    "en-US": {"settings": "Settings", "save": "Save", "saved": "Your settings have been saved."},
    "ja-JP": {"settings": "設定", "save": "保存", "saved": "設定を保存しました。"},
}


def speak(visitor: Visitor, locale: str) -> None:
    """The account's language is the page's after signing in."""
    if locale != "ja-JP":
        return
    visitor.page.locator(".preferences select").first.select_option("ja")
    expect(visitor.page.locator("html")).to_have_attribute("lang", "ja")


def at_settings(visitor: Visitor, name: str = "Settings") -> Page:
    page = visitor.page
    page.goto("/settings")
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()
    settle(page)
    return page


@PLACES
def test_settings_are_changed_and_nothing_is_wider_than_the_device(
    visit: Visit, viewport: dict[str, int], locale: str
) -> None:
    words = WORDS[locale]
    visitor = visit(viewport=viewport, locale=locale)
    speak(visitor, locale)
    visitor.sign_in()
    page = at_settings(visitor, words["settings"])
    for section in ("account", "members", "password", "email", "factors", "sessions"):
        expect(page.locator(f"section[aria-labelledby=settings-{section}]")).to_be_visible()
    page.locator("#account-name").fill("Sōseki 合同会社")
    page.locator("#account-address").fill("1-2-3 Honcho\n\nTokyo")
    page.locator("#account-country").select_option("JP")
    page.get_by_role("button", name=words["save"], exact=True).click()
    expect(page.get_by_text(words["saved"])).to_be_visible()
    settle(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    page.reload()
    expect(page.locator("#account-name")).to_have_value("Sōseki 合同会社")
    expect(page.locator("#account-address")).to_have_value("1-2-3 Honcho\nTokyo")
    expect(page.locator("#account-country")).to_have_value("JP")


def test_a_refusal_is_shown_at_its_field_and_changes_nothing(visit: Visit) -> None:
    page = at_settings(visit().sign_in())
    before = page.locator("#account-name").input_value()
    page.locator("#account-name").fill("Somebody")
    page.locator("#account-country").select_option("DE")
    page.locator("#account-vatId").fill("DE000000000")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#account-vatId-error")).to_be_visible()
    expect(page.locator("#account-vatId")).to_be_focused()
    assert serious(page) == []
    page.reload()
    expect(page.locator("#account-name")).to_have_value(before)


def test_a_session_is_ended_from_another_and_its_page_is_over_at_once(visit: Visit) -> None:
    first = visit().sign_in()
    elsewhere = visit(locale="en-US")
    elsewhere.client = first.client
    elsewhere.sign_in()
    page = at_settings(elsewhere)
    sessions = page.locator("section", has=page.get_by_role("heading", name="Where you're"))
    expect(sessions.get_by_text("This device")).to_have_count(1)
    sessions.get_by_role("button", name="Sign out", exact=True).first.click()
    expect(first.page.locator("#password")).to_be_visible()


def invite(page: Page, email: str, role: str) -> None:
    page.locator("#invite-email").fill(email)
    page.locator("#invite-role").select_option(role)
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text(f"An invitation has been sent to {email}.")).to_be_visible()


@PLACES
def test_a_viewer_switches_to_the_account_and_is_offered_nothing_they_may_not(
    visit: Visit, server: DemoServer, viewport: dict[str, int], locale: str
) -> None:
    ada = visit(credit="20.00").sign_in()
    for price in ("30.00", "40.00"):
        order(server.partner, ada.client, price, applyCredit=False)
    bo = visit(credit="5.00", viewport=viewport, locale=locale)
    page = at_settings(ada)
    invite(page, bo.client.email, "VIEWER")
    assert serious(page) == []
    speak(bo, locale)
    bo.sign_in()
    switch_to_first_other(bo, viewport)
    expect(bo.credit).to_contain_text("20.00")
    expect(bo.page.locator(".credit .actions")).to_have_count(0)
    expect(bo.page.locator(".tabs a")).to_have_count(2)
    expect(bo.page.locator("table.rows tbody tr")).to_have_count(2)
    expect(bo.page.locator(".list > .buttons")).to_have_count(0)
    bo.page.goto("/billing/pay/USD")
    expect(bo.page.locator(".notice.info")).to_be_visible()
    expect(bo.page.locator(".choose")).to_have_count(0)
    bo.page.goto("/billing/add-funds")
    expect(bo.page.locator(".notice.info")).to_be_visible()
    expect(bo.page.locator("#amount")).to_have_count(0)
    settle(bo.page)
    assert serious(bo.page) == []
    bo.page.goto("/settings")
    expect(bo.page.locator("#account-name")).to_be_disabled()
    expect(bo.page.locator("#settings-members")).to_have_count(0)
    settle(bo.page)
    assert serious(bo.page) == []
    # They are told by the page itself, within a moment, that they are no member any more.
    bo.page.goto("/billing/invoices")
    expect(bo.page.locator(".link.live")).to_be_visible()
    row = page.locator("li", has_text=bo.client.email)
    row.get_by_role("button", name="Remove").click()
    row.get_by_role("button", name="Confirm removal").click()
    expect(page.locator("li", has_text=bo.client.email)).to_have_count(0)
    expect(bo.page.locator("#password")).to_be_visible()


def switch_to_first_other(visitor: Visitor, viewport: dict[str, int]) -> None:
    place: Any = visitor.page.locator(".side")
    if viewport == PHONE:
        visitor.page.locator(".bar button").click()
        place = visitor.page.locator(".drawer")
    place.locator(".accounts select").select_option(index=1)


def test_a_new_role_is_on_the_page_at_once(visit: Visit) -> None:
    ada, bo = visit(credit="20.00").sign_in(), visit().sign_in()
    page = at_settings(ada)
    invite(page, bo.client.email, "BILLING")
    bo.page.reload()
    expect(bo.page.locator(".link.live")).to_be_visible()
    switch_to_first_other(bo, DESKTOP)
    expect(bo.page.locator(".tabs a")).to_have_count(4)
    page.get_by_label(f"Role of {bo.client.email}").select_option("VIEWER")
    expect(bo.page.locator(".tabs a")).to_have_count(2)


def test_the_last_owner_is_told_why_they_stay(visit: Visit) -> None:
    visitor = visit().sign_in()
    page = at_settings(visitor)
    row = page.locator("section li", has_text=visitor.client.email)
    row.get_by_role("button", name="Remove").click()
    row.get_by_role("button", name="Confirm removal").click()
    expect(row.get_by_text("This is the account's only owner.")).to_be_visible()
    assert serious(page) == []
