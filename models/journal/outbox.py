"""The outbox: facts, recorded in the transaction that made them true.

They wake live subscriptions (by `transactions.ring`). What is committed is then published, in one
order for all (models.journal.feed): that is what partners are told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.changes import Changes
from models.db.record import Record, new_id, parse_id, public_id
from models.db.transactions import ring
from models.journal.topics import topic_of_invoice


class FactKind(StrEnum):
    """What has happened: `noun.verb`, past tense, as partners are told. What they ask for more
    exactly (an outcome, a status) is in the event's `data`.
    """

    ACCOUNT_CREATED = "account.created"
    ACCOUNT_UPDATED = "account.updated"
    CREDIT_CHANGED = "credit.changed"
    CREDIT_LOW = "credit.low"
    GRANT_EXPIRED = "grant.expired"
    GRANT_EXPIRING = "grant.expiring"
    HOLD_CAPTURED = "hold.captured"
    HOLD_EXPIRED = "hold.expired"
    HOLD_EXTENDED = "hold.extended"
    HOLD_RELEASED = "hold.released"
    HOLD_RESERVED = "hold.reserved"
    INVOICE_CREDITED = "invoice.credited"
    INVOICE_ISSUED = "invoice.issued"
    INVOICE_OVERDUE = "invoice.overdue"
    INVOICE_PAID = "invoice.paid"
    INVOICE_UPDATED = "invoice.updated"
    INVOICE_VOIDED = "invoice.voided"
    PAYMENT_BEGUN = "payment.begun"
    PAYMENT_CANCELED = "payment.canceled"
    PAYMENT_DISPUTED = "payment.disputed"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_PROCESSING = "payment.processing"
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    VOUCHER_REDEEMED = "voucher.redeemed"


#: What an event of each noun is about: the prefix of its id. A voucher's is the credit transaction
#: that it became. Credit is low on an account, whatever has left it: spent, reserved or expired.
SUBJECTS: Final = {
    "account": "acc",
    "credit": "ctx",
    FactKind.CREDIT_LOW: "acc",
    "grant": "grt",
    "hold": "hld",
    "invoice": "inv",
    "payment": "pay",
    "voucher": "ctx",
}


class Event(Record):
    """One fact. `subject_id` is the record that it is about.

    `ordinal` is the order in which facts were written down: of two transactions one after the other
    the earlier's are less, whatever their hosts' clocks say (PostgreSQL; on SQLite it is null, and
    `rowid` says so). `position` is its place among all events, and `sequence` among its account's:
    1, 2, 3 … without a gap. Both are null until it is published (models.journal.feed).
    """

    PREFIX: ClassVar[str] = "evt"

    kind = fields.CharField(max_length=64)
    account_id = fields.UUIDField()
    subject_id = fields.UUIDField()
    data: fields.Field[dict[str, object]] = fields.JSONField(default=dict)
    ordinal = fields.BigIntField(null=True)
    position = fields.BigIntField(null=True)
    sequence = fields.IntField(null=True)

    class Meta:
        table = "event"

    @property
    def subject(self) -> str:
        """The public id of what it is about."""
        prefix = SUBJECTS.get(self.kind) or SUBJECTS[self.kind.partition(".")[0]]
        return public_id(prefix, self.subject_id)


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
        invoice_id = invoice_of(self)
        return () if invoice_id is None else (topic_of_invoice(invoice_id),)


def invoice_of(told: Event | Fact) -> UUID | None:
    """The invoice that it, or its payment, is about."""
    match told.kind.partition(".")[0]:
        case "invoice":
            return told.subject_id
        case "payment":
            invoice_id = parse_id("inv", str(told.data["invoice"]))
            assert invoice_id is not None, "it is the invoice's public id"
            return invoice_id
        case _:
            return None


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
