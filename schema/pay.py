"""Pay Now!, and what can be done about a payment that has begun."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import strawberry

from models.access.identity import Actor
from models.checkout.pay import PayInvoice
from models.checkout.pay_many import PayInvoices
from models.checkout.preview import PaymentPreview as Preview
from models.checkout.preview import preview_payment
from models.errors import Invalid
from models.invoices.allocation import ALLOCATIONS_MAX
from models.invoices.invoice import Invoice as InvoiceRecord
from models.journal.command import run
from models.payments import follow_up
from models.payments.follow_up import CancelPayment
from models.payments.outcome import RecordOutcome
from models.payments.payment import Payment as PaymentRecord
from schema.balance import BalancePayload
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.ids import id_of
from schema.core.money import Money
from schema.core.scalars import URL
from schema.invoice import Invoice
from schema.payment import Payment, PaymentPayload


@strawberry.input
class PayInvoiceInput:
    """The invoice to pay, and how."""

    invoice_id: strawberry.ID
    "The invoice to pay."
    use_credit: bool = False
    "Whether to use available credit first."
    credit_limit: Decimal | None = None
    "The maximum amount of credit to use."
    gateway: str | None = None
    """
    The gateway for the part that credit doesn't cover. Defaults to the invoice's own; not used if
    credit covers everything.
    """
    return_url: URL | None = None
    "Where the browser goes after the gateway's page. Its origin must be allowed."
    quote: str | None = None
    "Of `previewPayment`: PRICE_CHANGED if paying would now come out differently."
    amount: Decimal | None = None
    """
    Pay only this much through the gateway, in the invoice's currency; the rest stays due. More than
    zero, and at most what is due.
    """
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class PaymentPreview(Payload):
    """What paying would come to."""

    due: Money | None = None
    "What is due now."
    credit: Money | None = None
    "The part that credit pays."
    promotional: Money | None = None
    "The part of `credit` that is promotional."
    through_gateway: Money | None = None
    "The part that goes through the gateway, without its fee; zero if credit covers everything."
    fee: Money | None = None
    "The gateway's fee."
    fee_saved: Money | None = None
    "How much lower the fee is than those of one payment per invoice would be together."
    charged: Money | None = None
    "The total charged through the gateway: throughGateway + fee."
    remaining_due: Money | None = None
    "What stays due once the payment has succeeded."
    available_after: Money | None = None
    """
    The available credit once the payment has succeeded; null for API keys without the scope
    `credit:read`.
    """
    quote: str | None = None
    """
    Pass it as `quote` to `payInvoice` or `payInvoices` to pay on exactly these terms or be refused.
    """


@strawberry.type
class PayQuery:
    """Previews of payments."""

    @strawberry.field
    @refused_in_payload
    async def preview_payment(  # noqa: PLR0917 - arguments of GraphQL
        self,
        info: Info,
        invoice_ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="What to pay: 1 to 50 invoices, as in `payInvoices`."),
        ],
        use_credit: Annotated[  # noqa: FBT002 - an argument of GraphQL
            bool, strawberry.argument(description="Whether to use available credit first.")
        ] = False,
        credit_limit: Annotated[
            Decimal | None, strawberry.argument(description="The maximum amount of credit to use.")
        ] = None,
        gateway: Annotated[
            str | None,
            strawberry.argument(
                description="The gateway for the rest. Defaults to that of the first invoice due."
            ),
        ] = None,
        amount: Annotated[
            Decimal | None,
            strawberry.argument(
                description="Of one invoice: the part that goes through the gateway, as in "
                "`payInvoice`."
            ),
        ] = None,
    ) -> PaymentPreview:
        """What `payInvoice`, or for several `payInvoices`, would do now. Changes nothing. API keys
        need `credit:read` where it uses credit.
        """
        by = info.context.signed_in()
        command = PayInvoices(
            _invoices_of(invoice_ids),
            use_credit=use_credit,
            credit_limit=credit_limit,
            gateway=gateway,
            amount=amount,
        )
        return _shown(await preview_payment(command, by), by)


def _shown(told: Preview, by: Actor) -> PaymentPreview:
    terms, currency = told.terms, told.terms.currency
    after = Money.minor(told.available_after, currency) if by.may("credit:read") else None
    return PaymentPreview(
        due=Money.minor(terms.due, currency),
        credit=Money.minor(terms.credit, currency),
        promotional=Money.minor(terms.promotional, currency),
        through_gateway=Money.minor(terms.amount, currency),
        fee=Money.minor(terms.fee, currency),
        fee_saved=Money.minor(terms.saved, currency),
        charged=Money.minor(terms.charged, currency),
        remaining_due=Money.minor(terms.remaining, currency),
        available_after=after,
        quote=terms.quote,
    )


@strawberry.type
class PayInvoicePayload(BalancePayload):
    """The result of `payInvoice`."""

    invoice: Invoice | None = None
    "The invoice as it is now."
    payment: Payment | None = None
    "The gateway payment that was started, with what to do next."


@strawberry.input
class PayInvoicesInput:
    """The invoices to pay together, and how."""

    invoice_ids: list[strawberry.ID]
    """
    The invoices to pay: 1 to 50 of one account and currency, each once. They are paid earliest due
    first. A deposit can't be among several.
    """
    use_credit: bool = False
    "Whether to use available credit first."
    credit_limit: Decimal | None = None
    "The maximum amount of credit to use."
    gateway: str | None = None
    """
    The gateway for the part that credit doesn't cover. Defaults to that of the invoice that is due
    first; not used if credit covers everything.
    """
    return_url: URL | None = None
    "Where the browser goes after the gateway's page. Its origin must be allowed."
    quote: str | None = None
    "Of `previewPayment`: PRICE_CHANGED if paying would now come out differently."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class PayInvoicesPayload(BalancePayload):
    """The result of `payInvoices`."""

    invoices: list[Invoice] = strawberry.field(default_factory=list)
    "The invoices as they are now, earliest due first."
    payment: Payment | None = None
    "The one gateway payment that was started, with what to do next."


@strawberry.input
class RecheckPaymentInput:
    """The payment to check."""

    payment_id: strawberry.ID
    "The payment to check."


@strawberry.input
class CancelPaymentInput:
    """The payment to cancel."""

    payment_id: strawberry.ID
    "The payment to cancel."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class RecheckPaymentPayload(PaymentPayload):
    """The result of `recheckPayment`."""


@strawberry.type
class CancelPaymentPayload(PaymentPayload):
    """The result of `cancelPayment`."""


@strawberry.input
class RecordPaymentOutcomeInput:
    """The outcome of a payment that only staff can determine."""

    payment_id: strawberry.ID
    "The payment to end."
    captured: bool
    "Whether the gateway has taken the client's money."
    reason: str
    "How staff know this, for the audit log."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class PaymentOutcomePayload(PaymentPayload):
    """The result of `recordPaymentOutcome`."""


def _invoices_of(ids: Sequence[str]) -> tuple[UUID, ...]:
    if not 1 <= len(ids) <= ALLOCATIONS_MAX:  # before each of very many is read
        raise Invalid("invoice_ids", problem="invoice_count")
    named = (id_of(InvoiceRecord.PREFIX, id, "invoice_ids", str(n)) for n, id in enumerate(ids))
    return tuple(named)


@strawberry.type
class PayMutation:
    """Paying."""

    @strawberry.mutation
    @refused_in_payload
    async def pay_invoice(self, info: Info, input: PayInvoiceInput) -> PayInvoicePayload:
        """Pay Now!: with credit, through a gateway, or credit first and a gateway for the rest."""
        by = info.context.signed_in()
        paid = await run(
            PayInvoice(
                id_of(InvoiceRecord.PREFIX, input.invoice_id, "invoice_id"),
                use_credit=input.use_credit,
                credit_limit=input.credit_limit,
                gateway=input.gateway,
                return_url=input.return_url,
                quote=input.quote,
                amount=input.amount,
            ),
            by,
            input.idempotency_key,
        )
        return PayInvoicePayload(
            invoice=Invoice.of(paid.invoice),
            payment=Payment.of(paid.payment) if paid.payment else None,
            touched=(paid.invoice.account_id, paid.invoice.currency),
        )

    @strawberry.mutation
    @refused_in_payload
    async def pay_invoices(
        self,
        info: Info,
        input: Annotated[
            PayInvoicesInput, strawberry.argument(description="The invoices, and how to pay them.")
        ],
    ) -> PayInvoicesPayload:
        """Pays several invoices at once: with credit, and what it doesn't cover by one payment,
        with one fee, one receipt and one reference.
        """
        by = info.context.signed_in()
        paid = await run(
            PayInvoices(
                _invoices_of(input.invoice_ids),
                use_credit=input.use_credit,
                credit_limit=input.credit_limit,
                gateway=input.gateway,
                return_url=input.return_url,
                quote=input.quote,
            ),
            by,
            input.idempotency_key,
        )
        first = paid.invoices[0]
        return PayInvoicesPayload(
            invoices=[Invoice.of(one) for one in paid.invoices],
            payment=Payment.of(paid.payment) if paid.payment else None,
            touched=(first.account_id, first.currency),
        )

    @strawberry.mutation
    @refused_in_payload
    async def recheck_payment(
        self, info: Info, input: RecheckPaymentInput
    ) -> RecheckPaymentPayload:
        """Checks the payment with the gateway now, instead of waiting for its webhook."""
        by = info.context.signed_in()
        payment_id = id_of(PaymentRecord.PREFIX, input.payment_id, "payment_id")
        record = await follow_up.recheck(payment_id, by=by)
        return RecheckPaymentPayload(payment=Payment.of(record))

    @strawberry.mutation
    @refused_in_payload
    async def cancel_payment(self, info: Info, input: CancelPaymentInput) -> CancelPaymentPayload:
        """Cancels a payment that isn't being processed yet, and releases the credit it held."""
        by = info.context.signed_in()
        payment_id = id_of(PaymentRecord.PREFIX, input.payment_id, "payment_id")
        record = await run(CancelPayment(payment_id), by, input.idempotency_key)
        return CancelPaymentPayload(payment=Payment.of(record))

    @strawberry.mutation
    @refused_in_payload
    async def record_payment_outcome(
        self,
        info: Info,
        input: Annotated[
            RecordPaymentOutcomeInput,
            strawberry.argument(description="The payment and its outcome."),
        ],
    ) -> PaymentOutcomePayload:
        """Staff: ends a payment that its gateway can no longer end, because the gateway isn't
        configured anymore or the payment stays PROCESSING.

        If it was captured, the amount charged is booked under the payment's own ID, and a later
        webhook for that capture books nothing. If not, the payment is canceled; a capture that is
        reported later is still booked.
        """
        by = info.context.signed_in()
        record = await run(
            RecordOutcome(
                id_of(PaymentRecord.PREFIX, input.payment_id, "payment_id"),
                captured=input.captured,
                reason=input.reason,
            ),
            by,
            input.idempotency_key,
        )
        return PaymentOutcomePayload(payment=Payment.of(record))
