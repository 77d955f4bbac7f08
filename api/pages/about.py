"""The few pages for people beside the portal: what is served here, and the credit policy."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.settings.settings import Settings

_PAGE: Final = """<!doctype html>
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
<p>Account credit is money that you have paid in advance to {seller}. It pays for orders and
invoices here and for nothing else.</p>
<p>Deposits are in principle not refundable in cash. Credit that you deposited does not expire.</p>
<p>Credit from vouchers and promotions has no cash value and may expire; each shows its date. It is
spent before deposits.</p>
<p>When a payment that became credit is taken back by the bank or the card's issuer, the credit goes
with it; what has been spent of it is owed, and the next deposit repays it first.</p>"""

_NO_PORTAL: Final = """<p><strong>The portal's pages have not been built.</strong> With a network,
<code>make setup</code> builds them; then restart the server. Everything else works.</p>
"""


def page_routes(settings: Settings) -> list[Route]:
    """`/about`, `/credit-policy` and their style sheet."""
    about = _page("Account Credit", _addresses(settings))
    policy = _page("Account Credit Handling Policy", _policy(settings))

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


def missing_page_route(settings: Settings, path: str = "/") -> Route:
    """`path` where the pages have not been built: says so, and which command builds them."""
    page = _page("Account Credit", _NO_PORTAL + _addresses(settings))

    async def show_missing(_request: Request) -> Response:
        return HTMLResponse(page)

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
    if settings.sandbox:
        shown["Sandbox gateway"] = f"{url}/sandbox/"
    return shown


def _addresses(settings: Settings) -> str:
    rows = "\n".join(
        f"<dt>{escape(name)}</dt>\n<dd>{_linked(url)}</dd>"
        for name, url in addresses(settings).items()
    )
    return (
        f"<p>The prepaid credit of {escape(settings.seller.name)}: add funds, pay with the credit, "
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


def _page(title: str, body: str) -> str:
    return _PAGE.format(title=title, body=body)
