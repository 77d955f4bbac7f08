"""What the worker does, and how often."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from api.worker.scheduler import Job
from models import audit
from models.access import rate_limit, session
from models.credit import expiry
from models.db.transactions import transaction
from models.journal import idempotency, outbox
from models.payments import inbox, reconcile, transmission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from api.downloads.ahead import Ahead
    from api.observe.metrics import Metrics

_BATCH: Final = 50
_HOUR: Final = 3600
# Events are what partners will be told of; nobody needs to be told after so long.
_EVENT_DAYS: Final = 90

log = structlog.get_logger(__name__)


def jobs(
    metrics: Metrics,
    ahead: Ahead | None = None,
    prune: Callable[[], Awaitable[object]] | None = None,
) -> list[Job]:
    """All of them; the audit's outcome goes to `metrics`. With `ahead` documents are made ahead,
    with `prune` the store of documents is kept within its bounds.
    """
    documents = [Job("render_ahead", 2, ahead.render)] if ahead else []
    if prune is not None:
        documents.append(Job("prune_documents", _HOUR, prune))
    return [
        *documents,
        _batch("retry_receipts", 15, inbox.retry_parked),
        _batch("check_payments", 15, reconcile.check_payments),
        _batch("check_refunds", 15, reconcile.check_refunds),
        _batch("expire_grants", 60, expiry.expire_grants),
        Job("forget_attempts", 600, rate_limit.purge, at_once=False),
        Job("forget_sessions", _HOUR, session.purge, at_once=False),
        Job("forget_keys", _HOUR, _forget_keys, at_once=False),
        Job("forget_events", _HOUR, _forget_events, at_once=False),
        Job("forget_transmissions", _HOUR, _forget_transmissions, at_once=False),
        Job("audit", 300, partial(_audit, metrics), at_once=False),
    ]


def _batch(name: str, every_seconds: float, work: Callable[[int], Awaitable[int]]) -> Job:
    return Job(name, every_seconds, partial(work, _BATCH), batch=_BATCH)


async def _forget_keys() -> int:
    return await transaction(idempotency.forget)


async def _forget_events() -> int:
    return await transaction(partial(outbox.forget, _EVENT_DAYS))


async def _forget_transmissions() -> int:
    return await transaction(transmission.forget)


async def _audit(metrics: Metrics) -> None:
    """Whether the books add up; a finding is for people to act on at once."""
    report = await audit.audit()
    metrics.audited(len(report.findings), len(report.warnings))
    for one in report.found:
        if one.warning:
            log.warning("audit_warning", check=one.check, warning=one.text)
        else:
            log.error("audit_finding", check=one.check, finding=one.text)
