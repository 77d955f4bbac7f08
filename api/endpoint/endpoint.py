"""The GraphQL endpoint: one ASGI application for HTTP, server-sent events and websockets.

Written on Starlette's and Strawberry's plain parts rather than on `strawberry.asgi.GraphQL`, which
answers 500 to malformed bodies, shares one context between a socket's operations, and costs more
than a small query does.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from graphql import ExecutionResult, GraphQLError
from starlette.types import Receive, Scope, Send

from api.endpoint.heartbeat import Heartbeats
from api.endpoint.http import (
    BODY_BYTES_MAX,
    BUSY_STATUS,
    JSON,
    RETRY_AFTER,
    Answer,
    Connection,
    Disconnected,
    GraphQLRequest,
    HTTPRefusal,
    RequestHeaders,
    encode,
    from_allowed_origin,
    negotiate,
    read_request,
    send_json,
    status_of,
)
from api.endpoint.live import LiveSubscription, Outgoing, Response, subscribed
from api.endpoint.registered import RegisteredQueries
from api.endpoint.sse import EventStream, until_disconnected
from api.endpoint.websocket import Socket
from models.db.caller import while_wanted
from schema.engine.guard import Schema, operation_kind
from schema.engine.masking import public_errors

C = TypeVar("C")
Body = dict[str, Any]

SIGNED_OUT = GraphQLError("Signed out.", extensions={"code": "UNAUTHENTICATED"})


def _no_headers(_context: object) -> Iterable[tuple[bytes, bytes]]:
    return ()


def _nothing(_context: object) -> None:
    """The default of `Contexts.forget`."""


def _not_watched(_context: object, _ended: Callable[[], None]) -> Callable[[], None]:
    """The default of `Contexts.watch`: credentials hold for as long as a connection lasts."""
    return lambda: None


def _always(_was: object, _now: object) -> bool:
    return True


def _nobody(_context: object) -> bool:
    return False


def _apart(_context: object) -> Hashable:
    """The default of `Contexts.caller`: each is a caller of its own."""
    return object()


@dataclass(frozen=True)
class Contexts(Generic[C]):
    """How contexts are made, and what the endpoint may do with one."""

    #: From a request or an upgrade; raises GraphQLError with a code to refuse bad credentials.
    make: Callable[[Connection], Awaitable[C]]
    #: From the upgrade's context and the payload of connection_init; raises GraphQLError to refuse.
    authenticate_ws: Callable[[C, Mapping[str, Any]], Awaitable[C]]
    #: A copy for one operation, with loaders of its own. The original never runs an operation.
    fresh: Callable[[C], C] = copy.copy
    #: Makes a subscription's context drop what its loaders remember, before the next event.
    forget: Callable[[C], None] = _nothing
    #: Whether two contexts are the same caller with the same rights. Asked before each operation of
    #: a websocket.
    same_caller: Callable[[C, C], bool] = _always
    #: Calls the second, once, when a context's credentials are no longer valid; returns a function
    #: that unregisters it.
    watch: Callable[[C, Callable[[], None]], Callable[[], None]] = _not_watched
    #: Contexts with equal viewers read the same of everything; by default each is one of its own.
    viewer: Callable[[C], Hashable] = id
    #: Whose subscriptions, and sockets, are counted together.
    caller: Callable[[C], Hashable] = _apart
    #: Whether the caller is signed in.
    signed_in: Callable[[C], bool] = _nobody
    #: Callers that may send any document although only registered ones are answered.
    trusted: Callable[[C], bool] = _nobody
    #: What a finished operation adds to the HTTP response, such as a session's cookie.
    response_headers: Callable[[C], Iterable[tuple[bytes, bytes]]] = _no_headers


@dataclass(frozen=True)
class EdgeOptions:
    """Bounds of the endpoint."""

    #: Origins of other hosts' pages that may call, as browsers write them. Never `null`.
    allowed_origins: frozenset[str] = frozenset()
    body_bytes_max: int = BODY_BYTES_MAX
    connection_init_seconds_max: float = 10.0
    operations_per_socket_max: int = 50
    #: Websockets without a sign-in per address (or IPv6 network), in this process.
    strangers_per_address_max: int = 256
    #: How long such a socket may stay without an operation.
    stranger_idle_seconds_max: float = 60.0
    #: Sockets of one caller in this process.
    sockets_per_caller_max: int = 500
    #: In this process, over all websockets and event streams of a caller.
    subscriptions_per_caller_max: int = 500
    keep_alive_seconds: float = 15.0


class Stopping:
    """Tells streams that the server is about to stop: they would not end by themselves."""

    def __init__(self) -> None:
        self._streams: dict[Callable[[], None], None] = {}
        self._is_set = False

    def set(self) -> None:
        """It is."""
        self._is_set = True
        for stop in list(self._streams):
            stop()

    def add(self, stop: Callable[[], None]) -> None:
        """Call this then; now, where it is already."""
        self._streams[stop] = None
        if self._is_set:
            stop()

    def discard(self, stop: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._streams.pop(stop, None)


class GraphQLEndpoint(Generic[C]):
    """An ASGI application; mount it at one path for both HTTP and websockets."""

    def __init__(
        self,
        schema: Schema,
        contexts: Contexts[C],
        options: EdgeOptions,
        queries: RegisteredQueries,
    ) -> None:
        self.schema = schema
        self.contexts = contexts
        self.options = options
        self.queries = queries
        self.stopping = Stopping()
        self.heartbeats = Heartbeats(options.keep_alive_seconds)
        self.subscriptions: Counter[Hashable] = Counter()
        self.strangers: Counter[str] = Counter()
        self.sockets: Counter[Hashable] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP request or one websocket."""
        if scope["type"] == "websocket":
            await Socket(self, scope, receive, send).serve()
            return
        answer = Answer(JSON, strict=True)
        try:
            headers = RequestHeaders.of(scope)
            answer = self._admit(scope, headers)
            request = await read_request(headers, receive, bytes_max=self.options.body_bytes_max)
        except Disconnected:
            return
        except HTTPRefusal as refusal:
            body = encode({"errors": refusal.errors})
            await send_json(
                send, refusal.status, body, media_type=answer.media_type, headers=refusal.headers
            )
        else:
            await self._answer(request, answer, Connection.of(scope, headers), receive, send)

    def _admit(self, scope: Scope, headers: RequestHeaders) -> Answer:
        if scope["method"] != "POST":
            allow = [(b"allow", b"POST")]
            raise HTTPRefusal(405, "GraphQL requests must use POST.", headers=allow)
        if not from_allowed_origin(headers, self.options.allowed_origins):
            raise HTTPRefusal(403, "This origin is not allowed.", "FORBIDDEN")
        return negotiate(headers.accept)

    async def _answer(
        self,
        request: GraphQLRequest,
        answer: Answer,
        connection: Connection,
        receive: Receive,
        send: Send,
    ) -> None:
        context, refused = await self._context(connection)
        if context is None:
            # Credentials are HTTP's business: a bad one is 401 whatever the client accepts.
            answer = answer._replace(strict=True, streams=False)
        else:
            request = await self.found(request, context)
        if context is not None and answer.streams:
            await EventStream(self, request, context, send).serve(receive)
            return
        body = refused
        headers: list[tuple[bytes, bytes]] = []
        if context is not None:
            with while_wanted(lambda: until_disconnected(receive)):
                body = await self.execute(request, context)
            headers += self.contexts.response_headers(context)
        status = status_of(body, answer)
        if status in BUSY_STATUS.values():
            headers.append(RETRY_AFTER)
        await send_json(send, status, encode(body), media_type=answer.media_type, headers=headers)

    async def _context(self, connection: Connection) -> tuple[C | None, Body]:
        try:
            return await self.contexts.make(connection), {}
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked
            return None, self.refusal(error)

    async def found(self, request: GraphQLRequest, context: C) -> GraphQLRequest:
        """The request with the document that it names, or with the error if there is none."""
        try:
            query = await self.queries.text(
                request.query, request.document_id, trusted=self.contexts.trusted(context)
            )
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked where it is written
            return request._replace(query="", refused=error)
        return request._replace(query=query)

    def kind(self, request: GraphQLRequest) -> str | None:
        """`query`, `mutation` or `subscription`; None where the request does not say."""
        return operation_kind(request.query, request.operation_name, self.schema.guard.limits)

    def signed_out(self) -> Body:
        """The error that ends a stream whose credentials are no longer valid."""
        return self.refusal(SIGNED_OUT)

    async def execute(self, request: GraphQLRequest, context: C) -> Body:
        """The response of a query or mutation."""
        if request.refused is not None:
            return self.refusal(request.refused)
        try:
            result = await self.schema.execute(
                request.query, request.variables, context, request.operation_name
            )
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked
            return self.refusal(error)
        return self.body(result)

    async def answer(
        self, request: GraphQLRequest, context: C, outgoing: Outgoing
    ) -> LiveSubscription[C] | None:
        """Sends the responses of any operation, for transports that stream; the subscription, if it
        goes on.

        Cancelling it stops a query or subscription; a mutation is waited for.
        """
        kind = self.kind(request)
        if kind == "subscription":
            return await subscribed(self, request, context, outgoing)
        executed = self.execute(request, context)
        body = await (_uncancelled(executed) if kind == "mutation" else executed)
        await outgoing.send(Response.of(body))
        return None

    def body(self, result: ExecutionResult) -> Body:
        """The response that tells of a result."""
        if not result.errors:
            return {"data": result.data}
        errors = public_errors(result.errors, suggestions=self.schema.guard.suggestions)
        busy = any(error["extensions"]["code"] in BUSY_STATUS for error in errors)
        if result.data is None and (busy or all(error.path is None for error in result.errors)):
            # As where execution has not begun: it may be sent again, and what was done before it
            # is answered by its key.
            return {"errors": errors}
        return {"errors": errors, "data": result.data}

    def refusal(self, error: Exception) -> Body:
        """The response of a request that was not executed."""
        if not isinstance(error, GraphQLError):
            error = GraphQLError(str(error), original_error=error)
        return self.refusals([error])

    def refusals(self, errors: Iterable[GraphQLError]) -> Body:
        """The response of one for several reasons."""
        return {"errors": public_errors(errors, suggestions=self.schema.guard.suggestions)}


async def _uncancelled(work: Awaitable[Body]) -> Body:
    """Waits for the work to finish even if the caller is cancelled; work that only waits for
    its turn ends at once.
    """
    left = asyncio.Event()
    with while_wanted(left.wait):
        task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        left.set()
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        raise
