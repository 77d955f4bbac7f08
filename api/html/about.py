"""The few pages for people beside the portal: what is served here, and the credit policy."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.settings.settings import Settings

_HTML: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/page.css">
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""

_CSS: Final = """
:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; }
dt { margin-top: 1rem; font-weight: 600; }
dd { margin: 0; }
code { overflow-wrap: anywhere; }
"""

_POLICY: Final = """<p>Version {version}.</p>
<p>Account credit is money that you have paid to {seller} in advance. It can only be used to pay
orders and invoices here.</p>
<p>Deposits are in principle not refundable in cash. Credit that you deposited does not expire.</p>
<p>Credit from vouchers and promotions has no cash value and may expire on the date shown. It is
spent before deposits.</p>
<p>If the bank or card issuer reverses a deposit, its credit is removed. Any part that has already
been spent is owed, and the next deposit repays it first.</p>"""

_NO_PORTAL: Final = """<p><strong>The portal's pages haven't been built.</strong> Run
<code>make setup</code> with a network connection, then restart the server. Everything else
works.</p>
"""


def about_routes(settings: Settings) -> list[Route]:
    """`/about`, `/credit-policy` and their style sheet."""
    about = _html("Account Credit", _addresses(settings))
    policy = _html("Account Credit Handling Policy", _policy(settings))

    async def show_about(_request: Request) -> Response:
        return HTMLResponse(about)

    async def show_policy(_request: Request) -> Response:
        return HTMLResponse(policy)

    async def style(_request: Request) -> Response:
        return Response(_CSS, media_type="text/css")

    return [
        Route("/about", show_about),
        Route("/credit-policy", show_policy),
        Route("/page.css", style),
    ]


def not_found_route(settings: Settings, path: str = "/") -> Route:
    """`path` where the pages have not been built: says so, and which command builds them."""
    html = _html("Account Credit", _NO_PORTAL + _addresses(settings))

    async def show_missing(_request: Request) -> Response:
        return HTMLResponse(html)

    return Route(path, show_missing)


def addresses(settings: Settings) -> dict[str, str]:
    """What is served, and where: names for people, absolute URLs."""
    url = settings.public_url
    shown = {
        "Portal": f"{url}/",
        "GraphQL over HTTP": f"{url}/graphql",
        "GraphQL over websockets": f"{url.replace('http', 'ws', 1)}/graphql",
        "Credit policy": settings.credit_policy_url,
        "Health": f"{url}/healthz",
        "Readiness": f"{url}/readyz",
        "Metrics": f"{url}/metrics",
    }
    if settings.graphiql:
        shown["GraphiQL"] = f"{url}/graphiql"
    if settings.demo:
        shown["Mailbox"] = f"{url}/mailbox"
    if settings.sandbox:
        shown["Sandbox gateway"] = f"{url}/sandbox/"
    return shown


def _addresses(settings: Settings) -> str:
    rows = "\n".join(
        f"<dt>{escape(name)}</dt>\n<dd>{_linked(url)}</dd>"
        for name, url in addresses(settings).items()
    )
    return (
        f"<p>Prepaid credit with {escape(settings.seller.name)}: add funds, pay with credit, "
        f"see it live.</p>\n<dl>\n{rows}\n</dl>"
    )


def _linked(url: str) -> str:
    shown = escape(url)
    if url.startswith("ws") or url.endswith("/graphql"):
        return f"<code>{shown}</code>"
    return f'<a href="{shown}"><code>{shown}</code></a>'


def _policy(settings: Settings) -> str:
    return _POLICY.format(
        version=escape(settings.credit_policy_version), seller=escape(settings.seller.name)
    )


def _html(title: str, body: str) -> str:
    return _HTML.format(title=title, body=body)
