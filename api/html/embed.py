"""`GET /embed.js`: the portal's parts as elements of other providers' pages.

The address stays, so that pages can name it; what it loads has the hash of its contents in its
name. The provider's own facts are put into the script when the server starts.
"""

from __future__ import annotations

import gzip
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response
from starlette.routing import Route

from api.html.portal import ANY_PAGE, Built, accents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from api.settings.settings import Settings

PATH: Final = "/embed.js"

#: Where the facts go in `api/web/portal/embed/main.tsx`.
_FACTS: Final = '"%ACCOUNT_CREDIT_SAYS%"'
_HEADERS: Final = {
    **ANY_PAGE,
    # An update reaches pages within minutes; until then no request is made.
    "Cache-Control": "public, max-age=300",
    "Content-Type": "text/javascript",
    "Vary": "Accept-Encoding",
}


def embed_routes(settings: Settings, built: Built | None = None) -> list[Route]:
    """The script, where it has been built; what it loads is among the portal's files."""
    built = built or Built()
    page = built.manifest["pages"].get("embed") if built.manifest else None
    if page is None:
        return []
    script = embed_script(settings, page, built.files[page["script"]])
    packed = gzip.compress(script, mtime=0)
    etag = f'"{sha256(script).hexdigest()[:32]}"'

    async def show(request: Request) -> Response:
        headers = {**_HEADERS, "ETag": etag}
        known = request.headers.get("if-none-match", "")
        if etag in {one.strip().removeprefix("W/") for one in known.split(",")}:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, headers={**headers, "Content-Encoding": "gzip"})
        return Response(script, headers=headers)

    return [Route(PATH, show)]


def embed_script(settings: Settings, page: Mapping[str, Any], script: bytes) -> bytes:
    """The script as it is served: it says who the provider is, and which files go with it."""
    seller = settings.seller
    files = {tag: {"file": language["file"]} for tag, language in page["languages"].items()}
    facts = {
        "seller": seller.brand or seller.name,
        "zone": seller.timezone,
        "languages": orjson.dumps(files).decode(),
        "style": page["style"],
    }
    if seller.accent:
        accent, _ = accents(seller.accent)
        facts["colours"] = f":host{{--accent:var(--account-credit-accent,{accent})}}"
    text = orjson.dumps(orjson.dumps(facts).decode()).decode()
    assert _FACTS in script.decode()
    return script.decode().replace(_FACTS, text).encode()
