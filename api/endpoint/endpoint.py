"""The GraphQL endpoint: one ASGI application for HTTP, server-sent events and websockets.

Written on Starlette's and Strawberry's plain parts rather than on `strawberry.asgi.GraphQL`, which
answers 500 to malformed bodies, shares one context between a socket's operations, and costs more
than a small query does.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from graphql import GraphQLError
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from api.endpoint.http import (
    BODY_BYTES_MAX,
    BUSY_STATUS,
    JSON,
    RETRY_AFTER,
    Answer,
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
from api.endpoint.places import one_more
from api.endpoint.registered import PersistedDocuments
from api.endpoint.sse import send_events, until_disconnected
from api.endpoint.websocket import Socket
from models.db.fair_queue import while_wanted
from schema.engine.guard import Schema, operation_kind
from schema.engine.masking import public_errors, report

C = TypeVar("C")
Body = dict[str, Any]

AT_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})
SIGNED_OUT = GraphQLError("Signed out.", extensions={"code": "UNAUTHENTICATED"})
TOO_MANY = GraphQLError("Too many subscriptions are open.", extensions={"code": "LIMIT_EXCEEDED"})


def _no_headers(_context: object) -> Iterable[tuple[bytes, bytes]]:
    return ()


def _nothing(_context: object) -> None:
    """The default of `Contexts.forget`."""


async def _never(_context: object) -> None:
    """The default of `Contexts.revoked`: nobody tells, so it is asked for from time to time."""
    await asyncio.Event().wait()


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
    make: Callable[[HTTPConnection], Awaitable[C]]
    #: From the upgrade's context and the payload of connection_init; raises GraphQLError to refuse.
    authenticate_ws: Callable[[C, Mapping[str, Any]], Awaitable[C]]
    #: A copy for one operation, with loaders of its own. The original never runs an operation.
    fresh: Callable[[C], C] = copy.copy
    #: Makes a subscription's context drop what its loaders remember, before the next event.
    forget: Callable[[C], None] = _nothing
    #: Whether two contexts are the same caller with the same rights. Asked while a stream is open.
    same_caller: Callable[[C, C], bool] = _always
    #: Returns when a context's credentials may have been revoked: they are asked for again at once.
    revoked: Callable[[C], Awaitable[None]] = _never
    #: Whose subscriptions, and sockets, are counted together.
    caller: Callable[[C], Hashable] = _apart
    #: Whether it is somebody who asks.
    signed_in: Callable[[C], bool] = _nobody
    #: Who may send any document where only registered ones are answered.
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
    #: Sockets of one address, or IPv6 network, that nobody has signed in on, in this process.
    strangers_per_address_max: int = 256
    #: How long such a socket may stay without an operation.
    stranger_idle_seconds_max: float = 60.0
    #: Sockets of one caller in this process.
    sockets_per_caller_max: int = 500
    #: In this process, over all websockets and event streams of a caller.
    subscriptions_per_caller_max: int = 500
    keep_alive_seconds: float = 15.0
    #: How often an open stream's credentials are asked for again, where nobody said they changed.
    recheck_seconds: float = 60.0


class GraphQLEndpoint(Generic[C]):
    """An ASGI application; mount it at one path for both HTTP and websockets."""

    def __init__(
        self,
        schema: Schema,
        contexts: Contexts[C],
        options: EdgeOptions,
        documents: PersistedDocuments,
    ) -> None:
        self.schema = schema
        self.contexts = contexts
        self.options = options
        self.documents = documents
        #: Set when the server is about to stop.
        self.stopping = asyncio.Event()
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
            await self._answer(request, answer, HTTPConnection(scope), receive, send)

    def _admit(self, scope: Scope, headers: RequestHeaders) -> Answer:
        if scope["method"] != "POST":
            allow = [(b"allow", b"POST")]
            raise HTTPRefusal(405, "GraphQL is asked for with POST.", headers=allow)
        if not from_allowed_origin(headers, self.options.allowed_origins):
            raise HTTPRefusal(403, "This origin is not allowed.", "FORBIDDEN")
        return negotiate(headers.accept)

    async def _answer(
        self,
        request: GraphQLRequest,
        answer: Answer,
        connection: HTTPConnection,
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
            await send_events(
                self.results(request, context),
                receive,
                send,
                revoked=self._revoked(connection, context),
                stopping=self._stopping(request),
                keep_alive_seconds=self.options.keep_alive_seconds,
            )
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

    async def _context(self, connection: HTTPConnection) -> tuple[C | None, Body]:
        try:
            return await self.contexts.make(connection), {}
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked
            return None, self.refusal(error)

    async def found(self, request: GraphQLRequest, context: C) -> GraphQLRequest:
        """The request with the document that it names, or with why there is none."""
        try:
            query = await self.documents.text(
                request.query, request.document_id, trusted=self.contexts.trusted(context)
            )
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked where it is written
            return request._replace(query="", refused=error)
        return request._replace(query=query)

    def kind(self, request: GraphQLRequest) -> str | None:
        """`query`, `mutation` or `subscription`; None where the request does not say."""
        return operation_kind(request.query, request.operation_name, self.schema.guard.limits)

    async def _stopping(self, request: GraphQLRequest) -> None:
        """Returns when what would not end by itself has to; all else is finished."""
        await self.stopping.wait()
        if self.kind(request) != "subscription":
            await asyncio.Event().wait()

    async def _revoked(self, connection: HTTPConnection, context: C) -> Body:
        await self.until_revoked(lambda: self.contexts.make(connection), context)
        return self.signed_out()

    def signed_out(self) -> Body:
        """What ends a stream whose credentials hold no more."""
        return self.refusal(SIGNED_OUT)

    async def until_revoked(self, admit: Callable[[], Awaitable[C]], context: C) -> None:
        """Returns when credentials have expired or been revoked that a stream was opened with."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.options.recheck_seconds):
                    await self.contexts.revoked(context)
            try:
                now = await admit()
            except GraphQLError:
                return
            except Exception as error:  # noqa: BLE001 - a database that is away revokes nothing
                report(error)
                continue
            if not self.contexts.same_caller(context, now):
                return

    async def execute(self, request: GraphQLRequest, context: C) -> Body:
        """The response of a query or mutation."""
        if request.refused is not None:
            return self.refusal(request.refused)
        try:
            result = await self.schema.execute(
                request.query,
                variable_values=request.variables,
                context_value=context,
                operation_name=request.operation_name,
                allowed_operation_types=AT_ONCE,
            )
        except CannotGetOperationTypeError as error:
            return self.refusal(GraphQLError(error.as_http_error_reason()))
        except InvalidOperationTypeError:
            return self.refusal(
                GraphQLError("Subscriptions need a websocket or `Accept: text/event-stream`.")
            )
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked
            return self.refusal(error)
        return self._body(result)

    async def results(self, request: GraphQLRequest, context: C) -> AsyncGenerator[Body, None]:
        """The responses of any operation, for transports that stream.

        Closing it cancels a query or subscription; a mutation is waited for.
        """
        kind = self.kind(request)
        if kind == "mutation":
            yield await _undisturbed(self.execute(request, context))
        elif kind == "subscription":
            with self._counted(context) as admitted:
                if not admitted:
                    yield self.refusal(TOO_MANY)
                    return
                async with aclosing(self._events(request, context)) as events:
                    async for body in events:
                        yield body
        else:
            yield await self.execute(request, context)

    @contextmanager
    def _counted(self, context: C) -> Iterator[bool]:
        """Whether the caller may open one more subscription, which is counted meanwhile."""
        caller, most = self.contexts.caller(context), self.options.subscriptions_per_caller_max
        with one_more(self.subscriptions, caller, most) as admitted:
            yield admitted

    async def _events(self, request: GraphQLRequest, context: C) -> AsyncGenerator[Body, None]:
        results = await self.schema.subscribe(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
        )
        try:
            async with aclosing(results):
                async for result in results:
                    yield self._body(result)
                    self.contexts.forget(context)
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked
            yield self.refusal(error)

    def _body(self, result: ExecutionResult) -> Body:
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
        return {"errors": public_errors([error], suggestions=self.schema.guard.suggestions)}


async def _undisturbed(work: Awaitable[Body]) -> Body:
    """Waits for the work to end even when the caller is cancelled meanwhile; what only waits for
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
