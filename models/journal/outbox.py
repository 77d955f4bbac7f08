"""The outbox: facts, recorded in the transaction that made them true.

They wake live subscriptions (by `transactions.ring`) and are what partners will be told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import ring


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
    """An event to be: `kind` is `noun.verb`, past tense."""

    kind: str
    account_id: UUID
    subject_id: UUID
    data: Mapping[str, object] = field(default_factory=dict)


async def record(facts: Sequence[Fact]) -> None:
    """Write facts down in this transaction, and wake who watches an invoice of theirs."""
    if facts:
        await sql.together([recording(facts)])


def recording(facts: Sequence[Fact]) -> sql.Statement:
    """What `record` runs, for `sql.together`."""
    moment = now()
    rows: list[sql.Row] = [
        {
            "id": new_id(),
            "created_at": moment,
            "kind": fact.kind,
            "account_id": fact.account_id,
            "subject_id": fact.subject_id,
            "data": sql.json(dict(fact.data)),
        }
        for fact in facts
    ]
    ring(*(f"invoice:{fact.subject_id.hex}" for fact in facts if fact.kind.startswith("invoice.")))
    return sql.insertion("event", rows)


async def forget(days: int) -> int:
    """Delete events older than that; how many."""
    return await sql.execute(
        "DELETE FROM event WHERE created_at < $1", now() - timedelta(days=days)
    )
