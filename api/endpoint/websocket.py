"""GraphQL over websockets: the graphql-transport-ws protocol, server side.

After https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The legacy protocol with the
subprotocol `graphql-ws` is refused, and so are pages of other origins: browsers send cookies
along with every upgrade, whoever's page asks.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Mapping, MutableMapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphql import GraphQLError
from starlette.responses import Response as HTTPResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from api.endpoint.http import (
    Connection,
    HTTPRefusal,
    RequestHeaders,
    address_of,
    decode,
    from_allowed_origin,
    parse_request,
)
from api.endpoint.live import Response
from api.endpoint.operation import Frame, Operation, text
from api.endpoint.outlet import Outlet
from api.endpoint.places import give_back, take_place
from models.access.rate_limit import network
from models.errors import Busy, TooManyAtOnce
from schema.engine.masking import report

if TYPE_CHECKING:
    from api.endpoint.endpoint import GraphQLEndpoint

C = TypeVar("C")
K = TypeVar("K", bound=Hashable)
PROTOCOL = "graphql-transport-ws"
_PINGS = frozenset({"ping", "pong"})
TOO_MANY = GraphQLError(
    "Too many operations on this socket.", extensions={"code": "LIMIT_EXCEEDED"}
)


class Close(Exception):
    """Ends the conversation with a close code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Left(Exception):
    """The client has closed the connection, or it is lost."""


def credential_of(params: Mapping[str, Any]) -> str | None:
    """The credential in a connection_init payload, without "Bearer"; None when it has none.

    `{"authorization": "Bearer …"}`, `{"authorization": "…"}` or `{"apiKey": "…"}`, in any case.
    Raises GraphQLError (UNAUTHENTICATED) for one that isn't a string.
    """
    given = {name.lower(): value for name, value in params.items()}
    token = given.get("authorization", given.get("apikey"))
    if not isinstance(token, str | None):
        raise GraphQLError("A credential must be a string.", extensions={"code": "UNAUTHENTICATED"})
    scheme, _, rest = (token or "").strip().partition(" ")
    return (rest.strip() if scheme.lower() == "bearer" else (token or "").strip()) or None


