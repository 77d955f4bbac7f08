"""Diagnosis: why an invoice is not paid, or not credited yet, and what happens next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote
from uuid import UUID

from models.gateway import GatewayKind
from models.invoices.invoice import Invoice
from models.money import Money
from models.payments.payment import Payment
from models.payments.refund import Refund
from models.provider.provider import provider
from models.status import InvoiceStatus, PaymentStatus, RefundStatus


class Stage(StrEnum):
    """Where the payment stands."""

    NOT_STARTED = "NOT_STARTED"
    "No payment has been started."
    AWAITING_CLIENT = "AWAITING_CLIENT"
    "Waiting for the client; see the payment's `nextAction`."
    AWAITING_GATEWAY = "AWAITING_GATEWAY"
    "Waiting for the gateway to confirm it."
    AWAITING_BANK = "AWAITING_BANK"
    "Waiting for the bank to report the transfer."
    FAILED = "FAILED"
    "The last payment failed; another can be started."
    SETTLED = "SETTLED"
    "Paid: nothing is left to do."
    CLOSED = "CLOSED"
    "Void or refunded: nothing is left to do."


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`reason` is a stable key that the edge has a sentence for, in the reader's language; `facts`
    are what the sentence names.
    """

    stage: Stage
    reason: str
    facts: dict[str, object] = field(default_factory=dict)
    last_heard_at: datetime | None = None
    next_check_at: datetime | None = None
    support_url: str | None = None


def perhaps_abandoned(payments: Sequence[Payment]) -> list[UUID]:
    """Payments whose refunds may be stuck: they have money, and their gateway isn't configured."""
    return [one.id for one in payments if one.received and not one.has_gateway]


def diagnose(
    invoice: Invoice, payments: Sequence[Payment], refunds: Sequence[Refund] = ()
) -> Diagnosis:
    """How it stands with an invoice; `payments` are all of its payments, oldest first, and
    `refunds` those of the payments that are `perhaps_abandoned`.
    """
    latest = _latest(payments)
    stage, reason = _stage(invoice, latest)
    if any(one.status == RefundStatus.PENDING for one in refunds):
        reason = "refund_abandoned"
    asked = latest is not None and latest.is_open and latest.has_gateway
    return Diagnosis(
        stage,
        reason,
        _facts(invoice, latest),
        last_heard_at=max((p.heard_at for p in payments if p.heard_at), default=None),
        next_check_at=latest.next_check_at if latest is not None and asked else None,
        support_url=_support_url(invoice),
    )


def _latest(payments: Sequence[Payment]) -> Payment | None:
    """The payment that counts: one that nobody can end, because it holds up all others, or else
    the last one.
    """
    abandoned = [one for one in payments if one.is_open and not one.has_gateway]
    return next(iter(abandoned or payments[-1:]), None)


def _stage(invoice: Invoice, latest: Payment | None) -> tuple[Stage, str]:
    if invoice.status == InvoiceStatus.PAID:
        return Stage.SETTLED, "paid"
    if invoice.status == InvoiceStatus.VOID:
        return Stage.CLOSED, "void"
    if invoice.status == InvoiceStatus.REFUNDED:
        return Stage.CLOSED, "refunded"
    if latest is None:
        return Stage.NOT_STARTED, "partly_paid" if invoice.amount_paid else "not_started"
    if latest.is_open and not latest.has_gateway:
        return Stage.AWAITING_GATEWAY, "abandoned"
    return _waiting(latest)


def _waiting(latest: Payment) -> tuple[Stage, str]:  # noqa: PLR0911 - a table of answers
    match latest.status:
        case PaymentStatus.CREATED:
            return Stage.AWAITING_GATEWAY, "beginning"
        case PaymentStatus.PROCESSING:
            return Stage.AWAITING_GATEWAY, "processing"
        case PaymentStatus.REQUIRES_ACTION if _is_bank(latest):
            return Stage.AWAITING_BANK, "awaiting_transfer"
        case PaymentStatus.REQUIRES_ACTION if latest.failure:
            return Stage.AWAITING_CLIENT, "declined"
        case PaymentStatus.REQUIRES_ACTION:
            return Stage.AWAITING_CLIENT, "awaiting_client"
        case PaymentStatus.SUCCEEDED if latest.taken_back:
            return Stage.NOT_STARTED, "taken_back"
        case PaymentStatus.SUCCEEDED:
            return Stage.NOT_STARTED, "underpaid"
        case PaymentStatus.FAILED:
            return Stage.FAILED, "failed"
        case PaymentStatus.EXPIRED:
            return Stage.FAILED, "expired"
        case _:
            return Stage.NOT_STARTED, "canceled"


def _is_bank(payment: Payment) -> bool:
    gateway = provider().gateways.get(payment.gateway)
    return gateway is not None and gateway.kind == GatewayKind.BANK_TRANSFER


def _facts(invoice: Invoice, latest: Payment | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "number": invoice.number,
        "due": Money(invoice.amount_due, invoice.currency),
        "paid": Money(invoice.amount_paid, invoice.currency),
    }
    if latest is not None:
        facts |= {
            "gateway": latest.gateway,
            "reference": latest.reference,
            "failure": latest.failure or "",
            "charged": Money(latest.charged, latest.currency),
        }
    return facts


def _support_url(invoice: Invoice) -> str | None:
    """The provider's ticket page with this invoice filled in (`{invoice}` in the setting)."""
    url = provider().support_url
    return url.replace("{invoice}", quote(invoice.number)) if url else None
