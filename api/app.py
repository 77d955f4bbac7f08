"""The application: everything is made and wired here, once."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.domain import make_feed, migrations_problem, opened, room_problem
from api.downloads.links import Links
from api.downloads.route import Documents
from api.endpoint.auth import DeviceCookie, SessionCookie
from api.endpoint.contexts import ContextMaker, EdgeContext
from api.endpoint.endpoint import EdgeOptions, GraphQLEndpoint
from api.endpoint.registered import RegisteredQueries
from api.endpoint.revocations import Revocations
from api.gateways import load_gateways
from api.gateways.returns import return_route
from api.gateways.webhooks import webhook_route
from api.html.about import about_routes, not_found_route
from api.html.embed import embed_routes
from api.html.graphiql import PATH as GRAPHIQL
from api.html.graphiql import graphiql_routes
from api.html.hand_over import hand_over_route
from api.html.mailbox import mailbox_routes
from api.html.portal import Built, portal_routes
from api.observe.metrics import Metrics
from api.observe.requests import Observer
from api.pdf.pool import Pool, ProcessPool
from api.pdf.renderer import PdfRenderer
from api.pdf.store import DocumentStore
from api.server.health import Check, Storage, database_problem, feed_check, health_routes, pdf_check
from api.server.middleware import Observed, SecurityHeaders, Websockets, security_headers
from api.server.short_path import ShortPath
from api.webhooks import resolver
from models.db import tasks, transactions
from models.provider import retention
from schema import make_schema
from schema.core.watch import Watchers
from schema.engine.costs import lists
from schema.engine.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from api.gateways.sandbox.delivery import Delivery
    from api.issuers.issuers import Issuers
    from api.live.local import LiveFeed
    from api.server.shared import Shared
    from api.settings.settings import Settings
    from api.webhooks.sender import Sender
    from api.worker.scheduler import Scheduler
    from models.gateway import Gateway
    from models.mail.mailer import Mailer

_ALLOWED_HEADERS: Final = ["authorization", "content-type", "x-request-id"]
_EXPOSED_HEADERS: Final = ["retry-after", "x-request-id"]
_PREFLIGHT_SECONDS: Final = 3600


def create_app(settings: Settings, shared: Shared | None = None) -> Starlette:
    """The ASGI application of these settings; `shared` is what it has together with others that
    serve beside it. Its lifespan opens and closes all that it uses; who serves it sets
    `state.stopping` before it is to end.

    Raises GatewayNotLoaded, and SettingsError where mail has no sender.
    """
    metrics = Metrics(shared.metrics if shared else None)
    feed, renderer = make_feed(settings), make_renderer(settings, shared=shared)
    observer = Observer(metrics)
    gateways = load_gateways(settings)
    delivery, sandbox_routes = _sandbox(settings, gateways)
    mailer = make_mailer(settings)
    sender = make_sender(settings, metrics) if settings.embedded_worker else None
    revocations = Revocations()
    watchers = Watchers()
    feed.hear(watchers.ring)
    _watch(metrics, watchers)

    def open_parts() -> Iterator[AbstractAsyncContextManager[object]]:
        yield opened(settings, gateways, feed)
        yield renderer
        yield revocations.running()
        yield watchers.running()
        yield metrics.watching()
        if delivery is not None:
            yield delivery.running()
        if settings.embedded_worker and (shared is None or shared.take_worker()):
            assert sender is not None
            yield sender.running()
            worker = _worker(settings, metrics, renderer, gateways, mailer=mailer, sender=sender)
            yield worker

    links = _links(settings)
    endpoint = _endpoint(settings, watchers, links, observer, revocations)
    graphql = Route("/graphql", endpoint)
    app = _Application(
        routes=[
            graphql,
            webhook_route(gateways),
            return_route(settings.public_url, settings.origins),
            hand_over_route(_session_cookie(settings), settings.public_url, settings.origins),
            Documents(links, renderer, gateways, metrics).route(),
            *sandbox_routes,
            *_oidc_routes(settings),
            *health_routes(_checks(settings, feed, renderer), metrics),
            *_pages(settings),
        ],
        middleware=_middleware(settings, observer, graphql, endpoint),
        exception_handlers={HTTPException: _as_json, ClientDisconnect: _incomplete},
        lifespan=_lifespan(open_parts),
    )
    # It would send browsers to wherever their Host header says.
    app.router.redirect_slashes = False
    app.state.stopping = endpoint.stopping
    return app


class _Application(Starlette):
    def build_middleware_stack(self) -> ASGIApp:
        """Without Starlette's answer to errors: `Observed` gives ours."""
        outermost = super().build_middleware_stack()
        assert isinstance(outermost, ServerErrorMiddleware)
        return outermost.app


