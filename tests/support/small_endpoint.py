"""A small schema behind the real endpoint, for the tests of the edge."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from socket import socket
from typing import Any, NewType, cast
from uuid import UUID

import httpx
import strawberry
import uvicorn
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig

from api.endpoint.endpoint import Contexts, EdgeOptions, GraphQLEndpoint
from api.endpoint.http import Connection
from api.endpoint.registered import RegisteredQueries
from api.endpoint.websocket import credential_of
from api.server.connection import CONNECTIONS
from models.access.identity import Actor, Role
from schema.core.watch import Source, State, Watchers
from schema.engine.guard import Guard, Schema


@dataclass
class Context:
    user: str | None = None
    loaded: list[int] = field(default_factory=list)

    def fresh(self) -> Context:
        return replace(self, loaded=[])

    def forget(self) -> None:
        self.loaded.clear()


Info = strawberry.Info[Context, None]


@dataclass
class Resolvers:
    """What resolvers did, and gates that tests open."""

    tokens: set[str] = field(default_factory=lambda: {"good"})
    began: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    deposits: int = 0
    #: The newest of the news, and who looks for it.
    newest: int = 0
    watchers: Watchers = field(default_factory=Watchers)
    #: What is called when the credentials of whatever is open hold no more.
    watched: list[Callable[[], None]] = field(default_factory=list)

    def reset(self) -> None:
        vars(self).update(vars(Resolvers()))


resolvers = Resolvers()


def refuse(code: str) -> GraphQLError:
    return GraphQLError(f"Refused: {code}", extensions={"code": code})


Unspeakable = NewType("Unspeakable", int)


@strawberry.type
class Page:
    id: int

    @strawberry.field
    def page(self, first: int) -> list[Page]:
        return [Page(id=self.id * first)]


@strawberry.type
class Query:
    @strawberry.field
    def page(self, first: int) -> Page:
        return Page(id=first)

    @strawberry.field
    def hello(self, name: str = "world", times: int = 1) -> str:
        return f"hello {name}" * times

    @strawberry.field
    def user(self, info: Info) -> str:
        if info.context.user is None:
            raise refuse("UNAUTHENTICATED")
        return info.context.user

    @strawberry.field
    def maybe_user(self, info: Info) -> str | None:
        return info.context.user

    @strawberry.field
    def forbidden(self) -> str:
        raise refuse("FORBIDDEN")

    @strawberry.field
    def broken(self) -> str:
        raise RuntimeError("postgres://user:secret@host")

    @strawberry.field
    def unspeakable(self) -> Unspeakable:
        return Unspeakable(2**70)

    @strawberry.field
    def careless(self) -> str:
        raise GraphQLError("a secret, and no code")

    @strawberry.field
    def loads(self, info: Info) -> int:
        info.context.loaded.append(1)
        return len(info.context.loaded)

    @strawberry.field
    async def slow(self) -> str:
        resolvers.began.set()
        await resolvers.gate.wait()
        return "at last"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def deposit(self) -> int:
        resolvers.began.set()
        await resolvers.gate.wait()
        resolvers.deposits += 1
        return resolvers.deposits

    @strawberry.mutation
    def redeem_voucher(self, code: str) -> str:
        return code


@strawberry.type
class Tick:
    number: int

    @strawberry.field
    def loads(self, info: Info) -> int:
        info.context.loaded.append(self.number)
        return len(info.context.loaded)


class News(Source):
    """Each piece of news is a number."""

    @classmethod
    async def read(cls, sources: Sequence[News]) -> Mapping[str, State]:
        return dict.fromkeys((source.topic for source in sources), resolvers.newest)

    async def events(
        self, told: State | None, present: State | None
    ) -> AsyncIterator[tuple[State, int]]:
        assert isinstance(present, int)
        if present < 0:
            raise refuse("FORBIDDEN")
        for number in range(present if told is None else int(str(told)) + 1, present + 1):
            yield number, number

    def is_older(self, one: State | None, other: State | None) -> bool:
        return isinstance(one, int) and isinstance(other, int) and 0 <= one < other

    def forget(self) -> None:
        """It remembers nothing."""

    def explained(self, error: Exception) -> Exception:
        return error


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def news(self) -> AsyncGenerator[int, None]:
        reader = Actor(role=Role.CLIENT, user_id=UUID(int=1))
        return cast("AsyncGenerator[int, None]", News(resolvers.watchers, "news", reader))

    @strawberry.subscription
    async def ticks(self, to: int) -> AsyncGenerator[Tick, None]:
        for number in range(to):
            await asyncio.sleep(0)  # as one does who reads a database
            yield Tick(number=number)

    @strawberry.subscription
    async def balance(self) -> AsyncGenerator[int, None]:
        try:
            yield 1
            await resolvers.gate.wait()
            yield 2
        finally:
            resolvers.stopped.set()

    @strawberry.subscription
    async def failing(self) -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError("secret in a subscription")


SCHEMA = Schema(
    Query,
    Mutation,
    Subscription,
    config=StrawberryConfig(scalar_map={Unspeakable: strawberry.scalar(name="Unspeakable")}),
)


async def make_context(connection: Connection) -> Context:
    scheme, _, token = (connection.headers.authorization or "").partition(" ")
    return context_of(token if scheme == "Bearer" else connection.headers.cookies.get("session"))


def context_of(token: str | None) -> Context:
    if token is not None and token not in resolvers.tokens:
        raise refuse("UNAUTHENTICATED")
    return Context(user="ada" if token else None)


async def authenticate_ws(context: Context, params: Mapping[str, Any]) -> Context:
    token = credential_of(params)
    return context_of(token) if token else context


def watch(_context: Context, ended: Callable[[], None]) -> Callable[[], None]:
    resolvers.watched.append(ended)
    return lambda: resolvers.watched.remove(ended)


CONTEXTS = Contexts(
    watch=watch,
    make=make_context,
    authenticate_ws=authenticate_ws,
    fresh=Context.fresh,
    forget=Context.forget,
    trusted=lambda context: context.user is not None,
    response_headers=lambda context: [(b"x-user", (context.user or "nobody").encode())],
)


def edge(
    guard: Guard | None = None, queries: RegisteredQueries | None = None, **options: Any
) -> GraphQLEndpoint[Context]:
    return GraphQLEndpoint(
        SCHEMA.guarded(guard or Guard()),
        CONTEXTS,
        EdgeOptions(**options),
        queries or RegisteredQueries(),
    )


@asynccontextmanager
async def client_of(app: GraphQLEndpoint[Context]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://portal.test"
    ) as client:
        yield client


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: GraphQLEndpoint[Context], **how: Any) -> AsyncIterator[str]:
    """Host and port of a real server."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, **(CONNECTIONS | how))
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    await server.ready.wait()
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await running
