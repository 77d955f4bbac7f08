"""Receipts: what gateways told us, stored before it is believed, once each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import structlog
from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id, parse_id
from models.db.transactions import transaction
from models.errors import Busy
from models.gateway import DISPUTE_KINDS, MONEY_KINDS, EventKind, GatewayEvent
from models.ledger.book import every_book
from models.money import MINOR_MAX, Money
from models.payments.locked import locked
from models.payments.payment import Payment
from models.payments.payment import read as read_payment
from models.payments.settlement import advance, payment_of

_log = structlog.get_logger()

#: How long a message about a payment that we do not know is tried again.
_PARKED_MAX: Final = timedelta(days=7)


class ReceiptState(StrEnum):
    """What has become of a message; STORED and PARKED are tried again."""

    STORED = "STORED"
    PARKED = "PARKED"
    APPLIED = "APPLIED"
    IGNORED = "IGNORED"
    QUARANTINED = "QUARANTINED"


class Receipt(Record):
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
        table = "receipt"

    def told(self) -> GatewayEvent:
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
        receipt_id = await transaction(lambda told=told: _store(gateway, told))  # type: ignore[misc]
        try:
            await process(receipt_id)
        except Busy:
            _log.warning("receipt.put_off", gateway=gateway, receipt=receipt_id.hex)
        except Exception:  # noqa: BLE001 - it is stored: the worker tries it again
            _log.exception("receipt.failed", gateway=gateway, receipt=receipt_id.hex)


async def _store(gateway: str, told: GatewayEvent) -> UUID:
    receipt_id = new_id()
    row = {
        "id": receipt_id,
        "created_at": now(),
        "gateway": gateway,
        "event_ref": told.event_id[:255],
        "kind": told.kind.value,
        "payment_ref": told.payment[:255],
        "capture_ref": told.capture[:255],
        "refund_ref": told.refund[:255],
        "gateway_ref": told.gateway_ref[:255],
        "reference": told.reference[:255],
        "amount": _storable(told.amount),
        "currency": told.amount.currency if told.amount else None,
        "failure": told.failure[:64],
        "payload": sql.json(dict(told.raw)),
        "state": ReceiptState.STORED.value,
        "note": "",
        "next_try_at": now(),
    }
    if await sql.insert("receipt", [row], ignore_conflicts=True):
        return receipt_id
    before = await sql.fetch_one(
        "SELECT id FROM receipt WHERE gateway = $1 AND event_ref = $2", gateway, row["event_ref"]
    )
    assert before is not None
    return before["id"]  # type: ignore[no-any-return]


def _storable(amount: Money | None) -> int | None:
    return amount.minor if amount is not None and abs(amount.minor) <= MINOR_MAX else None


async def process(receipt_id: UUID) -> None:
    """Apply a stored receipt; does nothing when that is done."""
    receipt = await Receipt.get(id=receipt_id)
    if receipt.state not in (ReceiptState.STORED, ReceiptState.PARKED):
        return
    if receipt.kind == EventKind.IGNORED:
        await _set_state(receipt_id, ReceiptState.IGNORED)
        return
    try:
        payment = await _payment_of(receipt)
    except _Unusable as problem:
        _log.warning("receipt.quarantined", receipt=receipt_id.hex, why=str(problem))
        await _set_state(receipt_id, ReceiptState.QUARANTINED, str(problem))
        return
    if payment is None:
        await _park(receipt)
    else:
        await transaction(lambda: _apply(receipt, payment))


async def _payment_of(receipt: Receipt) -> Payment | None:
    """The payment that it is about; None while we do not know it. Raises _Unusable."""
    payment_id = parse_id(Payment.PREFIX, receipt.payment_ref)
    if payment_id is None and not receipt.payment_ref and receipt.capture_ref:
        payment_id = await payment_of(receipt.gateway, EventKind.CAPTURED, receipt.capture_ref)
        if payment_id is None:
            return None  # its capture may still come
    if payment_id is None:
        raise _Unusable("no payment id of ours")
    payment = await read_payment(payment_id)
    if payment is None:
        return None
    if payment.gateway != receipt.gateway:
        raise _Unusable("a payment of another gateway")
    if receipt.gateway_ref and not payment.gateway_ref:
        return None  # what `start` was answered may still come
    if receipt.gateway_ref and receipt.gateway_ref != payment.gateway_ref:
        raise _Unusable("another order than the payment's")
    if EventKind(receipt.kind) in MONEY_KINDS:
        _check_money(receipt, payment)
    return payment


def _check_money(receipt: Receipt, payment: Payment) -> None:
    if not receipt.reference:
        raise _Unusable("no reference of the capture, refund or dispute")
    if receipt.amount is None or receipt.amount <= 0:
        raise _Unusable("no amount that can be booked")
    if receipt.currency != payment.currency:
        raise _Unusable("another currency than the payment's")


async def _apply(receipt: Receipt, found: Payment) -> None:
    if receipt.kind in DISPUTE_KINDS:
        await every_book(found.account_id)
    async with locked(found, source=receipt.id.hex) as at:
        state = await sql.fetch_one("SELECT state FROM receipt WHERE id = $1", receipt.id)
        assert state is not None
        if state["state"] == ReceiptState.APPLIED:
            return
        await advance(at, receipt.told())
        await _mark(receipt.id, ReceiptState.APPLIED)


async def _park(receipt: Receipt) -> None:
    age = now() - receipt.created_at
    if age > _PARKED_MAX:
        await _set_state(receipt.id, ReceiptState.QUARANTINED, "no such payment")
        return
    wait = max(timedelta(seconds=1), age / 2)
    await transaction(
        lambda: sql.execute(
            "UPDATE receipt SET state = 'PARKED', note = $2, next_try_at = $3 WHERE id = $1",
            receipt.id,
            "no such payment yet",
            now() + wait,
        )
    )


async def _set_state(receipt_id: UUID, state: ReceiptState, note: str = "") -> None:
    await transaction(lambda: _mark(receipt_id, state, note))


async def _mark(receipt_id: UUID, state: ReceiptState, note: str = "") -> None:
    await sql.execute(
        "UPDATE receipt SET state = $2, note = $3, next_try_at = NULL WHERE id = $1",
        receipt_id,
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
            _log.warning("receipt.put_off", receipt=row["id"].hex)
        except Exception:  # noqa: BLE001 - one that fails must not stop the others
            _log.exception("receipt.failed", receipt=row["id"].hex)
            await sql.execute(
                "UPDATE receipt SET next_try_at = $2 WHERE id = $1",
                row["id"],
                now() + timedelta(minutes=1),
            )
    return len(rows)
