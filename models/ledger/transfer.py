"""Transfers: double entry, append-only.

A transfer moves a positive amount from one ledger account to another of the same currency, so
debits equal credits by construction. All money moves through `book.Book.post()`.
"""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields

from models.db.record import Record


class MoveKind(StrEnum):
    """Transfers without a statement line: the client's credit did not change by them."""

    SALE = "SALE"
    SALE_REVERSED = "SALE_REVERSED"
    FEE = "FEE"
    FEE_REVERSED = "FEE_REVERSED"
    HOLD = "HOLD"
    HOLD_RELEASED = "HOLD_RELEASED"
    DEBT_REPAID = "DEBT_REPAID"


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
