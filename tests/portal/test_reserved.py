"""What is reserved for orders, and what for: in the list of transactions, while it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser.looks import serious, settle
from tests.support.server.actions import reserve

if TYPE_CHECKING:
    from tests.support.browser.portal_visitor import Visit
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once


def test_a_client_watches_credit_being_reserved_billed_and_released(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit(credit="50.00").sign_in()
    visitor.go("Transactions")
    page = visitor.page
    visitor.sees_credit("$50.00")
    reserved = page.get_by_role("region", name="Reserved")
    expect(reserved).to_have_count(0)
    hold = reserve(server.partner, visitor.client, "20.00")["hold"]["id"]
    expect(reserved.locator("tbody tr")).to_have_count(1)
    for told in ("A dedicated server", "ORDER-7", "$20.00", "for 1 order"):
        expect(reserved).to_contain_text(told)
    visitor.sees_credit("$30.00")
    settle(page)
    assert serious(page) == []
    server.partner.do("captureHold", "", holdId=hold, amount="5.00", keepRest=True)
    expect(reserved).to_contain_text("$15.00")
    expect(reserved).to_contain_text("$5.00 already billed")
    expect(page.locator("table.rows").last.locator("tbody tr").first).to_contain_text("-$5.00")
    server.partner.do("releaseHold", "", holdId=hold)
    expect(reserved).to_have_count(0)
    visitor.sees_credit("$45.00")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_it_is_told_in_japanese_on_a_phone(
    visit: Visit, server: DemoServer, color_scheme: str
) -> None:
    visitor = visit(
        currency="JPY",
        locale="ja-JP",
        credit="5000",
        viewport={"width": 360, "height": 740},
        color_scheme=color_scheme,
    )
    long = "W" * 120
    reserve(server.partner, visitor.client, "1200")
    reserve(server.partner, visitor.client, "300", reference=long, description=long)
    page = visitor.page
    page.get_by_label("言語").select_option("en")
    page.get_by_label("Language").select_option("ja")
    visitor.sign_in()
    page.goto("/billing/transactions")
    reserved = page.get_by_role("region", name="確保中")
    for told in ("2件の注文", "A dedicated server", "¥1,200", "期限"):
        expect(reserved).to_contain_text(told)
    settle(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360
