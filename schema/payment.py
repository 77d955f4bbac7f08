"""Payments, and what the client must do next."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias
from uuid import UUID

import strawberry

from models import gateway
from models.db.record import parse_id
from models.gateway import BankAccountType
from models.payments import payment
from models.status import PaymentStatus
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top
from schema.core.money import Locale, Money
from schema.core.nodes import Node, found_by
from schema.core.scalars import URL
from schema.gateway import Gateway, gateway_of

if TYPE_CHECKING:
    from schema.invoice import Invoice
    from schema.refund import Refund


strawberry.enum(PaymentStatus)


@strawberry.type
class RedirectAction:
    """Send the browser to `url`; it comes back to the `returnUrl` of `payInvoice`."""

    url: URL
    "The gateway's page for this payment."
    expires_at: datetime | None
    "When that page expires."


@strawberry.type
class ConfirmCardAction:
    """Pass `clientSecret` to the card form in the page, which runs 3-D Secure if the bank requires
    it.
    """

    client_secret: str
    "Lets the card form finish this one payment. Never store or log it."
    publishable_key: str
    "The card gateway's publishable key."


strawberry.enum(BankAccountType)


@strawberry.type
class BankTransferAction:
    """Transfer `amount` and quote `reference`; the payment is booked when the bank reports it."""

    amount: Money
    "The amount to transfer."
    reference: str
    "The reference that the transfer must quote so that it can be matched."
    beneficiary: str
    "The account holder."
    bank_name: str
    "The name of the bank."
    account_number: str
    "The IBAN, or the local account number."
    bic: str | None
    "The bank's BIC, if one is needed."
    qr_code: str | None
    "An EPC QR code as an SVG data URL, for transfers in EUR."
    branch_name: str | None
    "The branch name, for transfers within Japan (支店名)."
    branch_code: str | None
    "The three-digit branch code (支店番号)."
    account_type: BankAccountType | None
    "The account type, for transfers within Japan (口座種別)."

    @strawberry.field
    def instructions(self, info: Info, locale: Locale = None) -> str:
        """The instructions as a sentence for people."""
        language = info.context.locale_for(locale)
        variant = "branch" if self.branch_name else "bic" if self.bic else ""
        kind = self.account_type and texts.say(
            f"transfer.account_type.{self.account_type.name}", language
        )
        return texts.say(
            f"transfer.instructions.{variant}".rstrip("."),
            language,
            amount=self.amount.value,
            beneficiary=self.beneficiary,
            account_number=self.account_number,
            account_type=kind or "",
            bank_name=self.bank_name,
            bic=self.bic,
            branch=" ".join(filter(None, (self.branch_name, self.branch_code))),
            reference=self.reference,
        )


PaymentAction: TypeAlias = Annotated[
    RedirectAction | ConfirmCardAction | BankTransferAction,
    strawberry.union("PaymentAction", description="What the client must do next."),
]


@strawberry.type
class PaymentAllocation:
    """What of a payment is for one invoice."""

    amount: Money
    "The part of the payment that is for it."
    invoice_id: strawberry.Private[UUID]

    @strawberry.field
    @refused_at_top
    async def invoice(self, info: Info) -> Annotated[Invoice, strawberry.lazy("schema.invoice")]:
        """The invoice that this part pays."""
        return await _invoice_of(info, self.invoice_id)


@strawberry.type
class Payment(Node):
    """One attempt to pay an invoice, part of it, or several, through one gateway."""

    gateway: Gateway | None
    "The gateway; null if it is no longer offered."
    amount: Money
    "The part of the invoice that it pays; of several invoices together."
    fee: Money
    "The gateway's fee; printed on the receipt, never added to an issued invoice."
    charged: Money
    "The total charged: amount + fee."
    received: Money
    "The amount that was received."
    refunded: Money
    "The amount that went back to the payer: refunds, and disputes that are open or lost."
    status: PaymentStatus
    "The status of the payment."
    next_action: PaymentAction | None
    "What the client must do next; null if nothing."
    failure_code: str | None
    """
    A short, stable code for why it failed: `card_declined`. While the payment is open, why the last
    attempt failed; the client can try again.
    """
    expires_at: datetime | None
    "When it expires."
    created_at: datetime
    "When it was started."
    completed_at: datetime | None
    "When it ended."
    record: strawberry.Private[payment.Payment]

    @classmethod
    def of(cls, record: payment.Payment) -> Payment:
        """Show a payment."""
        currency = record.currency
        return cls(
            id=strawberry.ID(record.public_id),
            gateway=gateway_of(record.gateway),
            amount=Money.minor(record.amount, currency),
            fee=Money.minor(record.fee, currency),
            charged=Money.minor(record.charged, currency),
            received=Money.minor(record.received, currency),
            refunded=Money.minor(record.taken_back, currency),
            status=PaymentStatus(record.status),
            next_action=_action(record),
            failure_code=record.failure,
            expires_at=record.expires_at,
            created_at=record.created_at,
            completed_at=record.completed_at,
            record=record,
        )

    @strawberry.field
    @refused_at_top
    async def invoice(self, info: Info) -> Annotated[Invoice, strawberry.lazy("schema.invoice")]:
        """The invoice that it pays; of several, the one that was due first."""
        return await _invoice_of(info, self.record.invoice_id)

    @strawberry.field
    def invoice_count(self) -> int:
        """The number of invoices that it pays; they are in `allocations`."""
        return len(self.record.allocations) or 1

    @strawberry.field
    def allocations(self) -> list[PaymentAllocation]:
        """What it pays; one for most. In the order in which a smaller amount would fill them."""
        record, currency = self.record, self.record.currency
        parts = [(one.invoice_id, one.amount) for one in record.allocations]
        return [
            PaymentAllocation(amount=Money.minor(amount, currency), invoice_id=id)
            for id, amount in parts or [(record.invoice_id, record.amount)]
        ]

    @strawberry.field
    async def refunds(
        self, info: Info
    ) -> list[Annotated[Refund, strawberry.lazy("schema.refund")]]:
        """Refunds of this payment that staff requested, oldest first."""
        from schema.refund import Refund  # noqa: PLC0415 - each names the other

        records = await info.context.loaders.refunds.load(self.record.id)
        return [Refund.of(record) for record in records]

    @strawberry.field
    def receipt_url(self, info: Info, locale: Locale = None) -> URL | None:
        """A signed link to the receipt; null if no money was received."""
        if not self.record.has_receipt:
            return None
        return URL(info.context.document_url(f"{self.id}.pdf", info.context.locale_for(locale)))

    @strawberry.field
    def failure_message(self, info: Info, locale: Locale = None) -> str | None:
        """Why it failed, as a sentence for people."""
        failure = self.record.failure
        return texts.failure(failure, info.context.locale_for(locale)) if failure else None


async def _invoice_of(info: Info, invoice_id: UUID) -> Invoice:
    from schema.invoice import Invoice  # noqa: PLC0415 - each names the other

    found = await info.context.loaders.invoice.load(invoice_id)
    assert found is not None, "a payment has an invoice"
    return Invoice.of(found)


def _action(record: payment.Payment) -> PaymentAction | None:
    match record.next_action:
        case gateway.Redirect() as go:
            return RedirectAction(url=URL(go.url), expires_at=go.expires_at)
        case gateway.ConfirmCard() as card:
            return ConfirmCardAction(
                client_secret=card.client_secret, publishable_key=card.publishable_key
            )
        case gateway.TransferInstructions() as transfer:
            return BankTransferAction(
                amount=Money.minor(record.charged, record.currency),
                reference=record.reference,
                beneficiary=transfer.beneficiary,
                bank_name=transfer.bank_name,
                account_number=transfer.account_number,
                bic=transfer.bic,
                qr_code=transfer.qr_code,
                branch_name=transfer.branch_name,
                branch_code=transfer.branch_code,
                account_type=(
                    BankAccountType(transfer.account_type) if transfer.account_type else None
                ),
            )
        case None:
            return None


@found_by(payment.Payment.PREFIX)
async def _payment_node(info: Info, id: str) -> Payment | None:
    by, find = info.context.signed_in(), info.context.loaders.payment.load
    record = await payment.visible(parse_id(payment.Payment.PREFIX, id), by, find)
    return Payment.of(record) if record else None


@strawberry.type
class PaymentPayload(Payload):
    """A payment as it is now, or why the mutation was refused."""

    payment: Payment | None = None
    "The payment as it is now."

    @strawberry.field
    async def invoice(
        self, info: Info
    ) -> Annotated[Invoice, strawberry.lazy("schema.invoice")] | None:
        """The invoice that it pays, as it is now; of several, the one that was due first."""
        return await _invoice_of(info, self.payment.record.invoice_id) if self.payment else None