class Socket(Generic[C]):
    """One connection: its caller and its open operations."""

    __slots__ = (
        "_afterwards",
        "closed",
        "context",
        "endpoint",
        "operations",
        "outlet",
        "params",
        "receive",
        "scope",
        "side_tasks",
        "tasks",
        "worked_at",
    )

    def __init__(
        self, endpoint: GraphQLEndpoint[C], scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.endpoint = endpoint
        self.scope = scope
        self.receive = receive
        self.outlet = Outlet(send)
        self.context: C | None = None
        self.params: Mapping[str, Any] = {}
        self.operations: dict[str, Operation[C]] = {}
        #: Tasks of operations, including ones the client has already completed.
        self.tasks: list[asyncio.Task[None]] = []
        #: Tasks other than operations.
        self.side_tasks: list[asyncio.Task[None]] = []
        #: When the last operation ended, on the monotonic clock.
        self.worked_at = 0.0
        self.closed = False
        #: What is to be done when the connection is over.
        self._afterwards: list[Callable[[], object]] = []

    async def serve(self) -> None:
        """Talks until one side ends it."""
        try:
            if await self._accepted():
                await self._initialise()
                while True:
                    await self._handle(self._decoded(await self.receive()))
        except Close as close:
            await self._close(close)
        except Left:
            self.closed = True
        finally:
            await self._stop()

    async def _accepted(self) -> bool:
        websocket = WebSocket(self.scope, self.receive, self.outlet.send)
        headers = RequestHeaders.of(self.scope)
        if not from_allowed_origin(headers, self.endpoint.options.allowed_origins):
            await _deny(websocket, 403, "This origin is not allowed.")
        elif PROTOCOL not in self.scope.get("subprotocols", ()):
            await _deny(websocket, 400, f"The subprotocol must be {PROTOCOL}.")
        elif not self._place_of_a_stranger():
            await _deny(websocket, 429, "Too many websockets without a sign-in. Try again later.")
        else:
            await websocket.accept(subprotocol=PROTOCOL)
            return True
        return False

    def _place_of_a_stranger(self) -> bool:
        """Whether this address may open another anonymous socket; counted until it signs in."""
        address = network(address_of(self.scope))
        most = self.endpoint.options.strangers_per_address_max
        return self._take_place(self.endpoint.strangers, address, most)

    def _take_place(self, taken: Counter[K], by: K, most: int) -> bool:
        there_is_one = take_place(taken, by, most)
        if there_is_one:
            self._afterwards.append(partial(give_back, taken, by))
        return there_is_one

    async def _initialise(self) -> None:
        self.params = await self._connection_init()
        try:
            self.context = await self._admit()
        except GraphQLError as error:
            raise Close(4403, "Forbidden") from error
        except Busy as error:
            raise Close(1013, "Try again later") from error
        except Exception as error:
            raise Close(4500, f"Internal error {report(error)}") from error
        self._take_callers_place(self.context)
        await self.outlet.send(text({"type": "connection_ack"}))
        self._afterwards.append(self.endpoint.contexts.watch(self.context, self._sign_out))

    def _take_callers_place(self, context: C) -> None:
        """Count it for the caller instead of the address; raises Close if they have too many."""
        if not self.endpoint.contexts.signed_in(context):
            self._start_side_task(self._close_when_idle())
            return
        self._afterwards.pop()()  # the stranger's
        caller = self.endpoint.contexts.caller(context)
        most = self.endpoint.options.sockets_per_caller_max
        if not self._take_place(self.endpoint.sockets, caller, most):
            raise Close(1013, "Too many sockets")

    async def _connection_init(self) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(self.endpoint.options.connection_init_seconds_max):
                while (message := self._decoded(await self.receive()))["type"] in _PINGS:
                    await self._handle(message)
        except TimeoutError:
            raise Close(4408, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Close(4401, "Unauthorized")
        params = message.get("payload")
        if not isinstance(params, dict | None):
            raise Close(4400, "The payload of connection_init must be an object")
        return params or {}

    async def _admit(self) -> C:
        context = await self.endpoint.contexts.make(Connection.of(self.scope))
        return await self.endpoint.contexts.authenticate_ws(context, self.params)

    def _sign_out(self) -> None:
        """Its credentials are no longer valid: end all operations and close the socket."""
        last = Response.of(self.endpoint.signed_out())
        for operation in list(self.operations.values()):
            operation.end(last)
            operation.stop()
        self._start_side_task(self._close(Close(4403, "Signed out")))

    async def _close_when_idle(self) -> None:
        """Closes a socket without a sign-in on which no operation is started."""
        seconds = self.endpoint.options.stranger_idle_seconds_max
        self.worked_at = monotonic()
        while True:
            if self.tasks:
                await asyncio.wait(self.tasks)
            elif (left := self.worked_at + seconds - monotonic()) > 0:
                await asyncio.sleep(left)
            else:
                break
        await self._close(Close(4408, "No operation was started"))

    def _decoded(self, received: MutableMapping[str, Any]) -> Frame:
        if received["type"] == "websocket.disconnect":
            raise Left
        received_text = received.get("text")
        if received_text is None:
            raise Close(4400, "Messages must be text")
        try:
            message = decode(received_text.encode())
        except HTTPRefusal:
            raise Close(4400, "Messages must be JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Close(4400, "Messages must be objects with a type")
        return message

    async def _handle(self, message: Frame) -> None:
        match message["type"]:
            case "subscribe":
                await self._subscribe(_id_of(message), message.get("payload"))
            case "complete":
                if operation := self.operations.get(_id_of(message)):
                    operation.stop()
            case "ping":
                await self.outlet.send(text({"type": "pong"}))
            case "pong":
                pass
            case "connection_init":
                raise Close(4429, "Too many initialisation requests")
            case _:
                raise Close(4400, "Unknown message type")

    async def _subscribe(self, id: str, payload: object) -> None:
        if id in self.operations:
            raise Close(4409, "Subscriber already exists")
        try:
            request = parse_request(payload)
        except HTTPRefusal as refusal:
            raise Close(4400, str(refusal)) from None
        operation = Operation(self, id)
        if self._under_way() >= self.endpoint.options.operations_per_socket_max:
            # Mutations end by themselves: what does not fit now may be sent again.
            is_mutation = self.endpoint.kind(request) == "mutation"
            await self.refuse(operation, TooManyAtOnce() if is_mutation else TOO_MANY)
            return
        self.operations[id] = operation
        operation.task = self._start(operation.run(request))

    def _under_way(self) -> int:
        """Open operations, and mutations that still run although the client has completed them."""
        live = sum(operation.live is not None for operation in self.operations.values())
        return live + len(self.tasks)

    def _start_side_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.side_tasks.append(task)
        task.add_done_callback(self.side_tasks.remove)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.remove(task)
        self.worked_at = monotonic()

    async def refuse(self, operation: Operation[C], error: Exception) -> None:
        """It is not executed."""
        await operation.send(Response.of(self.endpoint.refusal(error)))

    async def caller(self, operation: Operation[C]) -> C | None:
        """The context of one operation. As over HTTP, its credentials are checked anew.

        None if it can't run: invalid credentials close the socket; if they can't be checked now,
        the operation is refused.
        """
        try:
            now = await self._admit()
        except GraphQLError:
            await self._close(Close(4403, "Signed out"))
        except Busy as busy:
            await self.refuse(operation, busy)
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked
            await self._close(Close(4500, f"Internal error {report(error)}"))
        else:
            assert self.context is not None
            if self.endpoint.contexts.same_caller(self.context, now):
                return self.endpoint.contexts.fresh(now)
            await self._close(Close(4403, "Signed out"))
        return None

    async def _close(self, close: Close) -> None:
        if self.closed:
            return
        self.closed = True
        reason = close.reason[:120]
        await self.outlet.send({"type": "websocket.close", "code": close.code, "reason": reason})

    async def _stop(self) -> None:
        for operation in list(self.operations.values()):
            operation.stop()
        for task in (tasks := [*self.tasks, *self.side_tasks]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.outlet.close()
        for call in self._afterwards:
            call()


async def _deny(websocket: WebSocket, status: int, message: str) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        denial = HTTPResponse(message, status, media_type="text/plain")
        await websocket.send_denial_response(denial)
    else:
        await websocket.close(1008)


def _id_of(message: Frame) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise Close(4400, "An operation must have an id")
    return operation_id
