"""Prometheus metrics. One registry per application, so that tests can have several.

Processes that serve together (`serve --workers`) leave theirs in a folder, and whichever is asked
tells those of all: prometheus_client's multiprocess mode, which it takes from
PROMETHEUS_MULTIPROC_DIR when it is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: How old what is watched may be where another process tells it.
_WATCHED_SECONDS: Final = 5.0


class Metrics:
    """The instruments of one application; those that serve together leave theirs in `folder`."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        self.registry = CollectorRegistry()
        # Those that have counted: finding one by its labels takes longer than counting does.
        self._request_timers: dict[tuple[str, str, int], Histogram] = {}
        self._operation_timers: dict[tuple[str, str], Histogram] = {}
        self._requests = Histogram(
            "account_credit_request_seconds",
            "HTTP requests by route, method and status.",
            ["route", "method", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._operations = Histogram(
            "account_credit_graphql_operation_seconds",
            "GraphQL operations by kind (query, mutation, subscription, invalid) and outcome.",
            ["kind", "outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._jobs = Histogram(
            "account_credit_job_seconds",
            "Runs of the worker's jobs.",
            ["job", "outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._pdfs = Histogram(
            "account_credit_pdf_seconds",
            "PDF downloads by outcome (rendered from memory or anew, refused, failed).",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._sockets = self._gauge("websockets", "Open websockets.", of_all="livesum")
        self._findings = self._gauge(
            "audit_findings",
            "Findings of the last audit of the books: 0 if they add up, -1 before the first audit.",
            of_all="livemax",
        )
        self._findings.set(-1)
        self._warnings = self._gauge(
            "audit_warnings",
            "Warnings of the last audit of the books, which add up nevertheless.",
            of_all="livemax",
        )
        self._audits = Counter(
            "account_credit_audits", "Completed audits of the books.", registry=self.registry
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `route` is the pattern, never the path."""
        key = (route, method, status)
        timer = self._request_timers.get(key)
        if timer is None:
            timer = self._request_timers[key] = self._requests.labels(*key)
        timer.observe(seconds)

    def operation(self, kind: str, seconds: float, *, ok: bool) -> None:
        """Count one GraphQL operation."""
        key = (kind, "ok" if ok else "errors")
        timer = self._operation_timers.get(key)
        if timer is None:
            timer = self._operation_timers[key] = self._operations.labels(*key)
        timer.observe(seconds)

    def job(self, name: str, seconds: float, *, ok: bool) -> None:
        """Count one run of a worker's job."""
        self._jobs.labels(name, "ok" if ok else "failed").observe(seconds)

    def pdf(self, outcome: str, seconds: float) -> None:
        """Count one download."""
        self._pdfs.labels(outcome).observe(seconds)

    def socket_opened(self) -> None:
        """Count a websocket in."""
        self._sockets.inc()

    def socket_closed(self) -> None:
        """Count a websocket out."""
        self._sockets.dec()

    def audited(self, findings: int, warnings: int) -> None:
        """Note an audit's outcome."""
        self._findings.set(findings)
        self._warnings.set(warnings)
        self._audits.inc()

    def watch(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A gauge whose value is read when it is scraped, or every five seconds for the others."""
        gauge = self._gauge(name, about, of_all="livesum")
        if self._folder is None:
            gauge.set_function(read)
        else:
            self._watched.append((gauge, read))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """What is measured is shared with the other processes in here."""
        if self._folder is None:
            yield
            return
        reading = asyncio.create_task(self._keep_reading())
        try:
            yield
        finally:
            reading.cancel()

    async def _keep_reading(self) -> None:
        while True:
            for gauge, read in self._watched:
                gauge.set(read())
            await asyncio.sleep(_WATCHED_SECONDS)

    def _gauge(self, name: str, about: str, *, of_all: Literal["livesum", "livemax"]) -> Gauge:
        return Gauge(
            f"account_credit_{name}", about, registry=self.registry, multiprocess_mode=of_all
        )

    def serve(self, host: str, port: int) -> None:
        """Serve the metrics on this port, from a thread, until the process ends."""
        start_http_server(port, host, self.registry)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        if self._folder is None:
            return generate_latest(self.registry)
        of_all = CollectorRegistry()
        MultiProcessCollector(of_all, self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(of_all)
