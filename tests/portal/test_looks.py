"""For everybody: small screens, dark rooms, two languages, no mouse, no sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.support.browser.portal_visitor import Visit
from tests.support.browser.looks import serious, settle
from tests.support.browser.portal_visitor import Visitor

pytestmark = pytest.mark.once

PHONE = {"width": 360, "height": 740}
SCREENS = ("invoices", "add-funds", "transactions", "voucher")


def open_bank_invoice(visitor: Visitor) -> None:
    visitor.add_funds("50", gateway="bank-transfer")
    visitor.press("Pay Now!")
    expect(visitor.page.locator(".transfer")).to_be_visible()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_screen(visit: Visit, color_scheme: str) -> None:
    visitor = visit(credit="20.00", color_scheme=color_scheme)
    settle(visitor.page)
    assert serious(visitor.page) == []
    visitor.sign_in()
    open_bank_invoice(visitor)
    settle(visitor.page)
    assert serious(visitor.page) == []
    for screen in SCREENS:
        visitor.page.goto(f"/billing/{screen}")
        settle(visitor.page)
        assert (screen, serious(visitor.page)) == (screen, [])
    visitor.page.locator("form .button.primary").click()
    expect(visitor.page.locator("[aria-invalid]").first).to_be_focused()
    assert serious(visitor.page) == []


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_no_screen_is_wider_than_the_device(visit: Visit, width: int) -> None:
    visitor = visit(credit="12345.67", viewport={"width": width, "height": 740}).sign_in()
    open_bank_invoice(visitor)
    settle(visitor.page)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == width
    for screen in SCREENS:
        visitor.page.goto(f"/billing/{screen}")
        settle(visitor.page)
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert (screen, wide) == (screen, width)


def test_on_a_phone_the_menu_is_a_drawer(visit: Visit) -> None:
    visitor = visit(viewport=PHONE).sign_in()
    drawer = visitor.page.get_by_role("dialog", name="Menu")
    expect(drawer).to_be_hidden()
    visitor.press("Open the menu")
    expect(drawer.get_by_role("link", name="Billing")).to_be_visible()
    assert serious(visitor.page) == []
    visitor.page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(visitor.page.get_by_role("button", name="Open the menu")).to_be_focused()


def test_the_portal_speaks_japanese_and_remembers_it(visit: Visit) -> None:
    visitor = visit(currency="JPY", locale="ja-JP")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("ログイン")
    visitor.page.get_by_label("言語").select_option("en")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Sign in to your account")
    visitor.page.get_by_label("Language").select_option("ja")
    visitor.sign_in()
    visitor.sees_credit("¥0")
    visitor.go("クレジット追加")
    expect(visitor.amount).to_have_value("500")
    expect(visitor.page.locator("html")).to_have_attribute("lang", "ja")
    # Refusals come in the language, too, and amounts may be typed as wide as a kanji.
    visitor.page.get_by_role("checkbox").check()
    visitor.amount.fill("１００")
    visitor.page.locator("form .button.primary").click()
    expect(visitor.page.locator("#amount-error")).to_contain_text("¥500")
    expect(visitor.page.locator("#amount-error")).not_to_contain_text("amount")
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("クレジット追加")


def test_dark_mode_follows_the_system_until_it_is_switched(visit: Visit) -> None:
    visitor = visit(color_scheme="dark").sign_in()

    def brightness() -> int:
        script = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)[0]"
        found: int = visitor.page.evaluate(script)
        return found

    assert brightness() < 40
    visitor.page.get_by_label("Appearance").last.select_option("light")
    assert brightness() > 200
    visitor.page.reload()
    settle(visitor.page)
    assert brightness() > 200


def test_the_main_job_needs_no_mouse(visit: Visit) -> None:
    visitor = visit()
    page, keyboard = visitor.page, visitor.page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(40):
            keyboard.press("Tab")
            element = page.locator(":focus")
            said = f"{element.get_attribute('aria-label')} {element.inner_text()} "
            labels = "(field) => [...(field.labels ?? [])].map((label) => label.innerText).join()"
            if name in said + str(element.evaluate(labels)):
                return
        raise AssertionError(f"no {name} can be reached")

    def press(key: str) -> None:
        """A button that is still busy, as while the gateways are asked for, takes no press."""
        expect(page.locator(":focus")).to_be_enabled()
        keyboard.press(key)

    visitor.sign_in()
    page.reload()
    settle(page)
    keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    keyboard.press("Enter")
    tab_to("Add Funds")
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    tab_to("Amount")
    keyboard.press("Control+A")
    keyboard.type("30")
    tab_to("I have read")
    press("Space")
    tab_to("Add Funds")
    press("Enter")
    expect(visitor.status).to_have_text("Unpaid")
    tab_to("Pay Now!")
    press("Enter")
    page.wait_for_url("**/sandbox/pay/**")
    tab_to("Pay now")
    press("Enter")
    visitor.sees_credit("$30.00")


def test_a_change_of_credit_is_announced_and_its_first_value_is_not(visit: Visit) -> None:
    visitor = visit(credit="10.00").sign_in()
    said = visitor.page.locator("[aria-live=polite]")
    expect(said).to_have_text("")
    visitor.client.deposit("15.00")
    expect(said).to_have_text("Available Credit is now $25.00.")
