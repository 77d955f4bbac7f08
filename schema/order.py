"""Invoices for orders: issued by partners and staff, and taken back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import strawberry

from models.accounts.account import Account
from models.invoices import order
from models.invoices.invoice import Invoice as InvoiceRecord
from models.invoices.order import CreateOrder
from models.journal.command import run
from models.payments.void import VoidInvoice
from schema.account import MetadataEntryInput, pairs
from schema.balance import BalancePayload
from schema.core.context import Info
from schema.core.errors import refused_in_payload
from schema.core.ids import id_of
from schema.core.scalars import CurrencyCode
from schema.invoice import Invoice


@strawberry.input
class InvoiceLineInput:
    """An invoice line."""

    description: str
    "The description, at most 500 characters. Its first line is the title."
    quantity: Decimal = Decimal(1)
    "The quantity, in any unit."
    unit_price: Decimal
    """
    The price of one, net of tax, in the invoice's currency: at most six decimals, and negative for
    a discount.
    """
    tax_rate: Decimal = Decimal(0)
    "The tax rate as a fraction: `0.1` is 10 %."

    def domain(self) -> order.OrderLine:
        """The same in the domain's terms."""
        return order.OrderLine(self.description, self.quantity, self.unit_price, self.tax_rate)


@strawberry.input
class CreateInvoiceInput:
    """An invoice to issue."""

    account_id: strawberry.ID
    "The client to bill."
    currency: CurrencyCode
    "The currency of all amounts."
    lines: list[InvoiceLineInput]
    "The invoice lines, in order: 1 to 200."
    due_at: datetime | None = None
    "The due date. Defaults to the provider's usual payment term."
    apply_credit: bool | None = None
    """Whether to pay it from available credit right away. Defaults to the account's
    `autoApplyCredit`.
    """
    reference: str | None = None
    "The partner's own order number; shown on the invoice."
    metadata: list[MetadataEntryInput] | None = None
    """What the partner keeps beside the invoice: at most 20 entries. The client can read it too; no
    document has it.
    """
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class CreateInvoicePayload(BalancePayload):
    """The result of `createInvoice`."""

    invoice: Invoice | None = None
    "The invoice; already paid if credit was applied and covered it."


@strawberry.input
class VoidInvoiceInput:
    """The invoice to void."""

    invoice_id: strawberry.ID
    "The invoice to void."
    reason: str
    "The reason: kept with the invoice and printed on it."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class VoidInvoicePayload(BalancePayload):
    """The result of `voidInvoice`. Credit that had been applied is back in `balance`."""

    invoice: Invoice | None = None
    "The invoice as it is now: void."


@strawberry.type
class OrderMutation:
    """Issuing and voiding invoices."""

    @strawberry.mutation
    @refused_in_payload
    async def create_invoice(self, info: Info, input: CreateInvoiceInput) -> CreateInvoicePayload:
        """Partners (scope `invoices:write`) and staff: issues an invoice for an order."""
        by = info.context.signed_in()
        record = await run(
            CreateOrder(
                id_of(Account.PREFIX, input.account_id, "account_id"),
                input.currency,
                [line.domain() for line in input.lines],
                due_at=input.due_at,
                apply_credit=input.apply_credit,
                reference=input.reference,
                metadata=pairs(input.metadata),
            ),
            by,
            input.idempotency_key,
        )
        touched = (record.account_id, record.currency)
        return CreateInvoicePayload(invoice=Invoice.of(record), touched=touched)

    @strawberry.mutation
    @refused_in_payload
    async def void_invoice(self, info: Info, input: VoidInvoiceInput) -> VoidInvoicePayload:
        """Partners (scope `invoices:write`) and staff: voids an invoice.

        Credit goes back to where it came from, and money that was received becomes credit.
        """
        by = info.context.signed_in()
        record = await run(
            VoidInvoice(
                id_of(InvoiceRecord.PREFIX, input.invoice_id, "invoice_id"),
                input.reason,
            ),
            by,
            input.idempotency_key,
        )
        touched = (record.account_id, record.currency)
        return VoidInvoicePayload(invoice=Invoice.of(record), touched=touched)
