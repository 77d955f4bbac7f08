"""The application: everything is made and wired here, once."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from api.domain import make_feed, migrations_problem, opened, room_problem
from api.downloads.ahead import Ahead
from api.downloads.links import Links
from api.downloads.route import Documents
from api.endpoint.auth import DeviceCookie, SessionCookie
from api.endpoint.contexts import ContextMaker, EdgeContext
from api.endpoint.endpoint import EdgeOptions, GraphQLEndpoint
from api.endpoint.registered import PersistedDocuments
from api.endpoint.revocations import Revocations
from api.gateways import load_gateways
from api.gateways.returns import return_route
from api.gateways.sandbox.delivery import Delivery
from api.gateways.sandbox.gateway import SandboxGateway
from api.gateways.sandbox.pages import Pages
from api.gateways.webhooks import webhook_route
from api.observe.metrics import Metrics
from api.pages.about import missing_page_route, page_routes
from api.pages.graphiql import PATH as GRAPHIQL
from api.pages.graphiql import graphiql_routes
from api.pages.portal import Built, portal_routes
from api.pdf.renderer import PdfRenderer
from api.pdf.store import DocumentStore
from api.server.health import Check, Storage, database_problem, feed_check, health_routes, pdf_check
from api.server.middleware import Observed, SecurityHeaders
from api.worker.jobs import jobs
from api.worker.scheduler import Worker
from models.access import device
from models.db import tasks, transactions
from schema import make_schema
from schema.engine.costs import lists
from schema.engine.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from api.live.local import LiveFeed
    from api.settings.settings import Settings
    from models.gateway import Gateway

_ALLOWED_HEADERS: Final = ["authorization", "content-type", "x-request-id"]
_PREFLIGHT_SECONDS: Final = 3600


def create_app(settings: Settings) -> Starlette:
    """The ASGI application of these settings. Its lifespan opens and closes all that it uses; who
    serves it sets `state.stopping` before it is to end.

    Raises GatewayNotLoaded.
    """
    metrics, feed, renderer = Metrics(), make_feed(settings), make_renderer(settings)
    gateways = load_gateways(settings)
    sandbox = _sandbox_of(gateways)
    revocations = Revocations()
    delivery = None if sandbox is None else Delivery(sandbox)
    metrics.watch("live_subscriptions", "Open live subscriptions.", lambda: feed.listeners)
    metrics.watch("transactions_open", "Database transactions under way.", tasks.open_transactions)
    metrics.watch(
        "transactions_waiting",
        "Database transactions that wait for their turn.",
        transactions.waiting_transactions,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened(settings, gateways, feed))
            await stack.enter_async_context(renderer)
            await stack.enter_async_context(revocations.running())
            if delivery is not None:
                await stack.enter_async_context(delivery.running())
            if settings.embedded_worker:
                ahead = Ahead(renderer, gateways) if settings.pdf_ahead else None
                work = jobs(metrics, ahead, pruning(settings))
                await stack.enter_async_context(Worker(work, metrics))
            yield

    links = Links(settings.secret, settings.public_url, settings.pdf_link_minutes)
    endpoint = _endpoint(settings, feed, links, metrics, revocations)
    app = Starlette(
        routes=[
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", endpoint),
            webhook_route(gateways),
            return_route(settings.public_url, settings.origins),
            Documents(links, renderer, gateways, metrics).route(),
            *(Pages(sandbox, delivery, settings.origins).routes() if sandbox and delivery else []),
            *health_routes(_checks(settings, feed, renderer), metrics),
            *page_routes(settings),
            *portal_routes(
                settings,
                missing_page_route(settings),
                card_form=settings.stripe_form == "page",
            ),
            *graphiql_routes(settings, missing_page_route(settings, GRAPHIQL)),
        ],
        middleware=_middleware(settings, metrics),
        exception_handlers={HTTPException: _as_json, ClientDisconnect: _incomplete},
        lifespan=lifespan,
    )
    # It would send browsers to wherever their Host header says.
    app.router.redirect_slashes = False
    app.state.stopping = endpoint.stopping
    return app


def make_renderer(settings: Settings, *, warm: bool = True) -> PdfRenderer:
    """What makes PDFs; it starts when it is entered, its processes at once where it is `warm`."""
    return PdfRenderer(
        processes=settings.pdf_processes,
        warm=warm and settings.pdf_ahead,
        timeout_seconds=settings.pdf_seconds,
        templates=settings.templates,
        store=_store(settings),
    )


def _store(settings: Settings) -> DocumentStore | None:
    return DocumentStore(settings.documents_kept_at) if settings.documents_kept_at else None


def pruning(settings: Settings) -> Callable[[], Awaitable[object]] | None:
    """What keeps the store of documents within its bounds; None where there is none."""
    store = _store(settings)
    if store is None:
        return None
    age_max = timedelta(days=settings.document_store_days)
    return partial(store.prune, age_max, settings.document_store_mib * 2**20)


def _endpoint(
    settings: Settings, feed: LiveFeed, links: Links, metrics: Metrics, revocations: Revocations
) -> GraphQLEndpoint[EdgeContext]:
    open_to_all = bool(settings.introspection)
    guard = Guard(
        lists=lists(settings.payments_per_invoice_max, len(settings.funds_limits)),
        introspection=lambda context: open_to_all or context.actor is not None,
        suggestions=open_to_all,
        query_seconds_max=settings.query_seconds,
        observe=metrics.operation,
    )
    cookie = SessionCookie(settings.secure_cookies, timedelta(hours=settings.session_hours))
    maker = ContextMaker(
        cookie=cookie,
        device_cookie=DeviceCookie(settings.secure_cookies, device.KEPT),
        feed=feed,
        document_url=links.url,
        revocations=revocations,
    )
    options = EdgeOptions(
        allowed_origins=settings.origins,
        body_bytes_max=settings.body_kib_max * 1024,
        operations_per_socket_max=settings.subscriptions_max,
        subscriptions_per_caller_max=settings.subscriptions_per_caller_max,
        strangers_per_address_max=settings.strangers_per_address_max,
        sockets_per_caller_max=settings.sockets_per_caller_max,
    )
    documents = PersistedDocuments(
        settings.persisted_documents,
        own=Built().documents,
        text_chars_max=guard.limits.source_chars,
    )
    return GraphQLEndpoint(make_schema().guarded(guard), maker.contexts(), options, documents)


def _sandbox_of(gateways: Mapping[str, Gateway]) -> SandboxGateway | None:
    """The sandbox, where it is offered and nobody has put another in its place."""
    sandbox = gateways.get(SandboxGateway.code)
    return sandbox if isinstance(sandbox, SandboxGateway) else None


def _checks(settings: Settings, feed: LiveFeed, renderer: PdfRenderer) -> list[Check]:
    storage = Storage(partial(room_problem, settings))
    checks = [
        Check("database", database_problem),
        Check("storage", storage.problem),
        Check("migrations", migrations_problem),
    ]
    if settings.redis_url is not None:
        checks.append(feed_check(feed))
    return [*checks, pdf_check(renderer)]


def _middleware(settings: Settings, metrics: Metrics) -> list[Middleware]:
    return [
        Middleware(Observed, metrics=metrics),
        Middleware(SecurityHeaders, https=settings.public_url.startswith("https://")),
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.origins),
            allow_credentials=True,
            allow_methods=["GET", "POST"],
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=["retry-after", "x-request-id"],
            max_age=_PREFLIGHT_SECONDS,
        ),
    ]


async def _as_json(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _incomplete(_request: Request, _error: Exception) -> Response:
    """The client left, or was cut off, before it had said all: nobody reads this, but the log."""
    return JSONResponse({"error": "The request is not complete."}, 400)
