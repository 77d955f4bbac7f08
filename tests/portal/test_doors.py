"""Getting in: by a reset, by signing up, and by the links in the mails of both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import expect

from tests.support.browser.looks import serious, settle
from tests.support.factors import code_of
from tests.support.providers import key
from tests.support.server.people import PASSWORD

if TYPE_CHECKING:
    from tests.support.browser.portal_visitor import Visit, Visitor

pytestmark = pytest.mark.once

SECRET: Final = "nine harps under a bridge"
DEVICES: Final[dict[str, dict[str, Any]]] = {
    "phone in English": {"viewport": {"width": 360, "height": 740}, "locale": "en-US"},
    "desktop in Japanese": {"viewport": {"width": 1280, "height": 800}, "locale": "ja-JP"},
}
WORDS: Final = {
    "en-US": {
        "forgot": "Forgot your password?",
        "email": "E-mail address",
        "send": "Send the link",
        "sent": "Check your e-mail",
        "new": "New password",
        "save": "Save and sign in",
        "weak": "This password is too easy to guess. Please choose another one.",
        "refused": "This link is no longer valid. Please request a new one.",
        "up": "Sign up",
        "name": "Name",
        "password": "Password",
        "currency": "Currency",
        "confirm": "Confirm",
        "back": "Back to sign-in",
    },
    "ja-JP": {
        "forgot": "パスワードをお忘れですか？",
        "email": "メールアドレス",
        "send": "リンクを送信",
        "sent": "メールをご確認ください",
        "new": "新しいパスワード",
        "save": "保存してログイン",
        "weak": "",
        "refused": "",
        "up": "新規登録",
        "name": "お名前",
        "password": "パスワード",
        "currency": "通貨",
        "confirm": "確認する",
        "back": "ログイン画面に戻る",
    },
}


def checked(visitor: Visitor) -> None:
    """Whoever cannot see it finds their way, and nothing is wider than the device."""
    settle(visitor.page)
    assert serious(visitor.page) == []
    width = visitor.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> dict[str, Any]:
    return DEVICES[request.param]


def test_a_forgotten_password_is_set_anew_by_the_link_in_a_mail(
    visit: Visit, device: dict[str, Any]
) -> None:
    visitor, say = visit(**device), WORDS[device["locale"]]
    page, email = visitor.page, visitor.client.email
    checked(visitor)
    page.get_by_role("link", name=say["forgot"]).click()
    expect(page.get_by_role("heading", level=1, name=say["forgot"])).to_be_focused()
    checked(visitor)
    page.get_by_label(say["email"]).fill(email)
    page.get_by_role("button", name=say["send"]).click()
    expect(page.get_by_text(say["sent"])).to_be_visible()
    checked(visitor)
    page.goto(visitor.link_in_mail(email, "set-password"))
    expect(page.get_by_label(say["new"])).to_be_visible()
    assert "token" not in page.url
    checked(visitor)
    page.get_by_label(say["new"]).fill("password12345")
    page.get_by_role("button", name=say["save"]).click()
    expect(page.locator("[aria-invalid]")).to_be_focused()
    expect(page.locator("#password-error")).to_contain_text(say["weak"])
    checked(visitor)
    page.get_by_label(say["new"]).fill(SECRET)
    page.get_by_role("button", name=say["save"]).click()
    expect(page).to_have_url(re.compile("/billing/invoices$"))
    expect(page.locator(".available")).to_be_visible()


def test_a_reset_asks_for_the_second_factor_as_signing_in_does(
    visit: Visit, device: dict[str, Any]
) -> None:
    visitor, say = visit(**device), WORDS[device["locale"]]
    page, email = visitor.page, visitor.client.email
    secret = visitor.client.set_up_app(PASSWORD)
    visitor.client.do("requestPasswordReset", "", email=email)
    page.goto(visitor.link_in_mail(email, "set-password"))
    page.get_by_label(say["new"]).fill(SECRET)
    page.get_by_role("button", name=say["save"]).click()
    expect(page.locator("#second")).to_be_visible()
    checked(visitor)
    assert page.context.cookies() == []
    page.locator("#second").fill("000000")
    page.locator("form .button.primary").click()
    expect(page.locator("#second-error")).to_be_visible()
    page.locator("#second").fill(code_of(secret))
    page.locator("form .button.primary").click()
    expect(page).to_have_url(re.compile("/billing/invoices$"))
    expect(page.locator(".available")).to_be_visible()


def test_somebody_new_signs_up_confirms_the_address_and_is_in(
    visit: Visit, device: dict[str, Any]
) -> None:
    visitor, say = visit(**device), WORDS[device["locale"]]
    page, email = visitor.page, f"{key()}@new.example"
    page.get_by_role("link", name=say["up"]).click()
    checked(visitor)
    page.get_by_role("button", name=say["up"]).click()
    expect(page.locator("[aria-invalid]").first).to_be_focused()
    checked(visitor)
    page.get_by_label(say["name"], exact=True).fill("はるかぜ & Söhne <GmbH>")
    page.get_by_label(say["email"]).fill(email)
    page.get_by_label(say["password"], exact=True).fill(SECRET)
    page.get_by_label(say["currency"]).select_option("JPY")
    page.get_by_role("button", name=say["up"]).click()
    expect(page.get_by_text(say["sent"])).to_be_visible()
    checked(visitor)
    link = visitor.link_in_mail(email, "confirm-email")
    page.goto(link)
    checked(visitor)
    page.get_by_role("button", name=say["confirm"]).click()
    expect(page).to_have_url(re.compile("/billing/invoices$"))
    expect(page.locator(".available")).to_be_visible()
    page.goto(link)
    page.get_by_role("button", name=say["confirm"]).click()
    expect(page.get_by_role("alert")).to_contain_text(say["refused"])
    checked(visitor)


def test_the_token_of_a_link_is_told_to_nothing_that_the_page_loads(visit: Visit) -> None:
    visitor = visit()
    told: list[str] = []
    visitor.page.on("request", lambda request: told.append(str(request.all_headers())))
    visitor.page.goto("/billing/set-password?token=act_secret")
    settle(visitor.page)
    visitor.page.get_by_label("New password").fill(SECRET)
    visitor.page.get_by_role("button", name="Save and sign in").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("no longer valid")
    assert len(told) > 2
    assert not any("act_secret" in headers for headers in told)
    assert "act_secret" not in visitor.server.log.read_text()


def test_the_mailbox_can_be_read_by_everybody(visit: Visit) -> None:
    visitor = visit()
    visitor.page.goto("/mailbox")
    settle(visitor.page)
    assert serious(visitor.page) == []
