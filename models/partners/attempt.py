"""Attempts: one call of an endpoint each, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from uuid import UUID

from tortoise import fields

from models.db import sql
from models.db.record import Record
from models.partners.address import Target

#: Of an answer so much is read, and the first of it kept.
READ_BYTES_MAX: Final = 64 * 1024
KEPT_BYTES_MAX: Final = 1024
#: Attempts that are shown of one delivery.
SHOWN_MAX: Final = 20
#: For resolving, connecting, sending and reading together.
CALL_SECONDS_MAX: Final = 15.0
#: Under way at once in one process; four to an endpoint, one where it fails.
LANES_MAX: Final = 200


class DeliveryAttempt(Record):
    """One attempt, begun at `created_at`. `status` is null where there was no answer; then, and
    where it was no success, `problem` says why, and `answer` is how the answer begins.
    """

    delivery_id = fields.UUIDField()
    status = fields.IntField(null=True)
    milliseconds = fields.IntField()
    problem = fields.CharField(max_length=200, null=True)
    answer = fields.TextField(default="")

    class Meta:
        table = "webhook_attempt"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: see DeliveryAttempt. `called` is whether the endpoint was: it is
    not to blame for what failed before. What is `hopeless` is not tried again.
    """

    milliseconds: int
    status: int | None = None
    problem: str | None = None
    answer: str = ""
    called: bool = True
    hopeless: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the endpoint has taken the message (Standard Webhooks: any 2xx)."""
        return self.problem is None

    @property
    def gone(self) -> bool:
        """Whether it says that it wants none any more."""
        return self.status == HTTPStatus.GONE


def not_called(problem: str, *, hopeless: bool = False) -> Outcome:
    """An attempt that came to nothing before the endpoint was called."""
    return Outcome(0, problem=problem, called=False, hopeless=hopeless)


class Caller(Protocol):
    """Calls endpoints; `api/webhooks` implements it."""

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Post a message, within CALL_SECONDS_MAX; whatever happens is in the outcome."""
        ...


async def of_deliveries(ids: Sequence[UUID]) -> dict[UUID, list[DeliveryAttempt]]:
    """The last SHOWN_MAX attempts of each of the deliveries, oldest first."""
    found: dict[UUID, list[DeliveryAttempt]] = {}
    names = sql.columns(DeliveryAttempt)
    rows = await sql.records(
        DeliveryAttempt,
        f"SELECT {names} FROM (SELECT a.*, ROW_NUMBER() OVER"
        " (PARTITION BY a.delivery_id ORDER BY a.id DESC) AS place"
        f" FROM webhook_attempt a WHERE {sql.any_of('a.delivery_id', 1)}) last"
        " WHERE place <= $2 ORDER BY id",
        list(ids),
        SHOWN_MAX,
    )
    for row in rows:
        found.setdefault(row.delivery_id, []).append(row)
    return found
