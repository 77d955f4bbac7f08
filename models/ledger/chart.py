"""The ledger: double entry, append-only, one lock a balance.

A transfer moves a positive amount from one ledger account to another of the same currency, so
debits equal credits by construction. All money moves through `book.Book.post()`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, Table

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


class StatementLineKind(StrEnum):
    """The kinds of credit statement lines."""

    DEPOSIT = "DEPOSIT"
    "A deposit was received."
    DEPOSIT_REINSTATED = "DEPOSIT_REINSTATED"
    "A reversed deposit was reinstated after a dispute was won."
    DEBT_REPAID = "DEBT_REPAID"
    "Part of a deposit repaid a debt."
    REFUND = "REFUND"
    "Credit went back to where it came from."
    VOUCHER = "VOUCHER"
    "A voucher was redeemed."
    INVOICE_PAYMENT = "INVOICE_PAYMENT"
    "Credit paid an invoice, or a part of one."
    INVOICE_PAYMENT_RETURNED = "INVOICE_PAYMENT_RETURNED"
    "An invoice that credit had paid was voided or refunded."
    OVERPAYMENT = "OVERPAYMENT"
    "More was received than was due; the excess became credit."
    ADJUSTMENT = "ADJUSTMENT"
    "Staff adjusted the credit; the description gives the reason."
    EXPIRY = "EXPIRY"
    "Promotional credit expired."
    DEPOSIT_REVERSED = "DEPOSIT_REVERSED"
    "A deposit was reversed by the gateway: a refund or a dispute."


class MoveKind(StrEnum):
    """Transfers without a statement line: the client's credit did not change by them."""

    SALE = "SALE"
    SALE_REVERSED = "SALE_REVERSED"
    FEE = "FEE"
    FEE_REVERSED = "FEE_REVERSED"
    HOLD = "HOLD"
    HOLD_RELEASED = "HOLD_RELEASED"
    DEBT_REPAID = "DEBT_REPAID"


class LedgerAccount(Table):
    """One account of the chart. Its id is derived from what it is, so it is never looked up."""

    id = fields.UUIDField(primary_key=True)
    currency = fields.CharField(max_length=3)
    kind = fields.CharField(max_length=16)
    account_id = fields.UUIDField(null=True)
    gateway = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "ledger_account"


class Transfer(Record):
    """One debit (`from_id`), one credit (`to_id`), one amount in minor units. Only ever added."""

    currency = fields.CharField(max_length=3)
    kind = fields.CharField(max_length=32)
    source = fields.CharField(max_length=255)
    leg = fields.SmallIntField()
    from_id = fields.UUIDField()
    to_id = fields.UUIDField()
    amount = fields.BigIntField()
    account_id = fields.UUIDField()
    credit_transaction_id = fields.UUIDField(null=True)
    payment_id = fields.UUIDField(null=True)

    class Meta:
        table = "transfer"


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


class CreditTransaction(Record):
    """One line of the statement: all transfers of one change. Only ever added.

    `amount` is what the change did to available + reserved - debt; the `…_after` columns are what
    the balance said after it.
    """

    PREFIX = "ctx"

    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    kind = fields.CharField(max_length=32)
    source = fields.CharField(max_length=255)
    amount = fields.BigIntField()
    balance_after = fields.BigIntField()
    available_after = fields.BigIntField()
    reserved_after = fields.BigIntField()
    promotional_after = fields.BigIntField()
    debt_after = fields.BigIntField()
    version = fields.BigIntField()
    note = fields.CharField(max_length=500, default="")
    refundable = fields.BooleanField(default=False)
    invoice_id = fields.UUIDField(null=True)
    payment_id = fields.UUIDField(null=True)

    class Meta:
        table = "credit_transaction"


class Grant(Table):
    """Promotional credit: `remaining` of `amount` is free to spend until `expires_at`.

    Its id is its ledger account's. What a hold has reserved is not in `remaining`.
    """

    id = fields.UUIDField(primary_key=True)
    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    remaining = fields.BigIntField()
    expires_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(default=now)

    class Meta:
        table = "credit_grant"


# ------------------------------------------------------------------------------- the chart


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


def balance_id(account_id: UUID, currency: str) -> UUID:
    """The id of an account's balance in `currency`: always the same, so that two cannot be made."""
    return uuid5(_NAMESPACE, f"{currency}:BALANCE:{account_id.hex}")


def opening(currency: str, refs: Iterable[Ref]) -> list[sql.Row]:
    """The rows of these ledger accounts."""
    return [
        {
            "id": ref.id,
            "currency": currency,
            "kind": ref.kind.value,
            "account_id": ref.account_id,
            "gateway": ref.gateway,
        }
        for ref in refs
    ]
