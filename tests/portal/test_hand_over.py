"""A client whom an existing portal hands over arrives in this one, signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from tests.support.browser.looks import serious

if TYPE_CHECKING:
    from tests.support.browser.portal_visitor import Visit, Visitor

pytestmark = pytest.mark.once

PHONE: Final = {"viewport": {"width": 390, "height": 844}, "locale": "ja-JP"}


def link(visitor: Visitor, **more: str) -> str:
    """What the existing portal's server asks for; staff here."""
    account = visitor.client.ask("{ viewer { account { id } } }")["viewer"]["account"]["id"]
    made = visitor.server.staff.do("createClientSession", "url", accountId=account, **more)
    url: str = made["url"]
    return url


@pytest.mark.parametrize("how", [{}, PHONE], ids=["desktop", "phone"])
def test_a_client_who_is_handed_over_sees_their_credit(
    visit: Visit, how: dict[str, object]
) -> None:
    visitor = visit("12.34", **how)
    url = link(visitor)
    visitor.page.goto(url)
    expect(visitor.credit).to_contain_text("12.34")
    assert "token" not in visitor.page.url
    visitor.page.goto("about:blank")
    visitor.context.clear_cookies()
    visitor.expected.append("410")
    visitor.page.goto(url)
    said = "このリンクは無効です" if how else "This link is no longer valid"
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(said)
    assert serious(visitor.page) == []
    assert not visitor.context.cookies()


def test_a_link_that_is_prefetched_still_signs_in(visit: Visit) -> None:
    visitor = visit("5.00")
    url = link(visitor)
    visitor.expected.append("403")
    looked = visitor.page.evaluate(
        "async (url) => (await fetch(url, {redirect: 'manual'})).status", url
    )
    assert looked == 403
    visitor.page.goto(url)
    expect(visitor.credit).to_contain_text("5.00")
