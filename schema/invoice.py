"""Invoices, and why one is not paid yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final
from uuid import UUID

import strawberry

from models.db.page import PageRequest
from models.db.record import parse_id
from models.invoices import invoice
from models.invoices.invoice import InvoiceKind
from models.payments.diagnosis import diagnose, perhaps_abandoned
from models.status import InvoiceStatus
from models.text import clean_text
from schema.account import Account, MetadataEntry
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.ids import account_named, existing_account
from schema.core.money import Locale, Money
from schema.core.nodes import Node, found_by
from schema.core.pages import (
    After,
    Before,
    Connection,
    First,
    Last,
    page_request,
    selected,
)
from schema.core.scalars import URL, serialize_decimal
from schema.core.shown import at_hand, shows, writes
from schema.diagnosis import PaymentDiagnosis
from schema.gateway import Gateway, gateway_of
from schema.payment import Payment

PREFIX = invoice.Invoice.PREFIX


strawberry.enum(InvoiceKind)


strawberry.enum(InvoiceStatus)


@strawberry.type
class InvoiceLine:
    """One line of an invoice."""

    description: str
    "The description. Its first line is the title."
    quantity: Decimal
    "The quantity, in any unit."
    unit_price: Money
    "The net unit price, rounded half up; negative for a discount."
    unit_price_exact: Decimal
    "The net unit price with all its decimal places."
    tax_rate: Decimal
    "The tax rate as a fraction: `0.1` is 10 %."
    total: Money
    "The net amount."

    record: strawberry.Private[invoice.InvoiceLine]
    currency: strawberry.Private[str]

    @classmethod
    def of(cls, record: invoice.InvoiceLine, currency: str) -> InvoiceLine:
        """Show a line."""
        shown = cls.__new__(cls)
        shown.record, shown.currency = record, currency
        return shown


@lru_cache(maxsize=1024)
def _plain_decimal(text: str) -> str:
    """Without an exponent. There are few quantities and rates."""
    return serialize_decimal(Decimal(text))


shows(
    InvoiceLine,
    "record",
    "currency",
    quantity=lambda line: Decimal(line.record.quantity),
    unit_price=lambda line: Money.minor(line.record.unit_price, line.currency),
    unit_price_exact=lambda line: Decimal(line.record.unit_price_exact),
    tax_rate=lambda line: Decimal(line.record.tax_rate),
    total=lambda line: Money.minor(line.record.total, line.currency),
)
writes(
    InvoiceLine,
    quantity=lambda line: _plain_decimal(line.record.quantity),
    unit_price_exact=lambda line: _plain_decimal(line.record.unit_price_exact),
    tax_rate=lambda line: _plain_decimal(line.record.tax_rate),
)


@strawberry.type
class Invoice(Node):
    """A bill to a client. Once issued, its content never changes."""

    number: str
    "The invoice number, without gaps in its series: `INV-2026-000042`."
    kind: InvoiceKind
    "What it is for."
    status: InvoiceStatus
    "The status of the invoice."
    overdue: bool
    "Whether `dueOn` has passed and it isn't fully paid."
    issued_at: datetime
    "When it was issued."
    due_at: datetime
    "When it is due."
    due_on: date
    "The due date, in the seller's time zone."
    paid_at: datetime | None
    "When it was paid in full."
    subtotal: Money
    "The net total of all lines."
    tax: Money
    "The tax, rounded once per rate."
    total: Money
    "The gross total: subtotal + tax."
    reference: str | None
    "The partner's own order number."
    transfer_reference: str | None
    "The reference to quote in a bank transfer for this invoice. It is also printed on the PDF."
    credit_applied: Money
    "The amount paid with account credit."
    amount_paid: Money
    "The amount paid, including credit and less refunds: total = amountPaid + amountDue."
    amount_due: Money
    "The amount that is still due."
    voided_at: datetime | None
    "When it was voided."
    void_reason: str | None
    "Why it was voided."
    credit_note_number: str | None
    "The number of the credit note that cancels it, if something had been paid."
    gateway: Gateway | None
    "The gateway of its latest payment, or the one chosen when it was issued."
    metadata: list[MetadataEntry]
    """What the partner keeps beside the invoice, by key. The client can read it too; it is in no
    document.
    """
    record: strawberry.Private[invoice.Invoice]
    lines_at_hand: strawberry.Private[list[InvoiceLine] | None] = None

    @classmethod
    def of(
        cls, record: invoice.Invoice, lines: Sequence[invoice.InvoiceLine] | None = None
    ) -> Invoice:
        """Show an invoice, whose `lines` may have been read already."""
        shown = cls.__new__(cls)
        shown.record = record
        if lines is not None:
            currency = record.currency
            shown.lines_at_hand = [InvoiceLine.of(line, currency) for line in lines]
        return shown

    @strawberry.field
    async def lines(self, info: Info) -> list[InvoiceLine]:
        """The invoice lines, in order."""
        if self.lines_at_hand is not None:
            return self.lines_at_hand
        currency = self.record.currency
        lines = await info.context.loaders.invoice_lines.load(self.record.id)
        return [InvoiceLine.of(line, currency) for line in lines]

    @strawberry.field
    @refused_at_top
    async def account(self, info: Info) -> Account:
        """The client to bill."""
        return Account.of(await existing_account(info, self.record.account_id))

    @strawberry.field
    @refused_at_top
    async def credit_applicable(self, info: Info) -> Money:
        """How much of it could be paid with available credit now. Reading it needs permission to
        read the balance.
        """
        by, find = info.context.signed_in(), info.context.loaders.credit_applicable.load
        minor = await invoice.visible_credit_applicable(self.record, by, find)
        return Money.minor(minor, self.record.currency)

    @strawberry.field
    async def payments(self, info: Info) -> list[Payment]:
        """All its payments, oldest first."""
        records = await info.context.loaders.invoice_payments.load(self.record.id)
        return [Payment.of(record) for record in records]

    @strawberry.field
    def pdf_url(self, info: Info, locale: Locale = None) -> URL:
        """A signed link to the PDF. It works without other credentials until it expires, so fetch a
        new one each time.
        """
        return URL(info.context.document_url(f"{self.id}.pdf", info.context.locale_for(locale)))

    @strawberry.field
    def void_document_url(self, info: Info, locale: Locale = None) -> URL | None:
        """A signed link to the credit note, or to the void notice if nothing had been paid. Null
        unless the invoice is void.
        """
        if not self.record.is_void:
            return None
        language = info.context.locale_for(locale)
        return URL(info.context.document_url(f"{self.id}.pdf", language, kind="void"))

    @strawberry.field
    async def diagnosis(self, info: Info) -> PaymentDiagnosis:
        """Why it isn't paid or credited yet, and what happens next."""
        loaders = info.context.loaders
        records = await loaders.invoice_payments.load(self.record.id)
        refunds = await loaders.refunds.load_many(perhaps_abandoned(records))
        listed = [one for some in refunds for one in some]
        return PaymentDiagnosis.of(diagnose(self.record, list(records), listed))


