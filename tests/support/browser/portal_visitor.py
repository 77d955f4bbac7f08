"""A client at the portal, who does there what people do: reads, types and clicks."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx
from playwright.sync_api import expect, sync_playwright

from tests.support.browser.chromium import OPTIONS
from tests.support.server.people import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Download, Locator, Page

    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer

    Visit = Callable[..., "Visitor"]

PATIENCE_MS = 10_000
#: The first document waits until a process that renders has started.
_DOCUMENT_PATIENCE_MS = 60_000

#: Reports what the page's policy stopped to the console, where errors are looked for.
_TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"""

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def browsing(chromium: str) -> Iterator[Browser]:
    """Chromium, from the program of that name."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """One client, in a browser of their own with any number of tabs."""

    server: DemoServer
    client: Portal
    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)
    #: What a test brings about itself, such as a refused connection.
    expected: list[str] = field(default_factory=list)

    @classmethod
    def arrive(
        cls,
        browser: Browser,
        server: DemoServer,
        credit: str,
        currency: str,
        how: Mapping[str, Any],
    ) -> Visitor:
        """A new client, whose browser has the portal's address open and nobody signed in."""
        # Signing up runs an event loop, and this thread's is the browser's.
        with ThreadPoolExecutor(1) as elsewhere:
            client = elsewhere.submit(server.new_client, currency, credit).result()
        return cls.open(browser, server, client, {"base_url": server.url, **how})

    @classmethod
    def open(
        cls, browser: Browser, server: DemoServer, client: Portal, how: Mapping[str, Any]
    ) -> Visitor:
        """A client whose browser has the page at `base_url` open."""
        context = browser.new_context(**{"locale": "en-US", **how})
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_TELL_VIOLATIONS)
        visitor = cls(server, client, context, context.new_page())
        context.on("console", visitor._note)
        context.on("weberror", lambda met: visitor.errors.append(str(met.error)))
        visitor.page.goto("/")
        return visitor

    def leave(self) -> None:
        """Close the browser. Raises AssertionError for any error that was not expected."""
        self.context.close()
        met = [said for said in self.errors if not any(part in said for part in self.expected)]
        assert met == []

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    # ------------------------------------------------------------------------- what is seen

    @property
    def credit(self) -> Locator:
        """The figure at the top."""
        return self.page.locator(".available > .amount")

    @property
    def amount(self) -> Locator:
        """Where Add Funds asks how much."""
        return self.page.locator("#amount")

    @property
    def status(self) -> Locator:
        """How the invoice that is open stands."""
        return self.page.locator(".title .pill")

    @property
    def connection(self) -> Locator:
        """Whether the page is live."""
        return self.page.locator(".link")

    def gets_document(self, button: Locator) -> Download:
        """What the browser saves when the button is pressed."""
        with self.page.expect_download(timeout=_DOCUMENT_PATIENCE_MS) as downloading:
            button.click()
        return downloading.value

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text, exact=False).first).to_be_visible()

    def sees_credit(self, amount: str) -> None:
        expect(self.credit).to_have_text(amount)

    def link_in_mail(self, email: str, place: str) -> str:
        """The link of the last mail to an address, which comes within five seconds."""
        until = monotonic() + 5
        link = re.compile(rf'{re.escape(email)}.*?href="([^"]*/{place}\?token=[^"]*)"', re.DOTALL)
        while monotonic() < until:
            page = httpx.get(f"{self.server.url}/mailbox").text
            for article in page.split("<article")[1:]:
                if found := link.search(article):
                    return unescape(found[1])
        raise AssertionError(f"no mail to {email}")

    # ------------------------------------------------------------------------- what is done

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).last.click()

    def go(self, tab: str) -> None:
        """Choose a tab."""
        self.page.locator(".tabs").get_by_role("link", name=tab).click()

    def sign_in(self, page: Page | None = None) -> Visitor:
        page = page or self.page
        page.locator("#email").fill(self.client.email)
        page.locator("#password").fill(PASSWORD)
        page.locator("form .button.primary").click()
        expect(page.locator(".link.live")).to_be_visible()
        return self

    def add_funds(self, amount: str, gateway: str | None = None) -> None:
        """Fill in the form and press + Add Funds: the invoice is open."""
        self.go("Add Funds")
        self.amount.fill(amount)
        if gateway:
            self.page.get_by_label("Gateway", exact=True).select_option(gateway)
        self.page.get_by_role("checkbox").check()
        self.page.locator("form").get_by_role("button", name="Add Funds").click()
        expect(self.status).to_have_text("Unpaid")

    def pay_at_sandbox(self, choice: str) -> None:
        """Pay Now!, and press a button at the gateway: the browser is back."""
        self.press("Pay Now!")
        self.page.wait_for_url("**/sandbox/pay/**")
        self.page.get_by_role("button", name=choice, exact=True).click()
        self.page.wait_for_url("**/return?payment=*")

    def second_tab(self) -> Visitor:
        """The same client in another tab, behind this one."""
        page = self.context.new_page()
        page.goto("/")
        expect(page.locator(".link.live")).to_be_visible()
        self.page.bring_to_front()
        return Visitor(self.server, self.client, self.context, page, self.errors, self.expected)
