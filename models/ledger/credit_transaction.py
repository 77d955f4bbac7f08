"""Credit transactions: the lines of the credit statement, as they are kept."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields

from models.db.record import Record


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
