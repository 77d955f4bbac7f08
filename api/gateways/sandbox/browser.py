"""Headers and redirects for the browser around a sandbox payment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from api.gateways.returns import with_payment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from api.gateways.sandbox.charge import Charge

_SOURCE: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


def back(charge: Charge) -> str | None:
    """The shop's return URL with `payment=<payment id>`; None when it gave none."""
    if not charge.return_url:
        return None
    return with_payment(charge.return_url, charge.payment)


def from_here(request: Request, public_url: str) -> bool:
    """Whether a POST comes from our own page, or from no browser at all.

    Browsers say `Sec-Fetch-Site`, older ones `Origin`; programs say neither.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    if origin is None or origin == public_url:
        return True
    return urlsplit(origin).netloc == request.headers.get("host")


def html_headers(shops: Iterable[str]) -> dict[str, str]:
    """The pages' own policy: nothing but their style sheet, and forms that end here or at one of
    `shops`, the origins that the return page sends browsers on to: Chromium holds each redirect
    after a form against `form-action`, too. A policy cannot name IPv6 addresses.
    """
    named = sorted(shop for shop in shops if _SOURCE.fullmatch(shop))
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(
            [
                "default-src 'none'",
                "style-src 'self'",
                " ".join(["form-action 'self'", *named]),
                "base-uri 'none'",
                "frame-ancestors 'none'",
            ]
        ),
        # With "no-referrer" browsers would say `Origin: null`; the address goes to no other site.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
