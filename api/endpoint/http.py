"""GraphQL over HTTP: reading requests, choosing a media type and a status, writing answers.

After the GraphQL over HTTP draft (https://graphql.github.io/graphql-over-http/draft/): POST and
JSON only, one operation a request. That JSON only is also what keeps foreign pages out: a form
cannot send it, and a script that does is asked for CORS first.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import orjson
from graphql import GraphQLError
from starlette.requests import cookie_parser
from starlette.types import Receive, Scope, Send

from api.endpoint.query_id import MalformedId, document_id_of
from models.errors import Busy
from schema.engine.bounds import Timeouts
from schema.engine.masking import public_errors

GRAPHQL_JSON: Final = "application/graphql-response+json"
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

BODY_BYTES_MAX = 1024 * 1024
BODY_SECONDS_MAX = 10.0
#: How deep variables may nest; deeper ones exhaust Python's stack where they are read.
JSON_DEPTH_MAX = 32

#: Could not be done now, and may be sent again (models.errors.Busy).
BUSY_STATUS: Final = {"RATE_LIMITED": 429, "TRY_AGAIN": 503}
#: Forbidden, or not without a sign-in.
REFUSED_STATUS: Final = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403}
RETRY_AFTER: Final = (b"retry-after", b"%d" % Busy.retry_after_seconds)

_BODY_TIMEOUTS: Final = Timeouts(BODY_SECONDS_MAX)

Headers = Iterable[tuple[bytes, bytes]]


class Disconnected(Exception):
    """The client left before it had said what it wants."""


class HTTPRefusal(Exception):
    """A request that never becomes a GraphQL operation."""

    def __init__(
        self, status: int, message: str, code: str = "BAD_USER_INPUT", headers: Headers = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.errors = [{"message": message, "extensions": {"code": code}}]


class GraphQLRequest(NamedTuple):
    """One operation, as the client put it."""

    #: The document's text; empty where `document_id` alone names it.
    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    #: What a persisted document is asked for by; `sha256:…` where it is a hash.
    document_id: str | None = None
    #: Why there is no document to execute.
    refused: Exception | None = None


class Answer(NamedTuple):
    """How the client wants to be answered."""

    media_type: Literal["application/graphql-response+json", "application/json"]
    #: Refused documents are 4xx. Off for clients that name application/json alone: the draft
    #: gives those 200 for every well-formed request.
    strict: bool
    streams: bool = False


class RequestHeaders(NamedTuple):
    """The few headers that decide; repeated ones joined, as RFC 9110 (5.3) and RFC 9113 (8.2.3)
    read them.
    """

    accept: str = ""
    content_type: str = ""
    content_encoding: str = ""
    content_length: str = ""
    origin: str = ""
    host: str = ""
    sec_fetch_site: str = ""
    accept_language: str = ""
    user_agent: str = ""
    cookie: str = ""
    #: None where there is no such header.
    authorization: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> RequestHeaders:
        """Reads them from an ASGI scope."""
        found: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            if (name := _NAMES.get(raw_name)) is not None:
                value = raw_value.decode("latin-1")
                if name in found:
                    value = f"{found[name]}{'; ' if name == 'cookie' else ', '}{value}"
                found[name] = value
        return cls(**found)

    @property
    def cookies(self) -> dict[str, str]:
        """What the browser has kept."""
        return cookie_parser(self.cookie) if self.cookie else {}


def address_of(scope: Scope) -> str:
    """The client's IP address; empty if there is none (a Unix socket)."""
    client = scope.get("client")
    return client[0] if client else ""


class Connection(NamedTuple):
    """What a request, or a websocket's upgrade, says of who sends it."""

    headers: RequestHeaders
    address: str
    is_websocket: bool = False

    @classmethod
    def of(cls, scope: Scope, headers: RequestHeaders | None = None) -> Connection:
        """Of an ASGI scope, whose `headers` may have been read."""
        is_websocket = scope["type"] == "websocket"
        return cls(headers or RequestHeaders.of(scope), address_of(scope), is_websocket)


_NAMES = {name.replace("_", "-").encode(): name for name in RequestHeaders._fields}


def from_allowed_origin(headers: RequestHeaders, allowed: frozenset[str]) -> bool:
    """Whether the page that sends this may: one of ours, an allowed one, or no page at all."""
    if not headers.origin or headers.sec_fetch_site == "same-origin" or headers.origin in allowed:
        return True
    try:
        return urlsplit(headers.origin).netloc.lower() == headers.host.lower() != ""
    except ValueError:
        return False


@lru_cache(maxsize=64)
def negotiate(accept: str) -> Answer:
    """The answer that an Accept header asks for; raises HTTPRefusal (406)."""
    if not accept or accept == "*/*":
        return Answer(JSON, strict=True)
    wanted = dict(_media_ranges(accept))
    graphql, json = wanted.get(GRAPHQL_JSON, 0.0), wanted.get(JSON, 0.0)
    if graphql and graphql >= json:
        return Answer(GRAPHQL_JSON, strict=True)
    if json:
        return Answer(JSON, strict=False)
    # Urql lists event streams after JSON for plain queries; so a client that knows JSON gets it.
    if wanted.get(EVENTS) and "json" not in accept.lower():
        return Answer(JSON, strict=True, streams=True)
    if wanted.get("*/*") or wanted.get("application/*"):
        return Answer(JSON, strict=True)
    raise HTTPRefusal(406, f"Responses can be {GRAPHQL_JSON}, {JSON} or {EVENTS}.")


