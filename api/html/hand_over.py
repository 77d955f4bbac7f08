"""`GET /hand-over?token=…`: where an existing portal sends the browser of its client.

The link signs the browser in, once. Whatever only looks (HEAD, a prefetch, an image or a frame of
another page) leaves it unused. It leads to the allowed origins alone, which is checked again here:
they may have changed since.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from api.endpoint.http import address_of
from models.access import client_link
from models.errors import TokenRefused
from models.provider.provider import origin_of
from schema.core import texts

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.endpoint.auth import SessionCookie

PATH: Final = "/hand-over"

_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_REFUSED: Final = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
"""


def hand_over_route(cookie: SessionCookie, public_url: str, origins: frozenset[str]) -> Route:
    """The route. Browsers are sent to `origins` alone, or else to our own `/`."""

    async def hand_over(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(headers=_HEADERS)
        if not _is_visit(request):
            text = "This link is for a browser's own window."
            return PlainTextResponse(text + "\n", 403, _HEADERS)
        try:
            token, wanted = await client_link.follow(
                request.query_params.get("token", ""),
                address=address_of(request.scope),
                user_agent=request.headers.get("user-agent", ""),
            )
        except TokenRefused:
            return _refused(request.headers.get("accept-language", ""))
        url = wanted if origin_of(wanted) in origins else f"{public_url}/"
        response = RedirectResponse(url, 303, _HEADERS)
        response.raw_headers.append(cookie.put(token))
        return response

    return Route(PATH, hand_over, methods=["GET"])


def _refused(accept_language: str) -> Response:
    """In the browser's language: whose link it was, nobody knows here."""
    key, locale = "hand_over.refused", texts.best_locale(texts.accepted(accept_language))
    html = _REFUSED.format(
        language=texts.language_of(key, locale),
        title=escape(texts.say(key, locale)),
        text=escape(texts.say(f"{key}.text", locale)),
    )
    return HTMLResponse(html, 410, _HEADERS | {"Vary": "Accept-Language"})


def _is_visit(request: Request) -> bool:
    """Whether somebody goes there: not to fetch it in advance, nor as a part of another page.

    Browsers say so by Fetch Metadata and `Purpose`; who sends neither is believed.
    """
    said = (request.headers.get(name, "") for name in ("sec-purpose", "purpose", "x-moz"))
    if any("prefetch" in one or "preview" in one for one in said):
        return False
    mode = request.headers.get("sec-fetch-mode", "navigate")
    return mode == "navigate" and request.headers.get("sec-fetch-dest", "document") == "document"
