"""The portal in a provider's own colour and with its logo."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser.looks import serious, settle
from tests.support.browser.portal_visitor import Visitor, browsing
from tests.support.server.demo_server import open_demo_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Databases

pytestmark = pytest.mark.once

LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 30" width="120" height="30">
<rect width="30" height="30" rx="6" fill="#facc15"/><rect x="38" y="9" width="80" height="12"/>
</svg>"""


def test_the_portal_has_the_sellers_colour_where_it_can_be_read_and_its_logo(
    chromium: str, databases: Databases, tmp_path: Path
) -> None:
    (tmp_path / "logo.svg").write_text(LOGO)
    # A colour that nothing can be written in on white.
    seller = {"name": "Sonne GmbH", "accent": "#facc15", "logo": str(tmp_path / "logo.svg")}
    with (
        open_demo_server(tmp_path, databases, SELLER=json.dumps(seller)) as server,
        browsing(chromium) as browser,
    ):
        for scheme in ("light", "dark"):
            visitor = Visitor.arrive(browser, server, "20.00", "USD", {"color_scheme": scheme})
            logo = visitor.page.get_by_role("img", name="Sonne GmbH")
            expect(logo.first).to_be_visible()
            assert logo.first.evaluate("image => image.naturalWidth") == 120
            assert serious(visitor.page) == []
            visitor.sign_in()
            settle(visitor.page)
            assert serious(visitor.page) == []
            visitor.page.goto("/billing/add-funds")
            settle(visitor.page)
            assert serious(visitor.page) == []
            if shots := os.environ.get("SCREENSHOTS"):
                visitor.page.screenshot(path=f"{shots}/brand-{scheme}.png")
            visitor.leave()
