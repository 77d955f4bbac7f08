"""GraphQL over websockets: the graphql-transport-ws protocol, server side.

After https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The legacy protocol with the
subprotocol `graphql-ws` is refused, and so are pages of other origins: browsers send cookies
along with every upgrade, whoever's page asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack, aclosing, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
from graphql import GraphQLError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.endpoint.http import (
    GraphQLRequest,
    HTTPRefusal,
    RequestHeaders,
    decode,
    encode,
    from_allowed_origin,
    parse_request,
)
from api.endpoint.places import one_more
from models.access.rate_limit import network
from models.errors import Busy, TooManyAtOnce
from schema.engine.masking import report

if TYPE_CHECKING:
    from api.endpoint.endpoint import GraphQLEndpoint

C = TypeVar("C")
Message = dict[str, Any]

PROTOCOL = "graphql-transport-ws"
TOO_MANY = GraphQLError(
    "Too many operations on this socket.", extensions={"code": "LIMIT_EXCEEDED"}
)


class Close(Exception):
    """Ends the conversation with a close code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def token_of(params: Mapping[str, Any]) -> str | None:
    """The credential in a connection_init payload, without "Bearer"; None when it has none.

    `{"authorization": "Bearer …"}`, `{"authorization": "…"}` or `{"apiKey": "…"}`, in any case.
    Raises GraphQLError (UNAUTHENTICATED) for one that is no string.
    """
    given = {name.lower(): value for name, value in params.items()}
    token = given.get("authorization", given.get("apikey"))
    if not isinstance(token, str | None):
        raise GraphQLError("A credential is a string.", extensions={"code": "UNAUTHENTICATED"})
    scheme, _, rest = (token or "").strip().partition(" ")
    return (rest.strip() if scheme.lower() == "bearer" else (token or "").strip()) or None


