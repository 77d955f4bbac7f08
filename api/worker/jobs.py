"""What the worker does, and how often."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from api.worker.scheduler import Job
from models import audit
from models.access import client_link, one_use_token, rate_limit, session
from models.accounts import mail_delivery
from models.accounts.mail_delivery import Delivery
from models.credit import expiry, reserve
from models.factors import challenge
from models.invoices import overdue
from models.journal import feed, idempotency
from models.partners import delivery
from models.payments import inbox, reconcile, transmission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from api.downloads.prerender import Prerenderer
    from api.observe.metrics import Metrics
    from api.webhooks.sender import Sender
    from models.mail.mailer import Mailer

_BATCH: Final = 50
#: Each has a connection to the mail server of its own.
_MAILS: Final = 10
_HOUR: Final = 3600
#: One transaction's: on SQLite nobody else writes meanwhile.
_EVENTS: Final = 200

log = structlog.get_logger(__name__)


def jobs(
    metrics: Metrics,
    prerenderer: Prerenderer | None = None,
    prune: Callable[[], Awaitable[object]] | None = None,
    mailer: Mailer | None = None,
    sender: Sender | None = None,
) -> list[Job]:
    """All jobs; the audit's outcome goes to `metrics`. With `prerenderer` documents are rendered in
    advance, and with `prune` the document store is kept within its limits. Mail is sent
    where there is a `mailer`, and webhooks where there is a `sender`.
    """
    documents = [Job("render_ahead", 2, prerenderer.render)] if prerenderer else []
    if prune is not None:
        documents.append(Job("prune_documents", _HOUR, prune))
    if mailer is not None:
        # Where there was one there may be more.
        documents.append(Job("send_mail", 1, Delivery(mailer, _MAILS).begin, batch=1))
    if sender is not None:
        documents.append(Job("send_webhooks", 1, sender.start_due))
    return [
        *documents,
        _batch("retry_receipts", 15, inbox.retry_parked),
        _batch("check_payments", 15, reconcile.check_payments),
        _batch("check_refunds", 15, reconcile.check_refunds),
        _batch("expire_grants", 60, expiry.expire_grants),
        _batch("expire_holds", 10, reserve.expire_holds),
        _batch("tell_expiring", 60, expiry.tell_expiring),
        _batch("tell_overdue", 60, overdue.tell_overdue),
        Job(
            "publish_events",
            1,
            partial(feed.publish, delivery.enqueue, _EVENTS),
            batch=_EVENTS,
        ),
        Job("forget_attempts", 600, rate_limit.forget, at_once=False),
        Job("forget_sessions", _HOUR, session.forget, at_once=False),
        Job("forget_client_links", _HOUR, client_link.forget, at_once=False),
        Job("forget_mails", _HOUR, mail_delivery.forget, at_once=False),
        Job("forget_tokens", _HOUR, one_use_token.forget, at_once=False),
        Job("forget_challenges", _HOUR, challenge.forget, at_once=False),
        Job("forget_keys", _HOUR, idempotency.forget, at_once=False),
        Job("forget_events", _HOUR, feed.forget, at_once=False),
        Job("forget_deliveries", _HOUR, delivery.forget, at_once=False),
        Job("forget_transmissions", _HOUR, transmission.forget, at_once=False),
        Job("audit", 300, partial(_audit, metrics), at_once=False),
    ]


def _batch(name: str, every_seconds: float, work: Callable[[int], Awaitable[int]]) -> Job:
    return Job(name, every_seconds, partial(work, _BATCH), batch=_BATCH)


async def _audit(metrics: Metrics) -> None:
    """Whether the books add up; a finding is for people to act on at once."""
    report = await audit.audit_changes()
    metrics.audited(len(report.findings), len(report.warnings))
    for one in report.found:
        if one.warning:
            log.warning("audit_warning", check=one.check, warning=one.text)
        else:
            log.error("audit_finding", check=one.check, finding=one.text)
