"""GraphiQL as a developer uses it: offline, signed in or with a key, with a live subscription."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.support.browser.portal_visitor import Visit, Visitor
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.sqlite_only


def opened(visitor: Visitor) -> Page:
    """GraphiQL in the visitor's browser, with all that it asked for."""
    visitor.page.goto("/graphiql")
    expect(who(visitor.page)).not_to_be_empty()
    return visitor.page


def who(page: Page) -> Locator:
    return page.locator(".caller .who")


def answer(page: Page) -> Locator:
    return page.get_by_label("Result Window")


def choose(page: Page, document: str) -> None:
    """Open a ready document; it is filled in."""
    before = page.locator(".graphiql-tab").count()
    page.get_by_role("button", name=re.compile(f"^{document}")).click()
    expect(page.locator(".graphiql-tab")).to_have_count(before + 1)


def run(page: Page) -> None:
    page.get_by_role("button", name="Execute query").click()


def variables(page: Page) -> str:
    text: str = page.locator(".graphiql-editor-tool .CodeMirror").first.evaluate(
        "(element) => element.CodeMirror.getValue()"
    )
    return text


def test_it_loads_from_this_server_alone_and_all_of_its_panels_work(visit: Visit) -> None:
    visitor = visit().sign_in()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    page = opened(visitor)
    expect(who(page)).to_contain_text("CLIENT")
    page.get_by_role("button", name="Show GraphiQL Explorer").click()
    expect(page.locator(".graphiql-explorer-root")).to_contain_text("creditPolicy")
    page.get_by_role("button", name="Show Documentation Explorer").click()
    page.get_by_role("link", name="Subscription", exact=True).click()
    expect(page.locator(".graphiql-doc-explorer")).to_contain_text("in order and without gaps")
    page.get_by_role("button", name="Open settings dialog").click()
    expect(page.get_by_role("dialog")).to_contain_text("Theme")
    assert {url for url in asked if not url.startswith(("data:", visitor.server.url))} == set()


def test_a_client_adds_funds_with_ready_documents(visit: Visit) -> None:
    visitor = visit().sign_in()
    page = opened(visitor)
    choose(page, "Add funds")
    first = json.loads(variables(page))["input"]
    assert first["amount"] == {"amount": "5.00", "currency": "USD"}
    page.get_by_role("button", name="Fresh idempotency key").click()
    again = json.loads(variables(page))["input"]
    assert len({first["idempotencyKey"], again["idempotencyKey"], ""}) == 3
    run(page)
    expect(answer(page)).to_contain_text('"status": "UNPAID"')
    choose(page, "Audit an invoice")
    [invoice] = visitor.client.invoices()
    assert json.loads(variables(page)) == {"id": invoice["id"]}
    run(page)
    expect(answer(page)).to_contain_text('"stage": "NOT_STARTED"')


def test_a_subscription_shows_each_change(visit: Visit) -> None:
    visitor = visit(credit="10.00").sign_in()
    page = opened(visitor)
    choose(page, "Watch the credit")
    run(page)
    expect(answer(page)).to_contain_text("$10.00")
    visitor.client.deposit("15.00")
    expect(answer(page)).to_contain_text("$25.00")
    page.get_by_role("button", name="Stop query").click()


def test_a_partners_key_works_and_is_forgotten_with_the_tab(
    visit: Visit, server: DemoServer
) -> None:
    visitor = visit()
    key = server.demo["partner"]["key"]
    page = opened(visitor)
    expect(who(page)).to_contain_text("Nobody is signed in.")
    page.get_by_label("API key or token").fill(key)
    page.get_by_role("button", name="Use", exact=True).click()
    expect(who(page)).to_have_text("PARTNER")
    choose(page, "Bill an order")
    assert json.loads(variables(page))["input"]["accountId"].startswith("acc_")
    run(page)
    expect(answer(page)).to_contain_text('"number": "INV-')
    page.reload()
    expect(who(page)).to_have_text("PARTNER")
    kept = page.evaluate("JSON.stringify({...localStorage}) + document.cookie")
    assert key not in kept
    page.get_by_role("button", name="Forget the key").click()
    expect(who(page)).to_contain_text("Nobody is signed in.")
    other = visitor.context.new_page()
    other.goto("/graphiql")
    expect(who(other)).to_contain_text("Nobody is signed in.")


def test_it_is_dark_where_the_system_is(visit: Visit) -> None:
    page = opened(visit(color_scheme="dark"))
    color = "getComputedStyle(document.querySelector('%s')).backgroundColor"
    for part in (".caller", ".graphiql-container"):
        shown = page.evaluate(f"{color % part}.match(/[0-9]+/g).map(Number)")
        assert max(shown[:3]) < 60, (part, shown)


def test_what_is_not_from_the_schemas_markdown_never_becomes_html(visit: Visit) -> None:
    page = opened(visit())
    shown = """(html) => {
      const part = document.createElement("p");
      part.innerHTML = html;
      return part.children.length;
    }"""
    assert page.evaluate(shown, '<p>See <a href="https://x.example">this</a></p>') == 1
    assert page.evaluate(shown, '<img src="data:," onerror="alert(1)">') == 0
    assert page.evaluate(shown, '<p onclick="alert(1)">text</p>') == 0