class Socket(Generic[C]):
    """One connection: its caller and its running operations."""

    context: C
    params: Mapping[str, Any]

    def __init__(
        self, endpoint: GraphQLEndpoint[C], scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.endpoint = endpoint
        self.websocket = WebSocket(scope, receive, send)
        self.operations: dict[str, asyncio.Task[None]] = {}
        #: Every task of ours, also of operations that the client has completed already.
        self.tasks: set[asyncio.Task[None]] = set()
        #: Those that only watch.
        self.watchers: set[asyncio.Task[None]] = set()
        #: When the last operation ended, on the monotonic clock.
        self.worked_at = 0.0
        self.closed = False
        self._place = ExitStack()

    async def serve(self) -> None:
        """Talks until one side ends it."""
        with self._place:
            if await self._accepted():
                await self._talk()

    async def _talk(self) -> None:
        try:
            self.params = await self._initialised()
            self._watch(self._close_when_revoked())
            while True:
                await self._handle(await self._message())
        except Close as close:
            await self._close(close)
        except WebSocketDisconnect:
            self.closed = True
        finally:
            await self._stop()

    async def _accepted(self) -> bool:
        headers = RequestHeaders.of(self.websocket.scope)
        if not from_allowed_origin(headers, self.endpoint.options.allowed_origins):
            await self._deny(403, "This origin is not allowed.")
        elif PROTOCOL not in self.websocket.scope.get("subprotocols", ()):
            await self._deny(400, f"The subprotocol is {PROTOCOL}.")
        elif not self._place_of_a_stranger():
            await self._deny(429, "Too many sockets that nobody has signed in on. Try again later.")
        else:
            await self.websocket.accept(subprotocol=PROTOCOL)
            return True
        return False

    def _place_of_a_stranger(self) -> bool:
        """Whether there is one at this address; it is held until somebody has signed in."""
        client = self.websocket.scope.get("client")
        most = self.endpoint.options.strangers_per_address_max
        address = network(client[0]) if client else ""
        return self._place.enter_context(one_more(self.endpoint.strangers, address, most))

    def _take_place(self) -> None:
        """Somebody who has signed in has a place of their own; raises Close where there is none."""
        if not self.endpoint.contexts.signed_in(self.context):
            self._watch(self._close_when_idle())
            return
        self._place.close()
        caller = self.endpoint.contexts.caller(self.context)
        most = self.endpoint.options.sockets_per_caller_max
        if not self._place.enter_context(one_more(self.endpoint.sockets, caller, most)):
            raise Close(1013, "Too many sockets")

    async def _deny(self, status: int, message: str) -> None:
        if "websocket.http.response" in self.websocket.scope.get("extensions", {}):
            denial = Response(message, status, media_type="text/plain")
            await self.websocket.send_denial_response(denial)
        else:
            await self.websocket.close(1008)

    async def _initialised(self) -> Mapping[str, Any]:
        params = await self._connection_init()
        try:
            self.context = await self._admit(params)
        except GraphQLError as error:
            raise Close(4403, "Forbidden") from error
        except Busy as error:
            raise Close(1013, "Try again later") from error
        except Exception as error:
            raise Close(4500, f"Internal error {report(error)}") from error
        self._take_place()
        await self._send({"type": "connection_ack"})
        return params

    async def _connection_init(self) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(self.endpoint.options.connection_init_seconds_max):
                while (message := await self._message())["type"] in {"ping", "pong"}:
                    await self._handle(message)
        except TimeoutError:
            raise Close(4408, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Close(4401, "Unauthorized")
        params = message.get("payload")
        if not isinstance(params, dict | None):
            raise Close(4400, "The payload of connection_init is an object")
        return params or {}

    async def _admit(self, params: Mapping[str, Any]) -> C:
        context = await self.endpoint.contexts.make(self.websocket)
        return await self.endpoint.contexts.authenticate_ws(context, params)

    async def _close_when_revoked(self) -> None:
        await self.endpoint.until_revoked(lambda: self._admit(self.params), self.context)
        errors = self.endpoint.signed_out()["errors"]
        with suppress(WebSocketDisconnect):
            for operation_id, operation in list(self.operations.items()):
                operation.cancel()
                await self._send({"type": "error", "id": operation_id, "payload": errors})
        await self._close(Close(4403, "Signed out"))

    async def _close_when_idle(self) -> None:
        """Nobody keeps a socket open that nobody has signed in on, and nothing is asked on."""
        seconds = self.endpoint.options.stranger_idle_seconds_max
        self.worked_at = monotonic()
        while True:
            if under_way := self._under_way():
                await asyncio.wait(under_way)
            elif (left := self.worked_at + seconds - monotonic()) > 0:
                await asyncio.sleep(left)
            else:
                break
        await self._close(Close(4408, "Nothing was asked"))

    def _under_way(self) -> set[asyncio.Task[None]]:
        return self.tasks - self.watchers

    async def _message(self) -> Message:
        received = await self.websocket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1005))
        text = received.get("text")
        if text is None:
            raise Close(4400, "Messages are text")
        try:
            message = decode(text.encode())
        except HTTPRefusal:
            raise Close(4400, "Messages are JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Close(4400, "Messages are objects with a type")
        return message

    async def _handle(self, message: Message) -> None:
        match message["type"]:
            case "subscribe":
                await self._subscribe(_id_of(message), message.get("payload"))
            case "complete":
                if operation := self.operations.pop(_id_of(message), None):
                    operation.cancel()
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "connection_init":
                raise Close(4429, "Too many initialisation requests")
            case _:
                raise Close(4400, "Unknown message type")

    async def _subscribe(self, operation_id: str, payload: object) -> None:
        if operation_id in self.operations:
            raise Close(4409, "Subscriber already exists")
        try:
            request = parse_request(payload)
        except HTTPRefusal as refusal:
            raise Close(4400, str(refusal)) from None
        if len(self._under_way()) >= self.endpoint.options.operations_per_socket_max:
            # Mutations end by themselves: what does not fit now may be sent again.
            is_mutation = self.endpoint.kind(request) == "mutation"
            await self._refuse(operation_id, TooManyAtOnce() if is_mutation else TOO_MANY)
            return
        self.operations[operation_id] = self._start(self._run(operation_id, request))

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        self.watchers.add(self._start(work))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.worked_at = monotonic()

    async def _refuse(self, operation_id: str, error: Exception) -> None:
        errors = self.endpoint.refusal(error)["errors"]
        await self._send({"type": "error", "id": operation_id, "payload": errors})

    async def _run(self, operation_id: str, request: GraphQLRequest) -> None:
        try:
            context = await self._caller()
        except Close as close:
            await self._close(close)
            return
        except Busy as busy:
            self.operations.pop(operation_id, None)
            await self._refuse(operation_id, busy)
            return
        request = await self.endpoint.found(request, context)
        last: Message = {"type": "complete", "id": operation_id}
        with suppress(WebSocketDisconnect):
            async with aclosing(self.endpoint.results(request, context)) as bodies:
                async for body in bodies:
                    if "data" not in body:
                        last = {"type": "error", "id": operation_id, "payload": body["errors"]}
                        break
                    payload = orjson.Fragment(encode(body))
                    await self._send({"type": "next", "id": operation_id, "payload": payload})
            # The client may use the id again as soon as it hears of the end.
            if self.operations.get(operation_id) is asyncio.current_task():
                del self.operations[operation_id]
            await self._send(last)

    async def _caller(self) -> C:
        """The context of one operation. As over HTTP, its credentials are looked at anew.

        Raises Close when they hold no more, whether they have run out or were given up on here, and
        Busy when that cannot be looked up just now.
        """
        try:
            now = await self._admit(self.params)
        except GraphQLError as error:
            raise Close(4403, "Signed out") from error
        except Busy:
            raise
        except Exception as error:
            raise Close(4500, f"Internal error {report(error)}") from error
        if not self.endpoint.contexts.same_caller(self.context, now):
            raise Close(4403, "Signed out")
        return self.endpoint.contexts.fresh(now)

    async def _send(self, message: Message) -> None:
        if not self.closed:
            await self.websocket.send_text(orjson.dumps(message).decode())

    async def _close(self, close: Close) -> None:
        if self.closed:
            return
        self.closed = True
        with suppress(WebSocketDisconnect, RuntimeError):
            await self.websocket.close(close.code, close.reason[:120])

    async def _stop(self) -> None:
        for task in (tasks := list(self.tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _id_of(message: Message) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise Close(4400, "An operation has an id")
    return operation_id
