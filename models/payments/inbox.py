"""The inbox: messages from gateways, stored before they are believed, once each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from tortoise import fields
from typing_extensions import override

from models.clock import now
from models.db import sql
from models.db.record import Changing, new_id, parse_id
from models.db.together import find_one
from models.db.transactions import transaction
from models.errors import Busy
from models.gateway import DISPUTE_KINDS, MONEY_KINDS, EventKind, GatewayEvent
from models.journal.command import Step, perform
from models.journal.journal import Journal
from models.ledger.opening import every_book
from models.money import MINOR_MAX, Money
from models.payments.advance import advance, load_settlements
from models.payments.locked import LockedPayment, locked
from models.payments.payment import Payment
from models.payments.payment import read as read_payment
from models.payments.settlement import payment_of
from models.provider import retention

_log = structlog.get_logger()


class MessageState(StrEnum):
    """What has become of a message; STORED and PARKED are tried again."""

    STORED = "STORED"
    PARKED = "PARKED"
    APPLIED = "APPLIED"
    IGNORED = "IGNORED"
    QUARANTINED = "QUARANTINED"


class Message(Changing):
    """One message. UNIQUE (gateway, event_ref). `note` says why it is parked or in quarantine."""

    gateway = fields.CharField(max_length=64)
    event_ref = fields.CharField(max_length=255)
    kind = fields.CharField(max_length=16)
    payment_ref = fields.CharField(max_length=255)
    capture_ref = fields.CharField(max_length=255, db_default="")
    refund_ref = fields.CharField(max_length=255, db_default="")
    gateway_ref = fields.CharField(max_length=255, db_default="")
    reference = fields.CharField(max_length=255)
    amount = fields.BigIntField(null=True)
    currency = fields.CharField(max_length=3, null=True)
    failure = fields.CharField(max_length=64, default="")
    payload: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    state = fields.CharField(max_length=16)
    note = fields.CharField(max_length=255, default="")
    next_try_at = fields.DatetimeField(null=True)

    class Meta:
        table = "receipt"  # its name since the first release; nowhere else a message is called so

    def as_event(self) -> GatewayEvent:
        """The event again, as its gateway told it."""
        amount = None if self.amount is None else Money(self.amount, self.currency or "")
        return GatewayEvent(
            event_id=self.event_ref,
            kind=EventKind(self.kind),
            payment=self.payment_ref,
            reference=self.reference,
            capture=self.capture_ref,
            refund=self.refund_ref,
            amount=amount,
            failure=self.failure,
        )


class _Unusable(Exception):
    """Verified, readable, and not about anything of ours: kept for people to look at."""


async def take_in(gateway: str, events: Sequence[GatewayEvent]) -> None:
    """Store what a gateway told us, each once and for good, then apply it.

    Returns when all is stored; an event that cannot be applied (yet) is parked or quarantined, and
    the worker tries again what failed. Raises only where the database cannot be reached.
    """
    for told in events:
        message_id = await transaction(lambda told=told: _store(gateway, told))  # type: ignore[misc]
        try:
            await process(message_id)
        except Busy:
            _log.warning("message.put_off", gateway=gateway, message=message_id.hex)
        except Exception:  # noqa: BLE001 - it is stored: the worker tries it again
            _log.exception("message.failed", gateway=gateway, message=message_id.hex)


async def _store(gateway: str, told: GatewayEvent) -> UUID:
    message = _message_of(gateway, told)
    if await sql.add_new(message):
        return message.id
    before = await sql.fetch_one(
        "SELECT id FROM receipt WHERE gateway = $1 AND event_ref = $2", gateway, message.event_ref
    )
    assert before is not None
    return before["id"]  # type: ignore[no-any-return]


def _message_of(gateway: str, told: GatewayEvent) -> Message:
    return Message(
        id=new_id(),
        created_at=now(),
        gateway=gateway,
        event_ref=told.event_id[:255],
        kind=told.kind.value,
        payment_ref=told.payment[:255],
        capture_ref=told.capture[:255],
        refund_ref=told.refund[:255],
        gateway_ref=told.gateway_ref[:255],
        reference=told.reference[:255],
        amount=_storable(told.amount),
        currency=told.amount.currency if told.amount else None,
        failure=told.failure[:64],
        payload=dict(told.raw),
        state=MessageState.STORED.value,
        next_try_at=now(),
    )


def _storable(amount: Money | None) -> int | None:
    return amount.minor if amount is not None and abs(amount.minor) <= MINOR_MAX else None


async def process(message_id: UUID) -> None:
    """Apply a stored message; does nothing when that is done."""
    message = await Message.get(id=message_id)
    if message.state not in (MessageState.STORED, MessageState.PARKED):
        return
    if message.kind == EventKind.IGNORED:
        await _set_state(message_id, MessageState.IGNORED)
        return
    try:
        payment = await _payment_of(message)
    except _Unusable as problem:
        _log.warning("message.quarantined", message=message_id.hex, why=str(problem))
        await _set_state(message_id, MessageState.QUARANTINED, str(problem))
        return
    if payment is None:
        await _park(message)
    else:
        await perform(Apply(message, payment))


async def _payment_of(message: Message) -> Payment | None:
    """The payment that it is about; None while we do not know it. Raises _Unusable."""
    payment_id = parse_id(Payment.PREFIX, message.payment_ref)
    if payment_id is None and not message.payment_ref and message.capture_ref:
        payment_id = await payment_of(message.gateway, EventKind.CAPTURED, message.capture_ref)
        if payment_id is None:
            return None  # its capture may still come
    if payment_id is None:
        raise _Unusable("no payment id of ours")
    payment = await read_payment(payment_id)
    if payment is None:
        return None
    if payment.gateway != message.gateway:
        raise _Unusable("a payment of another gateway")
    if message.gateway_ref and not payment.gateway_ref:
        return None  # what `start` was answered may still come
    if message.gateway_ref and message.gateway_ref != payment.gateway_ref:
        raise _Unusable("another order than the payment's")
    if EventKind(message.kind) in MONEY_KINDS:
        _check_money(message, payment)
    return payment


def _check_money(message: Message, payment: Payment) -> None:
    if not message.reference:
        raise _Unusable("no reference of the capture, refund or dispute")
    if message.amount is None or message.amount <= 0:
        raise _Unusable("no amount that can be booked")
    if message.currency != payment.currency:
        raise _Unusable("another currency than the payment's")


@dataclass(frozen=True, slots=True)
class Apply(Step[LockedPayment | None, None]):
    """Apply a stored message to its payment, once."""

    message: Message
    payment: Payment

    @property
    @override
    def resource(self) -> Hashable:
        # A dispute locks all of the account's balances, in an order of its own.
        is_dispute = self.message.kind in DISPUTE_KINDS
        return None if is_dispute else self.payment.resource

    @override
    async def read(self, journal: Journal) -> LockedPayment | None:
        if self.message.kind in DISPUTE_KINDS:
            await every_book(self.payment.account_id)
        at = await locked(journal, self.payment, source=self.message.id.hex)
        if await find_one(_states, self.message.id) in (None, MessageState.APPLIED):
            return None
        journal.watch(self.message)
        await load_settlements(at, self.message.as_event())
        return at

    @override
    def decide(self, found: LockedPayment | None, journal: Journal) -> None:
        if found is not None:
            advance(found, self.message.as_event())
            self.message.put(state=MessageState.APPLIED.value, note="", next_try_at=None)


async def _states(ids: Sequence[UUID]) -> dict[UUID, str]:
    statement = "SELECT id, state FROM receipt WHERE " + sql.any_of("id", 1)
    return {row["id"]: row["state"] for row in await sql.fetch(statement, list(ids))}


async def _park(message: Message) -> None:
    age = now() - message.created_at
    if age > retention.PARKED_MESSAGES:
        await _set_state(message.id, MessageState.QUARANTINED, "no such payment")
        return
    wait = max(timedelta(seconds=1), age / 2)
    await transaction(
        lambda: sql.execute(
            "UPDATE receipt SET state = 'PARKED', note = $2, next_try_at = $3 WHERE id = $1",
            message.id,
            "no such payment yet",
            now() + wait,
        )
    )


async def _set_state(message_id: UUID, state: MessageState, note: str = "") -> None:
    await transaction(lambda: _mark(message_id, state, note))


async def _mark(message_id: UUID, state: MessageState, note: str = "") -> None:
    await sql.execute(
        "UPDATE receipt SET state = $2, note = $3, next_try_at = NULL WHERE id = $1",
        message_id,
        state.value,
        note[:255],
    )


async def retry_parked(limit: int = 100) -> int:
    """Try again what was stored and not applied, or came before its payment; how many."""
    rows = await sql.fetch(
        "SELECT id FROM receipt WHERE next_try_at < $1 ORDER BY next_try_at LIMIT $2",
        now(),
        limit,
    )
    for row in rows:
        try:
            await process(row["id"])
        except Busy:
            _log.warning("message.put_off", message=row["id"].hex)
        except Exception:  # noqa: BLE001 - one that fails must not stop the others
            _log.exception("message.failed", message=row["id"].hex)
            await sql.execute(
                "UPDATE receipt SET next_try_at = $2 WHERE id = $1",
                row["id"],
                now() + timedelta(minutes=1),
            )
    return len(rows)
