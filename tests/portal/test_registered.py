"""Where registered documents alone are answered, the portal's own are registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from api.demo import PASSWORD
from api.html.portal import Built
from models.edge.registered_query import identifier_of
from schema import make_schema
from schema.engine.guard import Guard
from tests.support.browser.portal_visitor import browsing
from tests.support.server.demo_server import open_demo_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Databases

pytestmark = pytest.mark.sqlite_only


def test_every_operation_of_the_portal_is_registered(chromium: str) -> None:
    assert chromium
    documents = Built().documents
    script = next(
        text
        for name, text in Built().files.items()
        if name.startswith("portal.") and name.endswith(".js")
    )
    assert len(documents) > 15
    schema = make_schema().guarded(Guard())
    for identifier, text in documents.items():
        assert identifier == identifier_of(text)
        assert not schema.problems(text)
    operations = {text.split("(")[0].split("{")[0].split()[1] for text in documents.values()}
    assert {"SignIn", "Viewer", "Credit", "AddFunds", "PayInvoice", "LiveInvoice"} <= operations
    assert b"mutation PayInvoice" in script


def test_the_portal_works_where_nothing_else_is_answered(
    chromium: str, databases: Databases, tmp_path: Path
) -> None:
    with (
        open_demo_server(tmp_path, databases, PERSISTED_DOCUMENTS="only") as server,
        browsing(chromium) as browser,
    ):
        assert server.portal().error("{ creditPolicy { version } }") == "PERSISTED_QUERY_ONLY"
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda said: problems.append(said.text))
        page.goto(server.url)
        page.get_by_label("E-mail").fill("mina@client.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Available Credit").first).to_be_visible()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.get_by_text("INV-", exact=False).first.click()
        expect(page.get_by_role("button", name="Download PDF")).to_be_visible()
        page.get_by_role("link", name="Transactions").click()
        expect(page.locator("table.rows tbody tr").first).to_be_visible()
    assert problems == []
