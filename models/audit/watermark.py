"""The watermark: how far the books have been proven, and which accounts have changed since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from models.audit.check import written_out
from models.db import sql
from models.db.connection import dialect
from models.db.transactions import transaction

#: What a transaction has written may be seen only so much later, and hosts' clocks differ.
_LATER_MAX: Final = timedelta(minutes=1)
_ID: Final = UUID(int=0)


class Watermark(Model):
    """All that was there at `proven_at` was right then; `whole_at` is when all of it was proven
    together. There is one.
    """

    id = fields.UUIDField(primary_key=True)
    proven_at = fields.DatetimeField()
    whole_at = fields.DatetimeField()

    class Meta:
        table = "audit_watermark"

    @property
    def since(self) -> UUID:
        """An id before all that may have been written after it."""
        return _first_id(self.proven_at - _LATER_MAX)


async def read() -> Watermark | None:
    """The watermark; None where nothing has ever been proven."""
    found = await sql.records(Watermark, "SELECT * FROM audit_watermark WHERE id = $1", _ID)
    return found[0] if found else None


async def advance(proven_at: datetime, whole_at: datetime) -> None:
    """Say that everything has been proven as of `proven_at`. One that is there already and later,
    of another worker, stays.
    """
    statement = (
        "INSERT INTO audit_watermark (id, proven_at, whole_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (id) DO UPDATE SET proven_at = EXCLUDED.proven_at,"
        " whole_at = EXCLUDED.whole_at WHERE audit_watermark.proven_at < EXCLUDED.proven_at"
    )
    await transaction(lambda: sql.execute(statement, _ID, proven_at, whole_at))


#: Whatever changes an account's money or promises writes one of these, or records an event.
_OF_ACCOUNTS: Final = ("event", "transfer", "credit_transaction", "invoice", "payment", "refund")
_TOUCHED: Final = f"""
{" UNION ".join(f"SELECT account_id FROM {table} WHERE id > $1" for table in _OF_ACCOUNTS)}
UNION SELECT id FROM account WHERE id > $1
UNION SELECT p.account_id FROM settlement s JOIN payment p ON p.id = s.payment_id WHERE s.id > $1
UNION SELECT p.account_id FROM bank_credit b JOIN payment p ON p.id = b.payment_id WHERE b.id > $1
UNION SELECT p.account_id FROM receipt r JOIN payment p ON told_of(p.id, r.payment_ref)
 WHERE r.id > $1 OR r.next_try_at < $2
UNION SELECT a.id FROM audit_entry e JOIN account a ON told_of(a.id, e.subject) WHERE e.id > $1
UNION SELECT account_id FROM credit_grant WHERE remaining > 0 AND expires_at < $2
UNION SELECT account_id FROM reservation WHERE state = 'OPEN' AND expires_at < $2
"""


async def touched(since: UUID, late: datetime) -> list[UUID]:
    """The accounts of which something is newer than `since`, or should have been done by `late`."""
    rows = await sql.fetch(written_out(_TOUCHED, dialect()), since, late)
    return [row["account_id"] for row in rows]


def _first_id(moment: datetime) -> UUID:
    """The first UUIDv7 (RFC 9562) of a moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
