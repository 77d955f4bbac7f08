"""GraphiQL at `/graphiql`: a page for trying the API, bundled like the portal and with its policy.

It differs in two points. Dialogs put a style element into the page, which carries a nonce of this
very answer. And the schema's descriptions are shown as HTML, which the page's one Trusted Types
policy lets through.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from api.html.portal import Built, own_sources, policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from api.settings.settings import Settings

PATH: Final = "/graphiql"

_HTML: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/{style}">
<script type="module" src="/static/{script}" nonce="{nonce}"></script>
</head>
<body>
<noscript>GraphiQL needs JavaScript.</noscript>
</body>
</html>
"""


def graphiql_routes(settings: Settings, missing: Route, built: Built | None = None) -> list[Route]:
    """GraphiQL's page, where it is switched on; what it loads is among the portal's files. Where
    nothing has been built there is `missing` in its place.
    """
    if not settings.graphiql:
        return []
    manifest = (built or Built()).manifest
    if manifest is None or "graphiql" not in manifest["pages"]:  # built before there was one
        return [missing]
    files: Mapping[str, Any] = manifest["pages"]["graphiql"]

    async def show(_request: Request) -> Response:
        nonce = token_urlsafe(16)
        html = _HTML.format(style=files["style"], script=files["script"], nonce=nonce)
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": graphiql_policy(settings.public_url, nonce),
        }
        return HTMLResponse(html, headers=headers)

    return [Route(PATH, show)]


def graphiql_policy(public_url: str, nonce: str) -> str:
    """The page's Content-Security-Policy; `nonce` is its answer's own."""
    return policy(
        own_sources(public_url)
        | {"style-src": f"'self' 'nonce-{nonce}'", "trusted-types": "default"}
    )
