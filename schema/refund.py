"""Refunds: what staff give back through the gateway that the money came in by."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models.db.record import parse_id
from models.invoices.invoice import Invoice as InvoiceRecord
from models.journal.command import run
from models.payments import refund
from models.payments.ask_refund import RefundPayment
from models.payments.payment import Payment as PaymentRecord
from models.payments.payment import read as read_payment
from models.status import RefundStatus
from schema.balance import BalancePayload
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import refused_at_top, refused_in_payload
from schema.core.ids import id_of
from schema.core.money import Locale, Money, MoneyInput
from schema.core.nodes import Node, found_by
from schema.payment import Payment, PaymentPayload

strawberry.enum(RefundStatus)


@strawberry.type
class Refund(Node):
    """A refund that staff requested from a gateway. Refunds made at the gateway itself only show in
    `Payment.refunded`.
    """

    amount: Money
    "The amount refunded."
    status: RefundStatus
    "The status of the refund."
    reason: str
    "The reason, as given by staff."
    failure_code: str | None
    "A short, stable code for why it failed."
    created_at: datetime
    "When it was requested."
    completed_at: datetime | None
    "When it ended."
    record: strawberry.Private[refund.Refund]

    @classmethod
    def of(cls, record: refund.Refund) -> Refund:
        """Show a refund."""
        return cls(
            id=strawberry.ID(record.public_id),
            amount=Money.minor(record.amount, record.currency),
            status=RefundStatus(record.status),
            reason=record.reason,
            failure_code=record.failure,
            created_at=record.created_at,
            completed_at=record.completed_at,
            record=record,
        )

    @strawberry.field
    @refused_at_top
    async def payment(self, info: Info) -> Payment:
        """The payment that it refunds."""
        record = await info.context.loaders.payment.load(self.record.payment_id)
        assert record is not None, "a refund has a payment"
        return Payment.of(record)

    @strawberry.field
    def failure_message(self, info: Info, locale: Locale = None) -> str | None:
        """Why it failed, as a sentence for people."""
        failure = self.record.failure
        return texts.failure(failure, info.context.locale_for(locale)) if failure else None


@found_by(refund.Refund.PREFIX)
async def _refund_node(info: Info, id: str) -> Refund | None:
    record = await refund.visible(parse_id(refund.Refund.PREFIX, id), info.context.signed_in())
    return Refund.of(record) if record else None


@strawberry.input
class RefundPaymentInput:
    """The refund to request."""

    payment_id: strawberry.ID
    "The payment to refund."
    amount: MoneyInput | None = None
    """
    The amount to refund. Defaults to all that can be refunded: of a deposit its unspent part,
    without the gateway's fee.
    """
    invoice_id: strawberry.ID | None = None
    """
    Which of the invoices that the payment paid; omitted: the only one. Of a payment for several,
    what counts on that invoice can be refunded, and without it what was paid too much.
    """
    reason: str
    "The reason: kept in the audit log, and shown to those who can see the payment."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class RefundPaymentPayload(BalancePayload, PaymentPayload):
    """The result of `refundPayment`."""

    refund: Refund | None = None
    "The refund: PENDING until the gateway reports its outcome."


def _invoice_named(id: str | None) -> UUID | None:
    return None if id is None else id_of(InvoiceRecord.PREFIX, id, "invoice_id")


@strawberry.type
class RefundMutation:
    """Giving money back."""

    @strawberry.mutation
    @refused_in_payload
    async def refund_payment(
        self,
        info: Info,
        input: Annotated[
            RefundPaymentInput, strawberry.argument(description="The payment to refund, and why.")
        ],
    ) -> RefundPaymentPayload:
        """Staff: refunds a payment through its gateway, in full or in part.

        Deposits are in principle not refundable (NOT_REFUNDABLE). Where the policy allows
        exceptions, only the unspent part can be refunded.
        """
        by = info.context.signed_in()
        record = await run(
            RefundPayment(
                id_of(PaymentRecord.PREFIX, input.payment_id, "payment_id"),
                input.amount.amount if input.amount else None,
                input.amount.currency if input.amount else None,
                input.reason,
                _invoice_named(input.invoice_id),
            ),
            by,
            input.idempotency_key,
        )
        payment = await read_payment(record.payment_id)
        assert payment is not None, "a refund has a payment"
        return RefundPaymentPayload(
            refund=Refund.of(record),
            payment=Payment.of(payment),
            touched=(record.account_id, record.currency),
        )
