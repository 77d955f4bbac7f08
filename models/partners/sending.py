"""Sending: what is due is claimed, posted, and tried again.

A claim is a lease: a transaction moves `next_at` past the time that a call may take, and commits
before anything is sent. So any number of workers may run, none holds a transaction while it waits
for an endpoint, and what one of them leaves behind when it is killed is claimed again: every
message arrives at least once. How many are under way to one endpoint is counted under its lock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from models.clock import now
from models.db import sql
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import Busy, Invalid
from models.partners import message, notice, rights, signing
from models.partners.address import Target, target_of
from models.partners.attempt import CALL_SECONDS_MAX, DeliveryAttempt, Outcome, not_called
from models.partners.delivery import DeliveryState, WebhookDelivery
from models.partners.endpoint import DisabledReason, WebhookEndpoint
from models.partners.message import NotTold

if TYPE_CHECKING:
    from models.partners.attempt import Caller
    from models.partners.message import Answers

#: Under way to one endpoint at once; to one whose last attempt failed, a single one finds out.
AT_ONCE: Final = 4
#: Waiting times between attempts: those that Standard Webhooks recommends.
GAPS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
#: Up to so much longer, so that what failed together is not tried again together.
_JITTER: Final = 0.2
#: An endpoint that takes nothing for so long is disabled.
PATIENCE: Final = timedelta(days=3)
#: Longer than an attempt takes, with what is read and written around it.
_LEASE: Final = timedelta(seconds=CALL_SECONDS_MAX * 3)
_PROBLEM_CHARS_MAX: Final = 200

_DUE: Final = """
    SELECT e.id FROM webhook_endpoint e
    WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL
      AND EXISTS (SELECT 1 FROM webhook_delivery d
                  WHERE d.endpoint_id = e.id AND d.next_at <= $1)
"""
_LOCK: Final = f"""
    SELECT e.* FROM webhook_endpoint e {rights.OF_KEY}
    WHERE e.id = $1 AND e.disabled_at IS NULL AND e.deleted_at IS NULL AND {rights.in_force("$2")}
"""
_LEASED: Final = (
    "SELECT COUNT(*) AS leased FROM webhook_delivery"
    " WHERE endpoint_id = $1 AND leased_until_at > $2"
)
_CLAIM: Final = """
    UPDATE webhook_delivery SET next_at = $3, leased_until_at = $3, tries = tries + 1,
        claims = claims + 1
    WHERE id = (SELECT id FROM webhook_delivery WHERE endpoint_id = $1 AND next_at <= $2
                ORDER BY next_at, id LIMIT 1)
    RETURNING *
"""
# Not what another worker has claimed meanwhile, or what has been resent since.
_GIVE_BACK: Final = """
    UPDATE webhook_delivery SET next_at = $3, leased_until_at = NULL, tries = tries - 1
    WHERE id = $1 AND claims = $2
"""
_KEEP_BODY: Final = """
    UPDATE webhook_delivery SET body = CASE body WHEN '' THEN $2 ELSE body END
    WHERE id = $1
    RETURNING body
"""
# As above.
_ENDED: Final = """
    UPDATE webhook_delivery SET state = $3, next_at = $4, leased_until_at = NULL
    WHERE id = $1 AND claims = $2
"""
_WELL: Final = (
    "UPDATE webhook_endpoint SET failing_since_at = NULL"
    " WHERE id = $1 AND failing_since_at IS NOT NULL"
)
_FAILS: Final = """
    UPDATE webhook_endpoint SET failing_since_at = COALESCE(failing_since_at, $2) WHERE id = $1
    RETURNING failing_since_at
"""
_DISABLE: Final = """
    UPDATE webhook_endpoint SET disabled_at = $2, disabled_reason = $3
    WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL
    RETURNING *
