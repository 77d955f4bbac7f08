"""Same key, same answer.

A key belongs to a principal (the user or partner, never a session or an API key). It is claimed in
the transaction that does the work, together with the ids of what the work makes; so a key exists if
and only if its work was done. Refusals roll it back: a retry may succeed.

The answer is kept for `retention.KEYS`. What an old key does after that:

    createInvoice addFunds refundPayment adjustCredit issueVouchers reserveCredit
        nothing, ever: what they made has `source_of` the key, or its codes, in a UNIQUE column, and
        the key is refused as reused
    payInvoice payInvoices voidInvoice cancelPayment recordPaymentOutcome redeemVoucher
    createAccount recordBankTransfer assignBankCredit dismissBankCredit rotateApiKey releaseHold
        what a new key would: the invoice that is paid, the code that is redeemed, the address that
        is taken or the line that is booked can be dealt with once only, whatever the key; but of an
        invoice that is not paid yet another part (`amount`)
    captureHold extendHold
        what a new key would, of a hold that is still open
    updateAccount
        sets what it says once more
    createClientSession createApiKey createWebhookEndpoint rotateWebhookSecret
        signs the client in once more, or makes another key, endpoint or secret
    resendWebhooks sendTestEvent inviteMember
        sends once more
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, is_dataclass
from dataclasses import fields as fields_of
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import orjson
from tortoise import fields

from models.access.identity import Actor
from models.clock import now
from models.db import sql
from models.db.changes import Changes
from models.db.record import Record, new_id, parse_id
from models.db.transactions import transaction
from models.errors import IdempotencyKeyReused, Invalid
from models.provider import retention

#: What fingerprints of commands begin with.
FORM: Final = "c1:"

#: `field(default=…, metadata=LATER)`: the command has it since some release. Where it is not given
#: the fingerprint is the one from before, so that a click is repeated across an upgrade.
LATER: Final = {"later": True}

_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


class IdempotencyKey(Record):
    """A key that was used, for what (`fingerprint`), and the ids of what was made (`result`)."""

    principal = fields.CharField(max_length=64)
    key = fields.CharField(max_length=255)
    fingerprint = fields.CharField(max_length=64)
    result: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)

    class Meta:
        table = "idempotency_key"


@dataclass(frozen=True, slots=True)
class Made:
    """What an earlier use of a key has made, and when: `id` is None where it made nothing new."""

    id: UUID | None
    at: datetime


def checked(key: str) -> str:
    """The key. Raises Invalid at `idempotency_key`."""
    if _KEY.fullmatch(key) is None:
        raise Invalid("idempotency_key", problem="idempotency_key_form")
    return key


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a key: for what, and what is made by it (its public ids by name)."""

    principal: str
    key: str
    fingerprint: str
    made: Mapping[str, str]

    @property
    def name(self) -> tuple[str, str]:
        """Which key of whose."""
        return self.principal, self.key

    def row(self) -> sql.Row:
        """As it is written down."""
        return {
            "id": new_id(),
            "created_at": now(),
            "principal": self.principal,
            "key": self.key,
            "fingerprint": self.fingerprint,
            "result": sql.json(dict(self.made)),
        }


async def claim(use: Use) -> bool:
    """Use a key, in the transaction that does the work; False where it is used already."""
    table = sql.table_of(IdempotencyKey)
    return bool(await sql.insert(table, [use.row()], ignore_conflicts=True))


def claim_all(uses: Sequence[Use], changes: Changes) -> None:
    """Use keys that were not `used`, with the work of many; a conflict where one is used by now."""
    # In order, as two processes may claim the same ones.
    changes.claim(IdempotencyKey, [use.row() for use in sorted(uses, key=attrgetter("name"))])


async def used(uses: Sequence[Use]) -> set[tuple[str, str]]:
    """Which of these keys are used already; each with its principal."""
    some = sql.given("g", 1, principal="text", key="text")
    rows = await sql.fetch(
        f"SELECT k.principal, k.key FROM {some}"
        " JOIN idempotency_key k ON k.principal = g.principal AND k.key = g.key",
        sql.json([{"principal": use.principal, "key": use.key} for use in uses]),
    )
    return {(row["principal"], row["key"]) for row in rows}


async def recall(by: Actor, key: str, fingerprint: str, name: str, prefix: str) -> Made | None:
    """What the key has made: `name`, whose ids have this prefix. None where it was not used.

    Raises IdempotencyKeyReused where it was used for something else.
    """
    row = await sql.fetch_one(
        "SELECT fingerprint, result, created_at FROM idempotency_key"
        " WHERE principal = $1 AND key = $2",
        by.principal,
        key,
    )
    if row is None:
        return None
    result: dict[str, str] = orjson.loads(row["result"])
    # Keys from before `FORM` are known by what they made.
    is_older = not row["fingerprint"].startswith(FORM) and name in result
    if row["fingerprint"] != fingerprint and not is_older:
        raise IdempotencyKeyReused("idempotency_key")
    return Made(parse_id(prefix, result[name]) if name else None, row["created_at"])


def source_of(by: Actor, key: str) -> str:
    """What is made with this key has this as its source, for good: 64 characters, UNIQUE."""
    # Malformed keys are refused by `checked`; they must not fail here before.
    return hashlib.sha256(f"{by.principal}\0{key}".encode(errors="surrogatepass")).hexdigest()


def fingerprint(name: str, asked: object) -> str:
    """What a key must not be used twice for in two forms: the fields of a command, but for those
    that are no part of what it is (`field(compare=False)`). 64 characters.
    """
    text = _ENCODER.encode([name, asked])
    return FORM + hashlib.sha256(text.encode()).hexdigest()[: 64 - len(FORM)]


def _plain(value: object) -> object:
    if is_dataclass(value):
        return [one for each in fields_of(value) if each.compare for one in _told(each, value)]
    return dict(value) if isinstance(value, Mapping) else str(value)


def _told(each: Field[object], value: object) -> list[object]:
    """What one field adds to a fingerprint."""
    given = getattr(value, each.name)
    if "later" not in each.metadata:
        return [given]
    return [] if given == each.default else [{each.name: given}]


# The standard library's: text that is no Unicode (a lone surrogate) is refused by its rule.
_ENCODER: Final = json.JSONEncoder(default=_plain, sort_keys=True)


async def release(by: Actor, key: str) -> None:
    """Give a key back, inside a transaction: what it was for has been undone."""
    await sql.execute(
        "DELETE FROM idempotency_key WHERE principal = $1 AND key = $2", by.principal, key
    )


async def forget() -> int:
    """Delete what is older than `retention.KEYS`; how many."""
    old = now() - retention.KEYS
    statement = "DELETE FROM idempotency_key WHERE created_at < $1"
    return await transaction(lambda: sql.execute(statement, old))
