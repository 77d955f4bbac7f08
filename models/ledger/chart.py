"""The chart of accounts, and the balance: what a client's accounts in one currency come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from tortoise import fields

from models.db.record import Table

_NAMESPACE: Final = UUID("6f1c1d3e-52c5-4b0c-9a41-3f0f0a3f6f10")


class LedgerKind(StrEnum):
    """The chart of accounts; the first four belong to a client, the rest to the provider."""

    DEPOSITED = "DEPOSITED"
    GRANT = "GRANT"
    HELD = "HELD"
    DEBT = "DEBT"
    CLEARING = "CLEARING"
    SALES = "SALES"
    FEE_INCOME = "FEE_INCOME"
    PROMOTIONS = "PROMOTIONS"
    ADJUSTMENTS = "ADJUSTMENTS"


class LedgerAccount(Table):
    """One account of the chart. Its id is derived from what it is, so it is never looked up."""

    id = fields.UUIDField(primary_key=True)
    currency = fields.CharField(max_length=3)
    kind = fields.CharField(max_length=16)
    account_id = fields.UUIDField(null=True)
    gateway = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "ledger_account"


@dataclass(frozen=True, slots=True)
class Ref:
    """A ledger account as transfers name it."""

    id: UUID
    kind: LedgerKind
    account_id: UUID | None = None
    gateway: str | None = None


@lru_cache(maxsize=4096)
def client(kind: LedgerKind, account_id: UUID, currency: str) -> Ref:
    """A client's `DEPOSITED`, `HELD` or `DEBT` account."""
    return Ref(uuid5(_NAMESPACE, f"{currency}:{kind}:{account_id.hex}"), kind, account_id)


@lru_cache(maxsize=512)
def provider_account(kind: LedgerKind, currency: str, gateway: str | None = None) -> Ref:
    """An account of the provider; `gateway` for `CLEARING` alone."""
    return Ref(uuid5(_NAMESPACE, f"{currency}:{kind}:{gateway or ''}"), kind, gateway=gateway)


def grant_account(grant_id: UUID, account_id: UUID) -> Ref:
    """The account of what is left of a grant; it has the grant's id."""
    return Ref(grant_id, LedgerKind.GRANT, account_id)


def opening(currency: str, refs: Iterable[Ref]) -> list[LedgerAccount]:
    """The ledger accounts that these name."""
    return [
        LedgerAccount(
            id=ref.id,
            currency=currency,
            kind=ref.kind.value,
            account_id=ref.account_id,
            gateway=ref.gateway,
        )
        for ref in refs
    ]


class Balance(Table):
    """One account's credit in one currency, in minor units: the only row that is locked.

    `revision` grows with every write, `version` with every line of the statement.
    """

    id = fields.UUIDField(primary_key=True)
    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    available = fields.BigIntField(default=0)
    reserved = fields.BigIntField(default=0)
    promotional = fields.BigIntField(default=0)
    debt = fields.BigIntField(default=0)
    version = fields.BigIntField(default=0)
    revision = fields.BigIntField(default=0)
    updated_at = fields.DatetimeField()

    class Meta:
        table = "balance"


@lru_cache(maxsize=4096)
def balance_id(account_id: UUID, currency: str) -> UUID:
    """The id of an account's balance in `currency`: always the same, so that two cannot be made."""
    return uuid5(_NAMESPACE, f"{currency}:BALANCE:{account_id.hex}")
