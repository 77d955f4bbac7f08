"""The outbox: facts, recorded in the transaction that made them true.

They wake live subscriptions (by `transactions.ring`) and are what partners will be told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.changes import Changes
from models.db.record import Record, new_id, parse_id
from models.db.transactions import ring, transaction
from models.journal.topics import topic_of_invoice
from models.provider import retention


class FactKind(StrEnum):
    """What has happened: `noun.verb`, past tense."""

    ACCOUNT_CREATED = "account.created"
    ACCOUNT_UPDATED = "account.updated"
    CREDIT_ADJUSTED = "credit.adjusted"
    VOUCHER_REDEEMED = "voucher.redeemed"
    INVOICE_ISSUED = "invoice.issued"
    INVOICE_UPDATED = "invoice.updated"
    INVOICE_UNPAID = "invoice.unpaid"
    INVOICE_PROCESSING = "invoice.processing"
    INVOICE_PAID = "invoice.paid"
    INVOICE_VOID = "invoice.void"
    INVOICE_REFUNDED = "invoice.refunded"
    PAYMENT_BEGUN = "payment.begun"
    PAYMENT_DECLINED = "payment.declined"
    PAYMENT_PROCESSING = "payment.processing"
    PAYMENT_APPROVED = "payment.approved"
    PAYMENT_CAPTURED = "payment.captured"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_CANCELED = "payment.canceled"
    PAYMENT_EXPIRED = "payment.expired"
    PAYMENT_REFUND_PENDING = "payment.refund_pending"
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_REFUND_FAILED = "payment.refund_failed"
    PAYMENT_DISPUTED = "payment.disputed"
    PAYMENT_DISPUTE_WON = "payment.dispute_won"
    PAYMENT_DISPUTE_LOST = "payment.dispute_lost"
    HOLD_RESERVED = "hold.reserved"
    HOLD_EXTENDED = "hold.extended"
    HOLD_CAPTURED = "hold.captured"
    HOLD_RELEASED = "hold.released"
    HOLD_EXPIRED = "hold.expired"


class Event(Record):
    """One fact. `subject_id` is the record that it is about."""

    kind = fields.CharField(max_length=64)
    account_id = fields.UUIDField()
    subject_id = fields.UUIDField()
    data: fields.Field[dict[str, object]] = fields.JSONField(default=dict)

    class Meta:
        table = "event"


@dataclass(frozen=True, slots=True)
class Fact:
    """An event to be. Those of a payment name its invoice in their `data`."""

    kind: FactKind
    account_id: UUID
    subject_id: UUID
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def topics(self) -> tuple[str, ...]:
        """Who is woken. Not who watches a balance: that rings when it is written, whatever for."""
        match self.kind.partition(".")[0]:
            case "invoice":
                return (topic_of_invoice(self.subject_id),)
            case "payment":
                invoice_id = parse_id("inv", str(self.data["invoice"]))
                assert invoice_id is not None, "it is the invoice's public id"
                return (topic_of_invoice(invoice_id),)
            case _:
                return ()


def record(facts: Sequence[Fact], changes: Changes) -> None:
    """Have facts written down with `changes`, and their topics rung."""
    moment = now()
    changes.insert(
        Event,
        [
            {
                "id": new_id(),
                "created_at": moment,
                "kind": fact.kind.value,
                "account_id": fact.account_id,
                "subject_id": fact.subject_id,
                "data": sql.json(dict(fact.data)),
            }
            for fact in facts
        ],
    )
    ring(*(topic for fact in facts for topic in fact.topics))


async def after(event_id: UUID, kinds: Sequence[str], limit: int) -> list[Event]:
    """The events of these kinds that were recorded later than the one with that id, oldest first;
    an id that is no event's stands for its moment.
    """
    return await sql.records(
        Event,
        f"SELECT * FROM event WHERE id > $1 AND kind IN ({sql.placeholders(len(kinds), 3)})"
        " ORDER BY id LIMIT $2",
        event_id,
        limit,
        *kinds,
    )


async def forget() -> int:
    """Delete what is older than `retention.EVENTS`; how many."""
    old = now() - retention.EVENTS
    return await transaction(lambda: sql.execute("DELETE FROM event WHERE created_at < $1", old))
