"""Live subscriptions: rows of the table of watchers, not tasks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

import orjson
from graphql import GraphQLError

from api.endpoint.http import encode
from api.endpoint.places import give_back, take_place
from schema.core.watch import Listener, Source, follow
from schema.engine.guard import OperationRefused, OperationRequest
from schema.engine.subscription import PreparedSubscription

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Hashable

    from graphql import ExecutionResult

    from api.endpoint.endpoint import GraphQLEndpoint
    from api.endpoint.http import GraphQLRequest

C = TypeVar("C")

TOO_MANY: Final = GraphQLError(
    "Too many subscriptions are open.", extensions={"code": "LIMIT_EXCEEDED"}
)


class Response(NamedTuple):
    """One response of an operation, written once however many it is for."""

    json: bytes
    #: Why the operation was refused, or ends here; None for one that goes on.
    errors: list[dict[str, Any]] | None = None

    @classmethod
    def of(cls, body: dict[str, Any]) -> Response:
        """A value that JSON can't represent becomes an internal error."""
        return cls(encode(body), None if "data" in body else body["errors"])


class Outgoing(Protocol):
    """Where the responses of one operation go."""

    async def send(self, response: Response) -> None:
        """Returns when it has been sent, or the client has gone."""

    def push(self, response: Response) -> bool:
        """Send it soon. False, and nothing is sent, where the client is behind."""

    def when_free(self, call: Callable[[], None]) -> None:
        """Call this once what is pushed is taken again."""

    def end(self, response: Response) -> None:
        """Send this as the last one."""


class LiveSubscription(Listener, Generic[C]):
    """One subscription of one client."""

    __slots__ = (
        "_caller",
        "_catching_up",
        "_context",
        "_endpoint",
        "_group",
        "_outgoing",
        "_subscription",
    )

    def __init__(
        self,
        endpoint: GraphQLEndpoint[C],
        subscription: PreparedSubscription,
        source: Source,
        context: C,
        *,
        outgoing: Outgoing,
        caller: Hashable,
    ) -> None:
        """It gives back the place that `caller` has taken when it is closed."""
        super().__init__(source)
        self._caller = caller
        self._endpoint = endpoint
        self._subscription: PreparedSubscription | None = subscription
        self._context = context
        self._outgoing = outgoing
        self._group: Hashable = None
        self._catching_up: asyncio.Task[None] | None = None
        source.watchers.add(self)

    @property
    def group(self) -> Hashable:
        """Subscriptions to the same, by callers who see the same."""
        if self._group is None and self._subscription is not None:
            document, operation, variables = self._subscription.identity
            asked = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
            self._group = document, operation, asked, self._endpoint.contexts.viewer(self._context)
        return self._group

    async def show(self, event: Any) -> Response:  # noqa: ANN401 - Listener's
        """The response to an event."""
        assert self._subscription is not None
        self._endpoint.contexts.forget(self._context)
        result = await self._subscription.execute(event, self._context)
        return Response.of(self._endpoint.body(result))

    def take(self, message: Response) -> bool:
        """Send it, unless the client is behind: then it reads on by itself once it takes more."""
        if message.errors is not None:
            self._over(message)
            return True
        taken = self._outgoing.push(message)
        if not taken:
            self._outgoing.when_free(self._read_on)
        return taken

    def end(self, error: Exception) -> None:
        """It cannot go on."""
        self._over(Response.of(self._endpoint.refusal(error)))

    async def begin(self) -> None:
        """Send all up to the present; changes are sent as they happen from then on."""
        try:
            async with aclosing(follow(self)) as responses:
                async for response in responses:
                    if response.errors is not None:
                        self._over(response)
                        return
                    await self._outgoing.send(response)
        except Exception as error:  # noqa: BLE001 - the edge: logged and masked
            self.end(error)

    @property
    def is_open(self) -> bool:
        """Whether there may be more to send."""
        return self._subscription is not None

    def close(self, *, ok: bool = True) -> None:
        """Nothing more is sent."""
        if self._subscription is None:
            return
        self._subscription.close(ok=ok)
        self._subscription = None
        self.source.watchers.remove(self)
        give_back(self._endpoint.subscriptions, self._caller)
        if self._catching_up is not None and self._catching_up is not asyncio.current_task():
            self._catching_up.cancel()

    def _over(self, last: Response) -> None:
        if self.is_open:
            self.close(ok=False)
            self._outgoing.end(last)

    def _read_on(self) -> None:
        if self.is_open:
            self._catching_up = asyncio.create_task(self._caught_up())

    async def _caught_up(self) -> None:
        await self.begin()
        self._catching_up = None


async def subscribed(
    endpoint: GraphQLEndpoint[C], request: GraphQLRequest, context: C, outgoing: Outgoing
) -> LiveSubscription[C] | None:
    """Opens a subscription and sends all up to the present; the subscription, if it goes on."""
    caller, most = endpoint.contexts.caller(context), endpoint.options.subscriptions_per_caller_max
    if not take_place(endpoint.subscriptions, caller, most):
        await outgoing.send(Response.of(endpoint.refusal(TOO_MANY)))
        return None
    kept = False
    try:
        asked = OperationRequest(
            request.query, request.variables or {}, context, request.operation_name
        )
        subscription = PreparedSubscription(endpoint.schema, asked)
        source = await _source(subscription, context)
        if isinstance(source, Source):
            kept = True
            live = LiveSubscription(
                endpoint, subscription, source, context, outgoing=outgoing, caller=caller
            )
            return await _begun(live)
        await _one_by_one(endpoint, subscription, source, context, outgoing)
    except OperationRefused as refused:
        await outgoing.send(Response.of(endpoint.refusals(refused.errors)))
    except Exception as error:  # noqa: BLE001 - the edge: logged and masked
        await outgoing.send(Response.of(endpoint.refusal(error)))
    finally:
        if not kept:
            give_back(endpoint.subscriptions, caller)
    return None


async def _source(
    subscription: PreparedSubscription, context: object
) -> Source | AsyncGenerator[ExecutionResult, None]:
    try:
        return await subscription.source(context)
    except BaseException:
        subscription.close(ok=False)
        raise


async def _begun(live: LiveSubscription[C]) -> LiveSubscription[C] | None:
    try:
        await live.begin()
    except BaseException:
        live.close()
        raise
    return live if live.is_open else None


async def _one_by_one(
    endpoint: GraphQLEndpoint[C],
    subscription: PreparedSubscription,
    results: AsyncGenerator[ExecutionResult, None],
    context: C,
    outgoing: Outgoing,
) -> None:
    """For a source that has no topic: send its results as long as this runs."""
    ok = False
    try:
        async with aclosing(results):
            async for result in results:
                response = Response.of(endpoint.body(result))
                await outgoing.send(response)
                if response.errors is not None:
                    return
                endpoint.contexts.forget(context)
        ok = True
    except asyncio.CancelledError:
        ok = True
        raise
    finally:
        subscription.close(ok=ok)