def _amount(name: str) -> Callable[[Invoice], Money]:
    return lambda bill: Money.minor(getattr(bill.record, name), bill.record.currency)


#: What is read of an invoice for its fields. Those that are missing here take all of it.
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "__typename": (),
    "id": (),
    "number": ("number",),
    "kind": ("kind",),
    "status": ("status",),
    "overdue": ("status", "due_on"),
    "issuedAt": ("issued_at",),
    "dueAt": ("due_at",),
    "dueOn": ("due_on",),
    "paidAt": ("paid_at",),
    "subtotal": ("subtotal", "currency"),
    "tax": ("tax", "currency"),
    "total": ("total", "currency"),
    "reference": ("reference",),
    "transferReference": ("transfer_reference",),
    "creditApplied": ("credit_applied", "currency"),
    "amountPaid": ("amount_paid", "currency"),
    "amountDue": ("total", "amount_paid", "currency"),
    "voidedAt": ("voided_at",),
    "voidReason": ("void_reason",),
    "creditNoteNumber": ("credit_note_number",),
    "gateway": ("gateway",),
    "metadata": ("details",),
    "lines": ("currency",),
    "account": ("account_id",),
    "payments": (),
}


def _columns(fields: set[str]) -> frozenset[str] | None:
    """The columns for these fields; None where it takes all of them."""
    if not fields <= _COLUMNS.keys():
        return None
    return frozenset(column for field in fields for column in _COLUMNS[field])


