"""Status: how far an invoice, a payment or a refund is.

Apart from their tables: credit stands below these, and what is pending of it is known by them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from models.db import sql


class InvoiceStatus(StrEnum):
    """The status of an invoice."""

    UNPAID = "UNPAID"
    "Issued, and not fully paid."
    PROCESSING = "PROCESSING"
    "A payment is in progress and not confirmed yet."
    PAID = "PAID"
    "Paid in full."
    VOID = "VOID"
    "Voided: nothing is due anymore."
    REFUNDED = "REFUNDED"
    "Paid, then reversed by the gateway (refund or dispute)."


#: Of an invoice that money can still be paid on. In the order of the partial indexes' conditions:
#: SQLite uses an index for the very same words alone.
PAYABLE: Final = (InvoiceStatus.UNPAID, InvoiceStatus.PROCESSING)
PAYABLE_SQL: Final = sql.literals(PAYABLE)


class PaymentStatus(StrEnum):
    """The status of a payment. It only moves forward, but a capture overrides everything."""

    CREATED = "CREATED"
    "Created here; the gateway is being called."
    REQUIRES_ACTION = "REQUIRES_ACTION"
    "The client must do what `nextAction` says."
    PROCESSING = "PROCESSING"
    "The gateway is processing it; the client has nothing to do."
    SUCCEEDED = "SUCCEEDED"
    "The money was received."
    FAILED = "FAILED"
    "The gateway declined it; see `failureCode`."
    CANCELED = "CANCELED"
    "Canceled by the client or by staff."
    EXPIRED = "EXPIRED"
    "The client didn't complete it in time."


#: Of a payment that waits for its client.
WAITING: Final = (PaymentStatus.CREATED, PaymentStatus.REQUIRES_ACTION)
#: Of a payment that has begun and not ended.
OPEN: Final = (*WAITING, PaymentStatus.PROCESSING)
OPEN_SQL: Final = sql.literals(OPEN)


class RefundStatus(StrEnum):
    """The status of a refund."""

    PENDING = "PENDING"
    "Requested from the gateway; the amount can't be spent meanwhile."
    SUCCEEDED = "SUCCEEDED"
    "The money has been refunded."
    FAILED = "FAILED"
    "The gateway didn't refund it; the credit is unchanged."
