"""What browsers need to be told, and asked, around a sandbox payment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.requests import Request

    from models.sandbox import SandboxCharge

_SOURCE: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


def back(charge: SandboxCharge) -> str | None:
    """The shop's return URL with `payment=<payment id>`; None when it gave none."""
    if not charge.return_url:
        return None
    parts = urlsplit(charge.return_url)
    kept = [pair for pair in parts.query.split("&") if pair and pair.split("=")[0] != "payment"]
    return parts._replace(query="&".join([*kept, f"payment={charge.payment}"])).geturl()


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


def headers_for(charge: SandboxCharge | None) -> dict[str, str]:
    """The page's own policy: nothing but its style sheet, and forms that end at the shop."""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(
            [
                "default-src 'none'",
                "style-src 'self'",
                f"form-action 'self'{_shop(charge)}",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            ]
        ),
        # With "no-referrer" browsers would say `Origin: null`; the address goes to no other site.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def _shop(charge: SandboxCharge | None) -> str:
    """The shop's origin: Chromium holds the redirect after a form against `form-action`, too."""
    parts = urlsplit(charge.return_url if charge is not None else "")
    found = _SOURCE.fullmatch(f"{parts.scheme}://{parts.netloc}")
    return f" {found[0]}" if found is not None else ""