_AMOUNTS: Final = ("subtotal", "tax", "total", "credit_applied", "amount_paid", "amount_due")


shows(
    Invoice,
    "record",
    at_hand("lines"),
    id=lambda bill: strawberry.ID(bill.record.public_id),
    kind=lambda bill: InvoiceKind(bill.record.kind),
    status=lambda bill: InvoiceStatus(bill.record.status),
    due_on=lambda bill: date.fromisoformat(bill.record.due_on),
    gateway=lambda bill: gateway_of(bill.record.gateway),
    metadata=lambda bill: MetadataEntry.of(bill.record.details),
    **{name: _amount(name) for name in _AMOUNTS},
)


@found_by(PREFIX)
async def _invoice_node(info: Info, id: str) -> Invoice | None:
    by, find = info.context.signed_in(), info.context.loaders.invoice.load
    record = await invoice.visible(parse_id(PREFIX, id), by, find)
    return Invoice.of(record) if record else None


@strawberry.input
class InvoiceFilter:
    """Filters for invoices. Omitted fields match everything."""

    status: list[InvoiceStatus] | None = None
    "Only invoices with one of these statuses."
    kind: InvoiceKind | None = None
    "Only invoices of this kind."
    reference: str | None = None
    "Only invoices with exactly this order number."
    issued_after: datetime | None = None
    "Only invoices issued after this time."
    issued_before: datetime | None = None
    "Only invoices issued before this time."
    overdue: bool | None = None
    "Only invoices that are, or aren't, overdue."

    def domain(self) -> invoice.InvoiceFilter:
        """The same in the domain's terms."""
        return invoice.InvoiceFilter(
            status=None if self.status is None else tuple(status.value for status in self.status),
            kind=self.kind.value if self.kind else None,
            reference=self._reference(),
            issued_after=self.issued_after,
            issued_before=self.issued_before,
            overdue=self.overdue,
        )

    def _reference(self) -> str | None:
        if self.reference is None:
            return None
        return clean_text(self.reference, "filter", "reference", maximum=200, required=False)


async def of_account(
    info: Info, account_id: UUID, request: PageRequest, filter: InvoiceFilter | None
) -> Connection[Invoice]:
    """A page of an account's invoices, read together with other accounts' pages."""
    asked = invoice.InvoiceList(
        account_id,
        request,
        filter.domain() if filter else None,
        _columns(selected(info, "edges", "node")),
    )
    find = info.context.loaders.invoice_pages.load
    return Connection.of(await invoice.page_of(asked, info.context.signed_in(), find), Invoice.of)


@strawberry.type
class InvoiceQuery:
    """Reading invoices."""

    @strawberry.field
    @refused_at_top
    async def invoices(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        filter: Annotated[
            InvoiceFilter | None,
            strawberry.argument(description="Filters. Defaults to all invoices."),
        ] = None,
        account_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="Only invoices of this account. Defaults to all that the caller can "
                "see."
            ),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Invoice]:
        """The invoices, newest first."""
        fields = selected(info, "edges", "node")
        page = await invoice.page(
            page_request(info, first, after, last, before),
            by=info.context.signed_in(),
            account_id=account_named(account_id),
            filter=filter.domain() if filter else None,
            columns=_columns(fields),
        )
        if "lines" not in fields:
            return Connection.of(page, Invoice.of)
        lines = await invoice.lines_of([row.id for row in page.rows])
        return Connection.of(page, lambda row: Invoice.of(row, lines.get(row.id, ())))

    @strawberry.field
    @refused_at_top
    async def invoice(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The invoice's ID.")
        ] = None,
        number: Annotated[
            str | None,
            strawberry.argument(description="Alternatively its number: `INV-2026-000042`."),
        ] = None,
    ) -> Invoice | None:
        """An invoice by ID or number; null if it doesn't exist or isn't visible to the caller."""
        if id is not None:
            found = await _invoice_node(info, id)
            return found if found and number in (None, found.number) else None
        actor = info.context.signed_in()
        text = clean_text(number or "", "number", maximum=64, required=False)
        record = await invoice.visible_by_number(text, actor)
        return Invoice.of(record) if record else None