def _lifespan(
    open_parts: Callable[[], Iterator[AbstractAsyncContextManager[object]]],
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Opens the parts one after another, each when those before it are open."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in open_parts():
                await stack.enter_async_context(part)
            yield

    return lifespan


def _pages(settings: Settings) -> list[BaseRoute]:
    card_form = settings.stripe_form == "page"
    return [
        *(mailbox_routes(settings) if settings.demo else []),
        *about_routes(settings),
        *portal_routes(settings, not_found_route(settings), card_form=card_form),
        *graphiql_routes(settings, not_found_route(settings, GRAPHIQL)),
        *embed_routes(settings),
    ]


def _issuers(settings: Settings) -> Issuers | None:
    if not settings.trusted_issuers:
        return None
    from api.issuers.issuers import Issuers  # noqa: PLC0415 - importing it takes long

    return Issuers(settings.trusted_issuers, list(settings.funds_limits))


def _oidc_routes(settings: Settings) -> list[Route]:
    if not settings.oidc_providers:
        return []
    from api.oidc.route import OidcRoutes  # noqa: PLC0415 - importing it takes long

    return OidcRoutes(settings, _session_cookie(settings), _device_cookie(settings)).routes()


def _session_cookie(settings: Settings) -> SessionCookie:
    return SessionCookie(settings.secure_cookies, timedelta(hours=settings.session_hours))


def _device_cookie(settings: Settings) -> DeviceCookie:
    return DeviceCookie(settings.secure_cookies, retention.DEVICES)


def _watch(metrics: Metrics, watchers: Watchers) -> None:
    metrics.watch("live_subscriptions", "Open live subscriptions.", lambda: watchers.listeners)
    metrics.watch("transactions_open", "Database transactions under way.", tasks.open_transactions)
    metrics.watch(
        "transactions_waiting",
        "Database transactions that wait for their turn.",
        transactions.waiting_transactions,
    )


def make_renderer(
    settings: Settings, *, warm: bool = True, shared: Shared | None = None
) -> PdfRenderer:
    """What makes PDFs; it starts when it is entered, its processes at once where it is `warm`."""
    pool: Pool = make_pool(settings, warm=warm)
    if shared is not None:
        from api.pdf.shared_pool import SharedPool  # noqa: PLC0415 - only for several processes

        pool = SharedPool(
            shared.pdf_socket, timeout_seconds=settings.pdf_seconds, templates=settings.templates
        )
    return PdfRenderer(pool, store=_store(settings))


def make_pool(settings: Settings, *, warm: bool = True) -> ProcessPool:
    """The processes that render PDFs."""
    return ProcessPool(
        processes=settings.pdf_processes,
        warm=warm and settings.pdf_ahead,
        timeout_seconds=settings.pdf_seconds,
        templates=settings.templates,
    )


def _store(settings: Settings) -> DocumentStore | None:
    return DocumentStore(settings.documents_kept_at) if settings.documents_kept_at else None


def pruning(settings: Settings) -> Callable[[], Awaitable[object]] | None:
    """Prunes the document store to its limits; None if there is no store."""
    store = _store(settings)
    if store is None:
        return None
    age_max = timedelta(days=settings.document_store_days)
    return partial(store.prune, age_max, settings.document_store_mib * 2**20)


def make_mailer(settings: Settings) -> Mailer | None:
    """What sends mail; None where nothing does. Raises SettingsError."""
    if settings.smtp_url is not None:
        from api.mail.message import Messages  # noqa: PLC0415 - only where mail is sent
        from api.mail.smtp import SmtpMailer  # noqa: PLC0415 - as above

        return SmtpMailer(settings.smtp_url, Messages(settings, settings.sender))
    if settings.demo:
        from api.mail.kept import KeptMailer  # noqa: PLC0415 - as above

        return KeptMailer()
    return None


def make_sender(settings: Settings, metrics: Metrics) -> Sender:
    """What posts webhooks to partners."""
    from api.webhooks.answers import DocumentAnswers  # noqa: PLC0415 - only where there is a worker
    from api.webhooks.caller import HttpCaller  # noqa: PLC0415 - as above
    from api.webhooks.sender import Sender  # noqa: PLC0415 - as above

    answers = DocumentAnswers(lambda: make_schema().guarded(_guard(settings)), _links(settings).url)
    sender = Sender(HttpCaller(), answers)
    metrics.watch("webhooks_under_way", "Webhooks being sent.", lambda: sender.under_way)
    return sender


def _links(settings: Settings) -> Links:
    return Links(settings.secret, settings.public_url, settings.pdf_link_minutes)


def _guard(settings: Settings) -> Guard:
    """What bounds an operation, whoever asks."""
    return Guard(
        lists=lists(settings.payments_per_invoice_max, len(settings.funds_limits)),
        query_seconds_max=settings.query_seconds,
    )


def _endpoint(
    settings: Settings,
    watchers: Watchers,
    links: Links,
    observer: Observer,
    revocations: Revocations,
) -> GraphQLEndpoint[EdgeContext]:
    open_to_all = bool(settings.introspection)
    guard = replace(
        _guard(settings),
        introspection=lambda context: open_to_all or context.actor is not None,
        suggestions=open_to_all,
        observe=observer.operation,
    )
    maker = ContextMaker(
        cookie=_session_cookie(settings),
        device_cookie=_device_cookie(settings),
        watchers=watchers,
        document_url=links.url,
        resolve=resolver.saving,
        revocations=revocations,
        issuers=_issuers(settings),
    )
    options = EdgeOptions(
        allowed_origins=settings.origins,
        body_bytes_max=settings.body_kib_max * 1024,
        operations_per_socket_max=settings.subscriptions_max,
        subscriptions_per_caller_max=settings.subscriptions_per_caller_max,
        strangers_per_address_max=settings.strangers_per_address_max,
        sockets_per_caller_max=settings.sockets_per_caller_max,
    )
    queries = RegisteredQueries(
        settings.persisted_documents,
        own=Built().documents,
        text_chars_max=guard.limits.source_chars,
    )
    return GraphQLEndpoint(make_schema().guarded(guard), maker.contexts(), options, queries)


def _sandbox(
    settings: Settings, gateways: Mapping[str, Gateway]
) -> tuple[Delivery | None, list[Route]]:
    """What delivers the sandbox's messages, and its pages, where it is offered and nobody has put
    another in its place.
    """
    if not settings.sandbox:
        return None, []
    from api.gateways.sandbox.checkout import Checkout  # noqa: PLC0415
    from api.gateways.sandbox.delivery import Delivery  # noqa: PLC0415 - only where it is offered
    from api.gateways.sandbox.gateway import SandboxGateway  # noqa: PLC0415

    sandbox = gateways.get(SandboxGateway.code)
    if not isinstance(sandbox, SandboxGateway):
        return None, []
    delivery = Delivery(sandbox)
    return delivery, Checkout(sandbox, delivery, settings.origins).routes()


def _worker(
    settings: Settings,
    metrics: Metrics,
    renderer: PdfRenderer,
    gateways: Mapping[str, Gateway],
    *,
    mailer: Mailer | None,
    sender: Sender,
) -> Scheduler:
    """The background jobs of a process that serves as well."""
    from api.downloads.prerender import Prerenderer  # noqa: PLC0415 - only where it has jobs
    from api.worker.jobs import jobs  # noqa: PLC0415
    from api.worker.scheduler import Scheduler  # noqa: PLC0415

    prerenderer = Prerenderer(renderer, gateways) if settings.pdf_ahead else None
    return Scheduler(jobs(metrics, prerenderer, pruning(settings), mailer, sender), metrics)


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


def _middleware(
    settings: Settings, observer: Observer, graphql: Route, endpoint: GraphQLEndpoint[EdgeContext]
) -> list[Middleware]:
    origins, https = sorted(settings.origins), settings.public_url.startswith("https://")
    return [
        Middleware(Observed, observer=observer),
        Middleware(Websockets, path="/graphql", endpoint=endpoint),
        Middleware(
            ShortPath,
            route=graphql,
            headers=security_headers(https=https),
            origins=origins,
            cors=[
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", ", ".join(_EXPOSED_HEADERS).encode()),
            ],
        ),
        Middleware(SecurityHeaders, https=https),
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=["GET", "POST"],
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
            max_age=_PREFLIGHT_SECONDS,
        ),
    ]


async def _as_json(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _incomplete(_request: Request, _error: Exception) -> Response:
    """The client left, or was cut off, before its request was complete: only the log sees this."""
    return JSONResponse({"error": "The request is incomplete."}, 400)
