"""Chromium's own virtual authenticator, which makes passkeys and answers with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

    from tests.support.browser.portal_visitor import Visitor


@dataclass(frozen=True)
class Device:
    """The device of a visitor, and whether its owner holds their finger on it."""

    devtools: CDPSession
    id: str

    def verifies(self, *, verified: bool) -> None:
        told = {"authenticatorId": self.id, "isUserVerified": verified}
        self.devtools.send("WebAuthn.setUserVerified", told)


def a_virtual_authenticator(visitor: Visitor) -> Device:
    """One in the visitor's browser, for the page that is open."""
    devtools = visitor.context.new_cdp_session(visitor.page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasUserVerification": True}
    options |= {"isUserVerified": True, "hasResidentKey": True}
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Device(devtools, made["authenticatorId"])
