"""A client of the provider, at one of the reference clients: reads, types and clicks."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import expect

from tests.support.server.people import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

    from tests.support.server.api_client import Portal

    Visit = Callable[[str], "Visitor"]

PATIENCE_MS: Final = 15_000

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visitor:
    """Somebody with a browser of their own, in which one page is open."""

    client: Portal
    context: BrowserContext
    page: Page
    #: What the console was told, but for what `cut_off` brought about.
    errors: list[str] = field(default_factory=list)
    #: The GraphQL requests of the page, over HTTP and websockets.
    asked: list[dict[str, Any]] = field(default_factory=list)
    _cut_off: bool = False

    @classmethod
    def arrive(cls, browser: Browser, client: Portal, address: str) -> Visitor:
        context = browser.new_context(locale="en-US")
        context.set_default_timeout(PATIENCE_MS)
        visitor = cls(client, context, context.new_page())
        visitor.page.on("console", visitor._note)
        visitor.page.on("pageerror", lambda error: visitor.errors.append(str(error)))
        visitor.page.on("request", visitor._note_request)
        visitor.page.on(
            "websocket",
            lambda socket: socket.on("framesent", lambda text: visitor._note_message(str(text))),
        )
        visitor.page.goto(address)
        return visitor

    def leave(self) -> None:
        self.context.close()
        assert self.errors == []

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Meanwhile the browser itself tells the console of lost connections."""
        self._cut_off = True
        yield
        self._cut_off = False

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not (
            self._cut_off and "net::ERR_" in message.text
        ):
            self.errors.append(message.text)

    def _note_request(self, request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/graphql"):
            self.asked.append(json.loads(request.post_data or "{}"))

    def _note_message(self, text: str) -> None:
        message = json.loads(text)
        if message["type"] == "subscribe":
            self.asked.append(message["payload"])

    # ------------------------------------------------------------------------- what is seen

    def sees_credit(self, formatted: str) -> None:
        expect(self.page.locator("output")).to_have_text(formatted)

    def sees_connection(self, text: str) -> None:
        expect(self.page.locator("small[role=status]")).to_have_text(text)

    def sees_invoice(self, status: str) -> None:
        expect(self.page.get_by_test_id("status")).to_have_text(status)

    def is_told(self, text: str) -> None:
        expect(self.page.get_by_role("alert")).to_contain_text(text)

    # ------------------------------------------------------------------------- what is done

    def sign_in(self, password: str = PASSWORD) -> None:
        self.page.get_by_label("E-mail address").fill(self.client.email)
        self.page.get_by_label("Password").fill(password)
        self.press("Sign in")

    def add_funds(self, amount: str, gateway: str = "sandbox") -> None:
        self.page.get_by_label("Amount").fill(amount)
        self.page.get_by_label("Gateway").select_option(gateway)
        self.page.get_by_role("checkbox").check()
        self.press("+ Add Funds")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
