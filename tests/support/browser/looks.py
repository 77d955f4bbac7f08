"""A page of the portal that stands still, and what axe-core finds in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page


def serious(page: Page) -> list[tuple[Any, ...]]:
    """What axe-core finds, but for trifles."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in found
        if one["impact"] in {"moderate", "serious", "critical"}
    ]


def settle(page: Page) -> None:
    """Until nothing is being loaded or moves."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".skeleton, .spinner")).to_have_count(0)
    # Transitions that another one replaces are aborted.
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