def _media_ranges(accept: str) -> Iterable[tuple[str, float]]:
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        yield media_range, next((_quality(p) for p in parameters if p.startswith("q=")), 1.0)


def _quality(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q="))
    except ValueError:
        return 0.0


async def read_request(
    headers: RequestHeaders, receive: Receive, *, bytes_max: int = BODY_BYTES_MAX
) -> GraphQLRequest:
    """Reads the operation that a POST carries; raises HTTPRefusal or Disconnected."""
    if refusal := _unreadable(headers.content_type, headers.content_encoding):
        raise HTTPRefusal(415, refusal)
    if headers.content_length.isdecimal() and int(headers.content_length[:20]) > bytes_max:
        raise _too_large(bytes_max)
    try:
        with _BODY_TIMEOUTS.one():
            body = await _read_body(receive, bytes_max)
    except TimeoutError:
        raise HTTPRefusal(408, "The request body took too long to arrive.") from None
    return parse_request(decode(body))


@lru_cache(maxsize=64)
def _unreadable(content_type: str, content_encoding: str) -> str | None:
    """Why such a body cannot be read; None where it can."""
    media_type, *parameters = (part.strip() for part in content_type.lower().split(";"))
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if "charset=" in p]
    if media_type != JSON or any(charset not in {"utf-8", "utf8"} for charset in charsets):
        return f"The content type must be {JSON} in UTF-8."
    if content_encoding.lower() not in {"", "identity"}:
        return "The request body can't have a content encoding."
    return None


async def _read_body(receive: Receive, bytes_max: int) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > bytes_max:
            raise _too_large(bytes_max)
    return b"".join(chunks)


def _too_large(bytes_max: int) -> HTTPRefusal:
    return HTTPRefusal(
        413, f"The request body can have at most {bytes_max} bytes.", "LIMIT_EXCEEDED"
    )


def decode(text: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """What a JSON text says; raises HTTPRefusal where it is not JSON or nests too deep."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise HTTPRefusal(400, "The request body isn't valid JSON.") from None
    may_be_deep = text.count(b"[") + text.count(b"{") > JSON_DEPTH_MAX
    if may_be_deep and _deeper_than(value, JSON_DEPTH_MAX):
        raise HTTPRefusal(400, f"JSON can have at most {JSON_DEPTH_MAX} levels.", "LIMIT_EXCEEDED")
    return value


def _deeper_than(value: object, depth_max: int) -> bool:
    level = [value]
    for _ in range(depth_max):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def parse_request(payload: object) -> GraphQLRequest:
    """The operation in a decoded body or websocket payload; raises HTTPRefusal."""
    if not isinstance(payload, dict):
        raise HTTPRefusal(400, "The request body must be a JSON object.")
    query, variables = payload.get("query"), payload.get("variables")
    name, extensions = payload.get("operationName"), payload.get("extensions")
    try:
        document_id = document_id_of(payload)
    except MalformedId as problem:
        raise HTTPRefusal(400, str(problem)) from None
    if document_id is not None and (query is None or query == ""):
        query = ""  # graphql-ws sends one always
    elif not isinstance(query, str) or not query:
        raise HTTPRefusal(400, "`query` must be a string and not empty.")
    if not isinstance(variables, dict | None):
        raise HTTPRefusal(400, "`variables` must be an object or null.")
    if not isinstance(name, str | None):
        raise HTTPRefusal(400, "`operationName` must be a string or null.")
    if not isinstance(extensions, dict | None):
        raise HTTPRefusal(400, "`extensions` must be an object or null.")
    return GraphQLRequest(query, variables, name, document_id)


def status_of(body: dict[str, Any], answer: Answer) -> int:
    """The HTTP status of a GraphQL response."""
    if body.get("data") is not None or "errors" not in body:
        return 200
    codes = {error["extensions"]["code"] for error in body["errors"]}
    for code, status in BUSY_STATUS.items():
        # Whatever the client accepts: proxies and clients act on the status, not on the body.
        if code in codes:
            return status
    if "data" not in body and "INTERNAL" in codes:
        return 500
    if not answer.strict:
        return 200
    refused = next(iter(codes)) if len(codes) == 1 else ""
    return REFUSED_STATUS.get(refused, 200 if "data" in body else 400)


def encode(body: dict[str, Any]) -> bytes:
    """A response body as JSON; an internal error where a resolver gave what JSON cannot say."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        unspeakable = GraphQLError(str(error), original_error=error)
        return orjson.dumps({"errors": public_errors([unspeakable])})


async def send_json(
    send: Send, status: int, body: bytes, *, media_type: str = JSON, headers: Headers = ()
) -> None:
    """Sends a whole response."""
    standing: list[tuple[bytes, bytes]] = [
        (b"content-type", media_type.encode() + b"; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if status == 401:  # noqa: PLR2004 - RFC 9110 15.5.2: it names the scheme
        standing.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": [*standing, *headers]})
    await send({"type": "http.response.body", "body": body})
