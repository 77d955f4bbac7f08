"""The portal: one page for all of its addresses, and the files that `api/web` was built into.

Nothing here is written into a script: what the page needs to know of this provider is in `data-`
attributes, so that its policy can forbid every script but its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from api.pdf.colours import BLACK, WHITE, mix, on_colour, readable
from api.settings.logo import read_logo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from api.settings.settings import Settings

#: Where `api/web/build.py` puts what it builds.
STATIC: Final = Path(__file__).parents[1] / "static"

_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
#: A file's name has the hash of its contents.
_FOREVER: Final = "public, max-age=31536000, immutable"
#: What the pages of others may load: texts and styles of the elements that they embed.
ANY_PAGE: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
#: https://docs.stripe.com/security/guide#content-security-policy
_STRIPE: Final = {
    "connect-src": " https://api.stripe.com",
    "frame-src": " https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com",
    "script-src": " https://js.stripe.com https://*.js.stripe.com",
}

#: The grounds of tokens.css that are hardest to read on.
_LIGHT, _DARK = "#eef1fe", "#1e2532"
_NIGHT: Final = "#10141d"

_HTML: Final = """<!doctype html>
<html lang="en" data-seller="{seller}" data-zone="{zone}" data-languages="{languages}"
 {logo}{demo}{sign_up}{providers}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{seller}</title>
<link rel="icon" href="{icon}">
<link rel="preload" href="/static/{font}" as="font" type="font/woff2" crossorigin>
<link rel="stylesheet" href="/static/{style}">{brand}
<script type="module" src="/static/{script}"></script>
</head>
<body>
<noscript>This portal needs JavaScript.</noscript>
</body>
</html>
"""


@dataclass(frozen=True)
class Built:
    """What there is in a folder of built pages."""

    folder: Path = STATIC

    @cached_property
    def manifest(self) -> Mapping[str, Any] | None:
        """Which files each page consists of; None where nothing has been built."""
        try:
            found: Mapping[str, Any] = orjson.loads((self.folder / "manifest.json").read_bytes())
        except OSError:
            return None
        return found

    @property
    def documents(self) -> dict[str, str]:
        """What the pages ask, by identifier."""
        pages = self.manifest["pages"].values() if self.manifest else ()
        return {id: text for page in pages for id, text in page.get("documents", {}).items()}

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file by its name: few, and read once."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.*.*")}


def portal_routes(
    settings: Settings, missing: Route, built: Built | None = None, *, card_form: bool = False
) -> list[Route]:
    """The portal's page at `/`, `/settings` and under `/billing`, and what it loads from `/static`.
    In its place at `/` there is `missing` where nothing has been built. `card_form` as in
    `portal_policy`.
    """
    built = built or Built()
    if built.manifest is None:
        return [missing]
    brand = _Brand(settings)
    html = _html(settings, built.manifest, brand)
    files = {**built.files, **brand.files}
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": portal_policy(settings.public_url, card_form=card_form),
    }

    async def show(request: Request) -> Response:
        if "token" in request.query_params:
            # What the page loads must not be told the token of the link that opened it.
            return HTMLResponse(html, headers={**headers, "Referrer-Policy": "strict-origin"})
        return HTMLResponse(html, headers=headers)

    async def file(request: Request) -> Response:
        return _file(files, request)

    return [
        Route("/", show),
        Route("/settings", show),
        Route("/billing", show),
        Route("/billing/{screen:path}", show),
        Route("/settings", show),
        Route("/static/{name}", file),
    ]


def portal_policy(public_url: str, *, card_form: bool = False) -> str:
    """The portal's Content-Security-Policy. With `card_form` Stripe's form may be in the page."""
    sources = own_sources(public_url)
    if card_form:
        sources |= {"trusted-types": "stripe"}
        sources = {name: source + _STRIPE.get(name, "") for name, source in sources.items()}
    return policy(sources)


def own_sources(public_url: str) -> dict[str, str]:
    """What a page of this server may do by itself: nothing but its own, and no text is a script."""
    return {
        "default-src": "'none'",
        # Not every browser takes 'self' for the websocket as well.
        "connect-src": f"'self' {public_url.replace('http', 'ws', 1)}",
        "font-src": "'self'",
        "frame-src": "",
        "img-src": "'self' data:",
        "script-src": "'self'",
        "style-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def policy(sources: Mapping[str, str]) -> str:
    """A Content-Security-Policy of directives and their sources."""
    return "; ".join(f"{name} {source.strip()}" for name, source in sources.items() if source)


class _Brand:
    """SELLER's colour and logo as files beside the built ones."""

    def __init__(self, settings: Settings) -> None:
        seller = settings.seller
        self.name = seller.brand or seller.name
        self.logo = read_logo(seller.logo) if seller.logo else None
        self.style = _style(seller.accent) if seller.accent else None

    @property
    def files(self) -> dict[str, bytes]:
        """Each under a name that has the hash of its contents."""
        found = {}
        if self.logo:
            found[self.logo_name] = self.logo.content
        if self.style:
            found[self.style_name] = self.style.encode()
        return found

    @property
    def logo_name(self) -> str:
        assert self.logo is not None
        ending = "png" if self.logo.media_type == "image/png" else "svg"
        return f"logo.{self.logo.name[:16]}.{ending}"

    @property
    def style_name(self) -> str:
        assert self.style is not None
        return f"brand.{sha256(self.style.encode()).hexdigest()[:16]}.css"


