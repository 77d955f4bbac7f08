"""What is counted, for Prometheus. One registry an application, so that tests may have several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The instruments of one application."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
            "Downloads of PDFs by outcome (rendered from memory or anew, refused, failed).",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._sockets = Gauge(
            "account_credit_websockets", "Open websockets.", registry=self.registry
        )
        self._findings = Gauge(
            "account_credit_audit_findings",
            "What the last audit of the books found wrong; 0 is right, -1 not audited yet.",
            registry=self.registry,
        )
        self._findings.set(-1)
        self._warnings = Gauge(
            "account_credit_audit_warnings",
            "What the last audit of the books warned of; the books are right with it.",
            registry=self.registry,
        )
        self._audits = Counter(
            "account_credit_audits", "Audits of the books that ended.", registry=self.registry
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `route` is the pattern, never the path."""
        self._requests.labels(route, method, status).observe(seconds)

    def operation(self, kind: str, _name: str, seconds: float, ok: bool) -> None:  # noqa: FBT001 - the guard's hook
        """Count one GraphQL operation; its name is the client's own words and no label."""
        self._operations.labels(kind, "ok" if ok else "errors").observe(seconds)

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
        """A gauge that is read when somebody looks."""
        Gauge(f"account_credit_{name}", about, registry=self.registry).set_function(read)

    def serve(self, host: str, port: int) -> None:
        """Show them to whoever asks on this port, from a thread, until the process ends."""
        start_http_server(port, host, self.registry)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