"""
_ENDED_KEYS: Final = f"""
    SELECT e.id FROM webhook_endpoint e {rights.OF_KEY}
    WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL AND NOT ({rights.in_force("$1")})
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until its lease ends, and where it goes."""

    delivery: WebhookDelivery
    endpoint: WebhookEndpoint


async def due() -> list[UUID]:
    """The endpoints that something is due for; in no order."""
    return [row["id"] for row in await sql.fetch(_DUE, now())]


async def disable_ended() -> int:
    """Disable the endpoints whose keys are not valid any more; how many."""
    ended = [row["id"] for row in await sql.fetch(_ENDED_KEYS, now())]
    for endpoint_id in ended:
        await transaction(partial(disable, endpoint_id, DisabledReason.KEY_ENDED))
    return len(ended)


async def send_next(endpoint_id: UUID, caller: Caller, answers: Answers) -> bool:
    """Send what is due first to that endpoint; False where nothing is, or enough is under way.

    Raises Busy where we are: then it is due again, and no attempt has been made.
    """
    claimed = await transaction(lambda: _claim(endpoint_id))
    if claimed is None:
        return False
    try:
        outcome = await _attempt(claimed, caller, answers)
    except Busy:
        await transaction(lambda: _give_back(claimed.delivery))
        raise
    await transaction(lambda: _settle(claimed, outcome))
    log.info(
        "webhook_delivered" if outcome.delivered else "webhook_failed",
        endpoint=claimed.endpoint.public_id,
        message=message.id_of(claimed.delivery),
        status=outcome.status,
        problem=outcome.problem,
        milliseconds=outcome.milliseconds,
    )
    return True


async def _claim(endpoint_id: UUID) -> Claimed | None:
    moment = now()
    lock = sql.for_update("e")
    found = await sql.records(WebhookEndpoint, _LOCK + lock, endpoint_id, moment)
    if not found:
        return None
    [endpoint] = found
    row = await sql.fetch_one(_LEASED, endpoint_id, moment)
    at_once = AT_ONCE if endpoint.failing_since_at is None else 1
    if row is None or row["leased"] >= at_once:
        return None
    claimed = await sql.records(WebhookDelivery, _CLAIM, endpoint_id, moment, moment + _LEASE)
    return Claimed(claimed[0], endpoint) if claimed else None


async def _give_back(delivery: WebhookDelivery) -> None:
    await sql.execute(_GIVE_BACK, delivery.id, delivery.claims, now())


async def _attempt(claimed: Claimed, caller: Caller, answers: Answers) -> Outcome:
    try:
        target = target_of(claimed.endpoint.url)
        body = await _body(claimed, answers)
    except Invalid:  # the provider has left demo mode, say
        return not_called("The URL isn't allowed any more.")
    except NotTold as reason:
        return not_called(str(reason), hopeless=True)
    except Busy:
        raise
    except Exception:
        log.exception("webhook_body_failed", delivery=claimed.delivery.public_id)
        return not_called("The message couldn't be made.")
    return await _post(claimed, target, body, caller)


async def _body(claimed: Claimed, answers: Answers) -> str:
    """The body, which is made once; whether it may be told is asked each time. Raises NotTold."""
    delivery = claimed.delivery
    if delivery.body:
        await message.check(delivery, claimed.endpoint)
        return delivery.body
    made = await message.body_of(delivery, claimed.endpoint, answers)
    row = await transaction(lambda: sql.fetch_one(_KEEP_BODY, delivery.id, made))
    return made if row is None else str(row["body"])


async def _post(claimed: Claimed, target: Target, body: str, caller: Caller) -> Outcome:
    moment = now()
    secrets = claimed.endpoint.secrets(moment)
    if not secrets:
        log.warning("webhook_secret_not_readable", endpoint=claimed.endpoint.public_id)
        return not_called("The secret can't be read any more: rotate it.")
    signed = signing.headers(message.id_of(claimed.delivery), body, secrets, moment)
    return await caller.post(target, signed, body.encode())


async def _settle(claimed: Claimed, outcome: Outcome) -> None:
    """Write down what became of an attempt."""
    delivery, moment = claimed.delivery, now()
    await sql.add(_attempt_of(delivery, outcome, moment))
    state, again_at = _what_next(delivery, outcome, moment)
    since = claimed.endpoint.failing_since_at
    if again_at is not None and since is not None and since + PATIENCE > moment:
        # The attempt that decides is made when the patience ends.
        again_at = min(again_at, since + PATIENCE)
    await sql.execute(_ENDED, delivery.id, delivery.claims, state.value, again_at)
    if outcome.delivered:
        await sql.execute(_WELL, delivery.endpoint_id)
    elif outcome.gone:
        await disable(delivery.endpoint_id, DisabledReason.GONE)
    elif outcome.called and delivery.event_id is not None:
        await _fails(delivery.endpoint_id, moment)


def _attempt_of(delivery: WebhookDelivery, outcome: Outcome, at: datetime) -> DeliveryAttempt:
    problem = outcome.problem
    return DeliveryAttempt(
        id=new_id(),
        created_at=at - timedelta(milliseconds=outcome.milliseconds),
        delivery_id=delivery.id,
        status=outcome.status,
        milliseconds=outcome.milliseconds,
        problem=None if problem is None else problem[:_PROBLEM_CHARS_MAX],
        answer=outcome.answer,
    )


def _what_next(
    delivery: WebhookDelivery, outcome: Outcome, at: datetime
) -> tuple[DeliveryState, datetime | None]:
    """The state after an attempt, and when there is another. A test is tried once."""
    if outcome.delivered:
        return DeliveryState.DELIVERED, None
    is_last = delivery.event_id is None or delivery.tries > len(GAPS)
    if is_last or outcome.gone or outcome.hopeless:
        return DeliveryState.FAILED, None
    longer = random.uniform(1, 1 + _JITTER)  # noqa: S311 - jitter
    return DeliveryState.PENDING, at + GAPS[delivery.tries - 1] * longer


async def _fails(endpoint_id: UUID, at: datetime) -> None:
    row = await sql.fetch_one(_FAILS, endpoint_id, at)
    if row is not None and row["failing_since_at"] <= at - PATIENCE:
        await disable(endpoint_id, DisabledReason.FAILING)


async def disable(endpoint_id: UUID, reason: DisabledReason) -> None:
    """Deliver nothing more to an endpoint, and tell its owner; inside a transaction."""
    disabled = await sql.records(WebhookEndpoint, _DISABLE, endpoint_id, now(), reason.value)
    for endpoint in disabled:
        await notice.tell_owner(endpoint, reason)