def accents(accent: str) -> tuple[str, tuple[str, str]]:
    """A colour as it can be read: as CSS, and on light and on dark by itself."""
    light, dark = readable(accent, _LIGHT), readable(accent, _DARK)
    return f"light-dark({light},{dark})", (light, dark)


def _style(accent: str) -> str:
    """The accent as it can be read on light and on dark, in place of the one in tokens.css."""
    shown, (light, dark) = accents(accent)
    tint_light, tint_dark = mix(light, WHITE, 0.9), mix(dark, _NIGHT, 0.85)
    tokens = {
        "--accent": shown,
        "--accent-deep": f"light-dark({mix(light, BLACK, 0.2)},{mix(dark, WHITE, 0.3)})",
        "--tint": f"light-dark({tint_light},{tint_dark})",
        "--on-tint": f"light-dark({readable(light, tint_light)},{readable(dark, tint_dark)})",
        "--mark": accent,
        "--on-mark": on_colour(accent),
    }
    return f":root{{{';'.join(f'{name}:{value}' for name, value in tokens.items())}}}\n"


def _html(settings: Settings, manifest: Mapping[str, Any], brand: _Brand) -> str:
    portal = manifest["pages"]["portal"]
    logo = f"/static/{brand.logo_name}" if brand.logo else ""
    return _HTML.format(
        seller=escape(brand.name),
        zone=escape(settings.seller.timezone),
        logo=f' data-logo="{logo}"' if logo else "",
        icon=logo or "data:,",
        brand=f'\n<link rel="stylesheet" href="/static/{brand.style_name}">' if brand.style else "",
        languages=_attribute(portal["languages"]),
        demo=f' data-demo="{_attribute(_demo())}"' if settings.demo else "",
        providers=f' data-providers="{_attribute(people)}"'
        if (people := _providers(settings))
        else "",
        sign_up=f' data-sign-up="{_attribute(_sign_up(settings))}"' if _offers(settings) else "",
        font=manifest["fonts"]["inter-latin.woff2"],
        style=portal["style"],
        script=portal["script"],
    )


def _providers(settings: Settings) -> list[dict[str, str]]:
    """The identity providers that clients may sign in with."""
    return [
        {"name": one.name, "label": one.label}
        for one in settings.oidc_providers
        if one.people != "staff"
    ]


def _demo() -> dict[str, object]:
    """Whom a visitor of the demo may sign in as."""
    from api import demo  # noqa: PLC0415 - it brings the sandbox with it

    people = [{"name": client.name, "email": client.email} for client in demo.CLIENTS]
    return {"password": demo.PASSWORD, "people": people}


def _offers(settings: Settings) -> bool:
    return settings.sign_up != "off"


def _sign_up(settings: Settings) -> list[str]:
    """The currencies to choose from, where people may sign up."""
    return sorted(settings.funds_limits)


def _attribute(value: object) -> str:
    return escape(orjson.dumps(value).decode())


def _file(files: Mapping[str, bytes], request: Request) -> Response:
    name = request.path_params["name"]
    if name.endswith(".gz") or name not in files:
        raise HTTPException(404, "This file doesn't exist.")
    headers = {**ANY_PAGE, "Cache-Control": _FOREVER, "Content-Type": _TYPES[Path(name).suffix]}
    compressed = files.get(f"{name}.gz")
    if compressed is None:
        return Response(files[name], headers=headers)
    headers["Vary"] = "Accept-Encoding"
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(files[name], headers=headers)
    return Response(compressed, headers={**headers, "Content-Encoding": "gzip"})
