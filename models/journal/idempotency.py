"""Same key, same answer.

A key belongs to a principal (the user or partner, never a session or an API key). It is claimed in
the transaction that does the work, together with the ids of what the work makes; so a key exists if
and only if its work was done. Refusals roll it back: a retry may succeed.

The answer is kept for `KEPT_DAYS`. What an old key does after that:

    createInvoice addFunds refundPayment adjustCredit issueVouchers
        nothing, ever: what they made has `source_of` the key, or its codes, in a UNIQUE column, and
        the key is refused as reused
    payInvoice voidInvoice cancelPayment recordPaymentOutcome redeemVoucher createAccount
    recordBankTransfer assignBankCredit dismissBankCredit
        what a new key would: the invoice that is paid, the code that is redeemed, the address that
        is taken or the line that is booked can be dealt with once only, whatever the key
    updateAccount
        sets what it says once more
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from tortoise import fields

from models.access.identity import Actor
from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.errors import IdempotencyInFlight, IdempotencyKeyReused, Invalid, Refusal

KEPT_DAYS: Final = 60

_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


class IdempotencyKey(Record):
    """A key that was used, for what (`fingerprint`), and the ids of what was made (`result`)."""

    principal = fields.CharField(max_length=64)
    key = fields.CharField(max_length=255)
    fingerprint = fields.CharField(max_length=64)
    result: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)

    class Meta:
        table = "idempotency_key"


#: Public ids of what an operation made, by name.
Result = Mapping[str, str]

#: Raises what a first call of this caller would raise for what an earlier call has made.
Admission = Callable[[Result], Awaitable[None]]


class _Taken(Exception):
    """Somebody used this key before; the transaction rolls back."""


async def once(
    by: Actor,
    key: str,
    operation: str,
    given: Mapping[str, object],
    result: Result,
    *,
    admit: Admission,
    work: Callable[[], Awaitable[None]],
    prepare: Callable[[], Awaitable[None]] | None = None,
) -> Result:
    """Do `work` in one transaction, once for this key; the ids that it made, then or now.

    `given` is the input, which a key must not be used twice for in two forms
    (IdempotencyKeyReused); `result` the ids that `work` will make, chosen before. `prepare` reads
    what needs no transaction. Whoever repeats a key is asked for their rights anew by `admit`: they
    may have come with another session or API key of the same principal, or have lost them since.
    """
    if _KEY.fullmatch(key) is None:
        raise Invalid("idempotency_key", problem="idempotency_key_form")
    fingerprint = _fingerprint(operation, given)

    async def claimed() -> None:
        row = {
            "id": new_id(),
            "created_at": now(),
            "principal": by.principal,
            "key": key,
            "fingerprint": fingerprint,
            "result": sql.json(dict(result)),
        }
        if not await sql.insert("idempotency_key", [row], ignore_conflicts=True):
            raise _Taken
        await work()

    try:
        if prepare is not None:
            await prepare()
        await transaction(claimed)
    except _Taken:
        before = await _result_of(by, key, fingerprint)
        if before is None:  # whoever had it has just rolled back
            raise IdempotencyInFlight("idempotency_key") from None
        await admit(before)
        return before
    except Refusal:
        # It may come of this key's own work having been done: then that is the answer.
        before = await _result_of(by, key, fingerprint)
        if before is None:
            raise
        await admit(before)
        return before
    return result


def for_staff(by: Actor) -> Admission:
    """Admits staff, who see everything that was made."""

    async def admit(_made: Result) -> None:
        by.require_staff()

    return admit


def source_of(by: Actor, key: str) -> str:
    """What is made with this key has this as its source, for good: 64 characters, UNIQUE."""
    # What is no key is refused by `once`, and is not to fail before.
    return hashlib.sha256(f"{by.principal}\0{key}".encode(errors="surrogatepass")).hexdigest()


async def _result_of(by: Actor, key: str, fingerprint: str) -> Result | None:
    row = await sql.fetch_one(
        "SELECT fingerprint, result FROM idempotency_key WHERE principal = $1 AND key = $2",
        by.principal,
        key,
    )
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused("idempotency_key")
    found: Result = orjson.loads(row["result"])
    return found


def _fingerprint(operation: str, given: Mapping[str, object]) -> str:
    # The standard library's: text that is no Unicode (a lone surrogate) is refused by its rule.
    text = json.dumps([operation, given], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


async def release(by: Actor, key: str) -> None:
    """Give a key back, inside a transaction: what it was for has been undone."""
    await sql.execute(
        "DELETE FROM idempotency_key WHERE principal = $1 AND key = $2", by.principal, key
    )


async def forget() -> int:
    """Delete keys older than `KEPT_DAYS`; how many."""
    return await sql.execute(
        "DELETE FROM idempotency_key WHERE created_at < $1", now() - timedelta(days=KEPT_DAYS)
    )
