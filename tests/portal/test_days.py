"""Dates in the portal are those of the documents, wherever the browser is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_date
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.support.browser.portal_visitor import Visit

pytestmark = pytest.mark.once


@pytest.mark.parametrize("timezone", ["Etc/GMT+12", "America/New_York", "Pacific/Kiritimati"])
def test_a_date_is_the_sellers_wherever_the_browser_is(visit: Visit, timezone: str) -> None:
    visitor = visit(timezone_id=timezone).sign_in()
    visitor.add_funds("25")
    answer = visitor.client.ask(
        "{ invoices(first: 1) { edges { node { number issuedAt dueOn } } } }"
    )
    invoice = answer["invoices"]["edges"][0]["node"]
    # The demo's seller is in Tokyo, and so are its documents.
    issued = datetime.fromisoformat(invoice["issuedAt"]).astimezone(ZoneInfo("Asia/Tokyo")).date()
    due = datetime.fromisoformat(invoice["dueOn"]).date()
    assert (due - issued).days == 14
    assert invoice["number"].startswith(f"INV-{issued.year}-")
    written = [format_date(day, "medium", locale="en") for day in (issued, due)]
    card = visitor.page.locator("main")
    for text in written:
        expect(card).to_contain_text(text)
    visitor.go("Invoices")
    row = visitor.page.locator("table.rows tbody tr").filter(has_text=invoice["number"])
    for text in written:
        expect(row).to_contain_text(text)
