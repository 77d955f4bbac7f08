"""PayPal's refusals as our failure codes: short and stable.

The `issue`s are those of Orders v2 (create, capture) and Payments v2 (refund).
"""

from __future__ import annotations

from typing import Final

#: The payer may go back to PayPal and choose another way to pay: the order is not lost.
TRY_AGAIN: Final = frozenset(
    {
        "INSTRUMENT_DECLINED",
        "ORDER_COMPLETION_IN_PROGRESS",
        "ORDER_NOT_APPROVED",
        "PAYER_ACTION_REQUIRED",
        "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
    }
)

_CODES: Final = {
    "CARD_EXPIRED": "expired_card",
    "COMPLIANCE_VIOLATION": "declined",
    "INSTRUMENT_DECLINED": "declined",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "too_many_attempts",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "payer_account_restricted",
    "PAYER_ACCOUNT_RESTRICTED": "payer_account_restricted",
    "PAYER_CANNOT_PAY": "payer_account_restricted",
    "DOMESTIC_TRANSACTION_REQUIRED": "payer_account_restricted",
    "TRANSACTION_LIMIT_EXCEEDED": "payment_limit_exceeded",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": "payment_limit_exceeded",
    "MAX_VALUE_EXCEEDED": "payment_limit_exceeded",
    "TRANSACTION_REFUSED": "declined",
    # Refunds.
    "CAPTURE_FULLY_REFUNDED": "already_refunded",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED": "refund_not_allowed",
    "PARTIAL_REFUND_NOT_ALLOWED": "refund_not_allowed",
    "REFUND_AMOUNT_EXCEEDED": "already_refunded",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "refund_insufficient_funds",
    "REFUND_NOT_ALLOWED": "refund_not_allowed",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": "payment_disputed",
    "REFUND_TIME_LIMIT_EXCEEDED": "refund_too_late",
    "TRANSACTION_DISPUTED": "payment_disputed",
}


def code_of(issue: str) -> str:
    """The stable code of a refusal; `gateway_refused` where the payer can do nothing about it."""
    return _CODES.get(issue, "gateway_refused")
